/* SPDX-License-Identifier: MIT
 *
 * fuzz_hf_vocab.c - any bytes as tokenizer.json, or (behind a first byte of 1) as tokenizer.model: what is
 * accepted is a GGUF file that can be read.
 *
 * fuzz: max_len=8192 words=models/convert/hf_vocab.c
 */
#include <stdlib.h>
#include <string.h>

#include "core/base/mem.h"
#include "models/convert/hf_vocab.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

enum { ROWS = 300 };

static hl_status write_vocab(const uint8_t *data, size_t n, hl_arena *arena, hl_gguf_writer *w, json_t **ret,
                             hl_err *err) {
    const hl_json_rules rules = {
        .max_bytes = 1 << 20, .max_values = 1 << 16, .max_depth = 32, .allows_nul = true};
    hl_vocab_source s = {.n_rows = ROWS};
    if (n > 0 && data[0] == 1) {
        s.spm = (hl_view){(const char *)data + 1, n - 1};
        if (s.spm.len == 0) return HL_E_FORMAT;
    } else {
        const hl_status status =
            hl_json_read((hl_view){(const char *)data, n}, "tokenizer.json", &rules, ret, err);
        if (status != HL_OK) return status;
        s.tokenizer = s.settings = s.config = s.generation = *ret; /* keys of all four in one */
        s.is_encoder = hl_json_bool(*ret, "is_encoder", false);
    }
    return hl_vocab_write(&s, arena, w, err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    hl_err          err = {0};
    hl_arena        arena;
    json_t         *root = NULL;
    uint8_t        *file = NULL;
    size_t          n_file = 0;
    hl_gguf        *g = NULL;
    hl_gguf_writer *w = hl_gguf_writer_new();
    hl_arena_init(&arena, 64 << 20);
    if (w && write_vocab(data, n, &arena, w, &root, &err) == HL_OK &&
        hl_gguf_writer_build(w, &file, &n_file, &err) == HL_OK) {
        if (hl_gguf_open_memory(file, n_file, &g, &err) != HL_OK) abort();
        const hl_gguf_value *tokens = hl_gguf_find(g, "tokenizer.ggml.tokens");
        if (!tokens || tokens->n != ROWS) abort();
    }
    hl_gguf_close(g);
    hl_free(file);
    hl_gguf_writer_free(w);
    json_decref(root);
    hl_arena_done(&arena);
    return 0;
}
