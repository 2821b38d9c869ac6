/* SPDX-License-Identifier: MIT
 *
 * fuzz_format.c - any bytes as a format of answers: the first says which kind, the rest is a schema, a
 * grammar, a regular expression or a list; then its first masks.
 *
 * fuzz: max_len=4096 words=engine/grammar/schema_keywords.def,engine/grammar/formats.def
 */
#include <stdlib.h>

#include "engine/grammar/grammar.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static size_t piece(void *user, int32_t id, char *buf, size_t cap) {
    static const char more[][6] = {"{\"", "\":", "\", \"", "ab", "\n  ", "]}", "12", "true"};
    const char       *text = more[id % 8];
    (void)user;
    if (id < 256) {
        if (cap > 0) buf[0] = (char)id;
        return 1;
    }
    size_t k = 0;
    for (; text[k]; k++)
        if (k < cap) buf[k] = text[k];
    return k;
}

static enum hl_token_role role(void *user, int32_t id) {
    (void)user;
    return id == 264 ? HL_TOKEN_END : HL_TOKEN_TEXT;
}

static void walk(hl_grammar *g, hl_token_trie *trie, const uint8_t *data, size_t n) {
    hl_matcher *m = NULL;
    hl_err      err;
    if (hl_matcher_new(g, trie, &m, &err) != HL_OK) return;
    for (size_t i = 0; i < n && i < 40 && !hl_matcher_is_done(m); i++) {
        const uint32_t *mask = hl_matcher_allowed(m);
        for (int32_t k = 0; k < 265; k++) {
            const int32_t id = (data[i] + k) % 265;
            if (!(mask[id / 32] >> (id % 32) & 1)) continue;
            if (!hl_matcher_accept(m, id)) abort(); /* the mask said it may come */
            break;
        }
    }
    int32_t ids[8], tried[6];
    (void)hl_matcher_forced_tokens(m, ids, 8);
    for (size_t i = 0; i < 6; i++) tried[i] = (int32_t)(i < n ? (data[n - 1 - i] + 3 * i) % 266 : 0);
    const size_t fits = hl_matcher_fits(m, tried, 6);
    for (size_t i = 0; i < fits; i++)
        if (!hl_matcher_accept(m, tried[i])) abort(); /* it said that they may come */
    if (fits < 6 && hl_matcher_accept(m, tried[fits])) abort();
    hl_matcher_free(m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    static hl_token_trie          *trie;
    static const hl_grammar_tokens tokens = {.n_vocab = 265, .piece = piece, .role = role};
    hl_err                         err;
    hl_grammar                    *g = NULL;
    if (n == 0 || (!trie && hl_token_trie_new(&tokens, &trie, &err) != HL_OK)) return 0;
    const hl_format f = {(hl_format_kind)(HL_FORMAT_JSON + data[0] % 5), {(const char *)data + 1, n - 1}};
    if (hl_grammar_compile(&f, (hl_view){0}, &g, &err) == HL_OK) walk(g, trie, data, n);
    hl_grammar_unref(g);
    return 0;
}
