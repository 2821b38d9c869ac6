/* SPDX-License-Identifier: MIT
 *
 * fuzz_encode.c - any bytes as a text for small vocabularies of every split rule.
 *
 * The first byte chooses the vocabulary; the second what is asked: bits 0 and 1 the flags, the others which
 * stretches of the text came from outside. What a text's ids spell must be the text, and no control token may
 * lie in such a stretch.
 *
 * fuzz: max_len=2048
 */
#define _GNU_SOURCE
#include "engine/tokenizer/detokenize.h"
#include "engine/tokenizer/encode.h"
#include "tests/unit/tokenizer_fixture.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static const char *const rules[] = {"gpt-2",       "starcoder", "llama3",   "qwen2",        "gpt-4o",
                                    "tekken",      "falcon",    "qwen35",   "deepseek-llm", "deepseek-coder",
                                    "deepseek-v3", "default",   "minicpm5", "seed-coder",   "viking",
                                    "bailingmoe",  "laguna",    "jais-2",   "youtu",        "exaone-moe",
                                    "kimi-k2",     "chameleon"};

enum { N_MADE = sizeof rules / sizeof *rules + 1, MAX_TEXT = 1 << 10, MAX_PIECE = 64 };

static hl_tokenizer *make(size_t i, hl_gguf **ret_g) {
    fix_vocab    *f = fix_new(i ? "gpt2" : "llama", i ? rules[i - 1] : NULL);
    hl_tokenizer *t = NULL;
    if (i)
        fix_add_letters(f);
    else
        fix_add_bytes(f);
    (void)fix_add(f, "ab", 1, -1);
    (void)fix_add(f,
                  "\xC4\xA0"
                  "a",
                  1, -2);
    (void)fix_add(f, "<tag>", 4, 0);
    (void)fix_add(f, "<|im_end|>", 3, 0);
    (void)fix_add(f, "<|", 3, 0);
    if (!i) (void)fix_add(f, "\xE2\x96\x81", 1, -3); /* without it, a space is three bytes */
    if (!i) (void)fix_add(f, "b\xE2\x96\x81", 1, -1);
    hl_gguf_writer_add_bool(f->w, "tokenizer.ggml.add_space_prefix", false);
    hl_gguf_writer_add_u32(f->w, "tokenizer.ggml.bos_token_id",
                           UINT32_MAX); /* or a byte of small ids begins texts */
    hl_gguf_writer_add_u32(f->w, "tokenizer.ggml.eos_token_id", UINT32_MAX);
    fix_merge(f, "a b");
    fix_merge(f, "\xC4\xA0 a");
    return fix_load(f, ret_g, &t, NULL) == HL_OK ? t : NULL;
}

/* Stretches of eight bytes, from outside where `pattern` has a bit. */
static size_t make_spans(unsigned pattern, size_t n, hl_span *spans) {
    size_t n_spans = 0;
    for (size_t at = 0; at < n; at += 8) {
        if (!(pattern >> at / 8 % 6 & 1)) continue;
        const size_t end = at + 8 < n ? at + 8 : n;
        if (n_spans && spans[n_spans - 1].end == at)
            spans[n_spans - 1].end = end;
        else
            spans[n_spans++] = (hl_span){at, end};
    }
    return n_spans;
}

/* SentencePiece spells a U+2581 of the text as a space. */
static bool is_same(const char *piece, size_t n, hl_view text, size_t at, bool spm) {
    return n <= text.len - at && (memcmp(piece, text.ptr + at, n) == 0 || spm);
}

static void check(const hl_tokenizer *t, hl_view text, unsigned asked) {
    static hl_span   spans[MAX_TEXT / 8 + 1];
    static hl_tokens ids;
    static char      piece[MAX_PIECE], shown[3 * (MAX_PIECE + 8)];
    hl_detokenizer   d;
    size_t           at = 0;
    const bool       spm = strcmp(hl_tokenizer_kind(t), "spm") == 0;
    const bool   moves = spm && memmem(text.ptr, text.len, "\xE2\x96\x81", 3); /* places are not to be told */
    const size_t n_spans = make_spans(asked >> 2, text.len, spans);
    ids.n = 0;
    if (hl_tokenizer_encode_tainted(t, text, spans, n_spans, asked & 3, &ids, NULL) != HL_OK) abort();
    hl_detokenizer_init(&d, t, true);
    for (size_t i = 0; i < ids.n; i++) {
        if (!hl_utf8_is_valid(shown, hl_detokenizer_feed(&d, ids.ids[i], shown, sizeof shown))) abort();
        const size_t n = hl_tokenizer_piece(t, ids.ids[i], true, piece, sizeof piece);
        if (moves) continue;
        if (!is_same(piece, n, text, at, spm)) abort();
        if (hl_tokenizer_is_control(t, ids.ids[i]) && hl_spans_touch(spans, n_spans, at, at + n)) abort();
        if (hl_tokenizer_is_control(t, ids.ids[i]) && !(asked & HL_TOKENIZE_SPECIAL)) abort();
        at += n;
    }
    (void)hl_detokenizer_finish(&d, shown, sizeof shown);
    if (!moves && at != text.len) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    static hl_tokenizer *made[N_MADE]; /* kept from run to run: making them is the slow part */
    static hl_gguf      *files[N_MADE];
    if (n < 2 || n > MAX_TEXT) return 0;
    const size_t i = data[0] % N_MADE;
    if (!made[i]) made[i] = make(i, &files[i]);
    if (!made[i]) abort();
    check(made[i], (hl_view){(const char *)data + 2, n - 2}, data[1]);
    return 0;
}
