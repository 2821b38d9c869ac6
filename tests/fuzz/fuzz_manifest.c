/* SPDX-License-Identifier: MIT
 *
 * fuzz_manifest.c - any bytes as a manifest; what is accepted is written and read back the same.
 *
 * fuzz: max_len=8192 words=models/manifest.c
 */
#include <stdlib.h>
#include <string.h>

#include "models/manifest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    hl_arena    arena;
    hl_manifest m, again;
    hl_str      s;
    hl_err      err;
    hl_arena_init(&arena, 64 << 20);
    hl_str_init(&s, 16 << 20);
    if (hl_manifest_parse((hl_view){(const char *)data, n}, "fuzz", &arena, &m, &err) == HL_OK &&
        m.config.digest[0]) {
        hl_manifest_format(&m, &s);
        if (hl_manifest_parse(hl_str_view(&s), "again", &arena, &again, &err) != HL_OK) abort();
        if (again.n_layers != m.n_layers || hl_manifest_size(&again) != hl_manifest_size(&m)) abort();
    }
    hl_str_done(&s);
    hl_arena_done(&arena);
    return 0;
}
