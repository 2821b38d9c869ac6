/* SPDX-License-Identifier: MIT
 *
 * fuzz_vocab.c - any bytes as a GGUF file with a vocabulary: whatever it says, nothing may break.
 *
 * fuzz: max_len=32768
 * words=engine/tokenizer/pretokenizers.def,engine/tokenizer/tokenizer.c,engine/tokenizer/vocab.c
 */
#include <stdlib.h>
#include <string.h>

#include "engine/tokenizer/detokenize.h"
#include "core/base/mem.h"
#include "engine/tokenizer/encode.h"
#include "engine/tokenizer/tokenizer_load.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void use(const hl_tokenizer *t) {
    static const char text[] = "Hello <|im_end|> 123 \xC3\xA9\xFF\n\n  ab b ab<s>";
    const hl_span     span = {6, 9};
    const size_t      cap = hl_tokenizer_max_piece_bytes(t);
    char             *buf = hl_new(cap, 1);
    hl_tokens         ids = {0};
    hl_detokenizer    d;
    if (!buf) abort();
    hl_detokenizer_init(&d, t, true);
    for (unsigned flags = 0; flags < 8; flags += 7) {
        if (hl_tokenizer_encode_tainted(t, (hl_view){text, sizeof text - 1}, &span, flags ? 1 : 0, flags,
                                        &ids, NULL) != HL_OK)
            abort();
    }
    for (size_t i = 0; i < ids.n; i++) {
        if (!hl_utf8_is_valid(buf, hl_detokenizer_feed(&d, ids.ids[i], buf, cap))) abort();
    }
    (void)hl_detokenizer_finish(&d, buf, cap);
    for (int32_t id = -1; id <= hl_tokenizer_n_vocab(t) && id < 1000; id++) {
        const hl_view spelling = hl_tokenizer_spelling(t, id);
        if (spelling.len && hl_tokenizer_find(t, spelling) < 0) abort();
        (void)hl_tokenizer_piece(t, id, true, buf, cap);
    }
    for (size_t i = 0; hl_tokenizer_warning(t, i); i++)
        if (hl_tokenizer_warning(t, i)[0] == '\0') abort();
    hl_tokens_done(&ids);
    hl_free(buf);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    hl_gguf      *g = NULL;
    hl_tokenizer *t = NULL;
    void         *copy = hl_new_aligned(n + 1, 1);
    if (!copy) abort();
    memcpy(copy, data, n);
    if (hl_gguf_open_memory(copy, n, &g, NULL) == HL_OK && hl_tokenizer_new(g, &t, NULL) == HL_OK) use(t);
    hl_tokenizer_free(t);
    hl_gguf_close(g);
    hl_free(copy);
    return 0;
}
