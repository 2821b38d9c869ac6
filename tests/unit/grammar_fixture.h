/* SPDX-License-Identifier: MIT
 *
 * grammar_fixture.h - a small vocabulary with tokens that cross every border, and grammars to try on it.
 */
#ifndef HL_TESTS_UNIT_GRAMMAR_FIXTURE_H
#define HL_TESTS_UNIT_GRAMMAR_FIXTURE_H

#include "tests/need.h"

#include <string.h>

#include "core/base/str.h"
#include "engine/grammar/grammar.h"

enum { GF_END = 256, GF_CALL, GF_THINK, GF_FIRST_WORD };

/* Ids 0..255 are bytes; GF_END ends; GF_CALL and GF_THINK are control tokens; then these. */
static const char *const gf_words[] = {
    "{\"",  "\":",     "\": \"", "\", \"", "\"}",   "},",       "}, {",     "],",       "]}",
    "abc",  "ab",      "a\",",   "\\n",    "\\u00", "\xC3\xA9", "\xE2\x82", "\xAC\"",   "12",
    "345",  "1, ",     "0.5",    ", ",     ",\n  ", "\n    ",   "true",     "false}",   "null,",
    "name", "name\":", "e\"",    "-1",     "x<",    "<to",      "<tool",    "ol_call>", "call>{\"",
    "  ",   "    ",    "zz\"]",  "\"\"",   "\"a\"", "red\"",    "yes",      "no"};
enum { GF_N_WORDS = sizeof gf_words / sizeof *gf_words, GF_N_VOCAB = GF_FIRST_WORD + GF_N_WORDS };

static inline hl_view gf_spelling(int32_t id) {
    if (id == GF_CALL) return hl_view_of("<tool_call>");
    if (id == GF_THINK) return hl_view_of("<think>");
    return id >= GF_FIRST_WORD ? hl_view_of(gf_words[id - GF_FIRST_WORD]) : (hl_view){0};
}

static inline size_t gf_piece(void *user, int32_t id, char *buf, size_t cap) {
    const hl_view v = gf_spelling(id);
    (void)user;
    if (id < 256 && cap > 0) buf[0] = (char)id;
    if (id < 256) return 1;
    memcpy(buf, v.ptr ? v.ptr : "", v.len < cap ? v.len : cap);
    return v.len;
}

static inline enum hl_token_role gf_role(void *user, int32_t id) {
    (void)user;
    return id == GF_END ? HL_TOKEN_END : id == GF_CALL || id == GF_THINK ? HL_TOKEN_CONTROL : HL_TOKEN_TEXT;
}

static inline hl_token_trie *gf_trie(void) {
    const hl_grammar_tokens t = {.n_vocab = GF_N_VOCAB, .piece = gf_piece, .role = gf_role};
    hl_token_trie          *trie = NULL;
    hl_err                  err = {0};
    if (hl_token_trie_new(&t, &trie, &err) != HL_OK) fail_msg("%s", err.text);
    return trie;
}

static inline hl_grammar *gf_compile_lead(hl_format_kind kind, const char *text, const char *lead) {
    const hl_format f = {kind, hl_view_of(text)};
    hl_grammar     *g = NULL;
    hl_err          err = {0};
    if (hl_grammar_compile(&f, hl_view_of(lead), &g, &err) != HL_OK) fail_msg("%s: %s", text, err.text);
    return g;
}

static inline hl_grammar *gf_compile(hl_format_kind kind, const char *text) {
    return gf_compile_lead(kind, text, NULL);
}

/* Why it is refused. */
static inline hl_status gf_refused(hl_format_kind kind, const char *text, char why[HL_ERR_TEXT_BYTES]) {
    const hl_format f = {kind, hl_view_of(text)};
    hl_grammar     *g = NULL;
    hl_err          err = {0};
    const hl_status status = hl_grammar_compile(&f, (hl_view){0}, &g, &err);
    if (status == HL_OK) fail_msg("%s: was not refused", text);
    assert_int_equal(status, err.status);
    memcpy(why, err.text, HL_ERR_TEXT_BYTES);
    return status;
}

static inline hl_matcher *gf_match(hl_grammar *g, hl_token_trie *trie) {
    hl_matcher *m = NULL;
    hl_err      err = {0};
    if (hl_matcher_new(g, trie, &m, &err) != HL_OK) fail_msg("%s", err.text);
    return m;
}

/* Byte by byte. */
static inline bool gf_accepts(hl_grammar *g, hl_token_trie *trie, const char *text) {
    hl_matcher *m = gf_match(g, trie);
    const bool  ok = hl_matcher_accept_bytes(m, text, strlen(text)) && hl_matcher_may_end(m);
    hl_matcher_free(m);
    return ok;
}

#endif
