/* SPDX-License-Identifier: MIT
 *
 * fuzz_tokenizer.c - any bytes as a text for small vocabularies, and as the vocabulary itself.
 *
 * The first byte chooses: below 128 a text (the rule is the byte modulo their number), else a GGUF file.
 * What a text's ids spell must be the text; whatever a hostile vocabulary says, nothing may break.
 */
#define _GNU_SOURCE
#include <sys/mman.h>

#include "tests/unit/tokenizer_fixture.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static const char *const rules[] = {"gpt-2",        "starcoder",      "llama3",      "qwen2",
                                    "gpt-4o",       "tekken",         "falcon",      "qwen35",
                                    "deepseek-llm", "deepseek-coder", "deepseek-v3", "default"};

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
    if (!i) (void)fix_add(f, "\xE2\x96\x81", 1, -3); /* without it, a space is three bytes */
    if (!i) (void)fix_add(f, "b\xE2\x96\x81", 1, -1);
    hl_gguf_writer_add_bool(f->w, "tokenizer.ggml.add_space_prefix", false);
    fix_merge(f, "a b");
    fix_merge(f, "\xC4\xA0 a");
    return fix_load(f, ret_g, &t, NULL) == HL_OK ? t : NULL;
}

/* SentencePiece spells a U+2581 of the text as a space. */
static bool is_same(const char *out, size_t n, hl_view text, bool spm) {
    return spm && memmem(text.ptr, text.len, "\xE2\x96\x81", 3) ? n <= text.len
                                                                : hl_view_eq((hl_view){out, n}, text);
}

static void fuzz_text(const hl_tokenizer *t, hl_view text, bool check) {
    for (unsigned flags = 0; flags < 4; flags++) {
        hl_tokens      ids = {0};
        hl_detokenizer d;
        const size_t   cap = hl_tokenizer_max_piece_bytes(t);
        char          *buf = hl_new(cap, 1), *out = hl_new(text.len + 1, 1);
        size_t         n = 0;
        if (hl_tokenizer_encode(t, text, flags, &ids, NULL) != HL_OK) abort();
        hl_detokenizer_init(&d, t, true);
        for (size_t i = 0; i < ids.n; i++) {
            if (!hl_utf8_is_valid(buf, hl_detokenizer_feed(&d, ids.ids[i], buf, cap))) abort();
            if (n <= text.len) n += hl_tokenizer_piece(t, ids.ids[i], true, out + n, text.len - n);
        }
        (void)hl_detokenizer_finish(&d, buf, cap);
        if (check && flags == 0 && !is_same(out, n, text, strcmp(hl_tokenizer_kind(t), "spm") == 0)) abort();
        hl_free(buf);
        hl_free(out);
        hl_tokens_done(&ids);
    }
}

static void fuzz_vocabulary(const uint8_t *data, size_t n) {
    char          path[64];
    hl_gguf      *g = NULL;
    hl_tokenizer *t = NULL;
    const int     fd = memfd_create("vocab", MFD_CLOEXEC);
    if (fd < 0 || write(fd, data, n) != (ssize_t)n) abort();
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (hl_gguf_open(path, &g, NULL) == HL_OK && hl_tokenizer_new(g, &t, NULL) == HL_OK) {
        fuzz_text(t, hl_view_of("Hello <|im_end|> 123 \xC3\xA9\xFF\n\n  ab b ab"), false);
        for (int32_t id = -1; id <= hl_tokenizer_n_vocab(t) && id < 1000; id++)
            (void)hl_tokenizer_spelling(t, id);
    }
    hl_tokenizer_free(t);
    hl_gguf_close(g);
    (void)close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    enum { N_RULES = sizeof rules / sizeof *rules + 1 };
    static hl_tokenizer *made[N_RULES]; /* kept from run to run: making them is the slow part */
    static hl_gguf      *files[N_RULES];
    if (n == 0) return 0;
    if (data[0] >= 128) {
        fuzz_vocabulary(data + 1, n - 1);
        return 0;
    }
    const size_t i = data[0] % N_RULES;
    if (!made[i]) made[i] = make(i, &files[i]);
    if (!made[i]) abort();
    fuzz_text(made[i], (hl_view){(const char *)data + 1, n - 1}, true);
    return 0;
}
