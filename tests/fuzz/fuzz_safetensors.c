/* SPDX-License-Identifier: MIT
 *
 * fuzz_safetensors.c - headers of safetensors files: what is accepted lies within the file.
 *
 * fuzz: max_len=4096 words=models/convert/safetensors.c
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/mem.h"
#include "models/convert/safetensors.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    hl_safetensors *s = NULL;
    hl_err          err = {0};
    uint8_t        *copy = hl_new(size + 1, 1); /* of its own length, so that a read behind it is seen */
    if (!copy) return 0;
    memcpy(copy, data, size);
    if (hl_safetensors_open_memory(copy, size, &s, &err) == HL_OK) {
        for (size_t i = 0; i < hl_safetensors_n(s); i++) {
            const hl_st_tensor *t = hl_safetensors_at(s, i);
            if (t->data < copy || t->data > copy + size || t->n_bytes > (size_t)(copy + size - t->data))
                abort();
            if (hl_safetensors_find(s, t->name) != t) abort();
        }
    } else if (!err.text[0]) {
        abort();
    }
    hl_safetensors_close(s);
    hl_free(copy);
    return 0;
}
