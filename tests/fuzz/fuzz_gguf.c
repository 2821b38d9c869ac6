/* SPDX-License-Identifier: MIT
 *
 * fuzz_gguf.c - any bytes as a GGUF file: an error, or values and tensors that can be read to their end.
 *
 * fuzz: max_len=65536 words=engine/hparams.c,core/gguf/types.def,engine/arch/archs.def
 */
#include <string.h>

#include "core/base/mem.h"
#include "core/gguf/gguf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    hl_err            err = {0};
    hl_gguf          *g = NULL;
    volatile uint64_t sum = 0; /* so that the reads below stay */
    uint8_t          *copy = hl_new_aligned(n, 1);
    if (!copy) return 0;
    memcpy(copy, data, n);
    if (hl_gguf_open_memory(copy, n, &g, &err) == HL_OK) {
        for (size_t i = 0; i < hl_gguf_n_values(g); i++) {
            hl_gguf_strings      it;
            hl_view              s;
            double               x = 0;
            const hl_gguf_value *v = hl_gguf_value_at(g, i);
            if (hl_gguf_strings_init(&it, v))
                while (hl_gguf_strings_next(&it, &s)) sum += s.len ? (uint8_t)s.ptr[s.len - 1] : 0;
            else if (v->n && hl_gguf_elem_f64(v, v->n - 1, &x))
                sum += x > 0;
        }
        for (size_t i = 0; i < hl_gguf_n_tensors(g); i++) {
            const hl_gguf_tensor *t = hl_gguf_tensor_at(g, i);
            sum += ((const uint8_t *)t->data)[t->n_bytes - 1];
        }
        hl_gguf_close(g);
    }
    (void)sum; /* clang 14 does not count reads by += */
    hl_free(copy);
    return 0;
}
