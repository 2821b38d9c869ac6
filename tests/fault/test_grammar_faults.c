/* SPDX-License-Identifier: MIT
 *
 * test_grammar_faults.c - formats without memory: each allocation fails in turn, which is an error, no more.
 */
#include "tests/unit/grammar_fixture.h"

#include "core/base/mem.h"
#include "core/data/json.h"

static const hl_format formats[] = {
    {HL_FORMAT_JSON, {"", 0}},
    {HL_FORMAT_SCHEMA,
     {"{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"string\",\"pattern\":\"^[a-z]+$\","
      "\"maxLength\":9},\"b\":{\"oneOf\":["
      "{\"type\":\"integer\",\"multipleOf\":3},{\"const\":{\"x\":[1]}}]},\"c\":{\"type\":\"array\",\"items\":"
      "{\"enum\":[1,\"u\"]},"
      "\"uniqueItems\":true}},\"patternProperties\":{\"^z\":{\"minimum\":1.5}},\"propertyNames\":{"
      "\"maxLength\":4},\"unevaluatedProperties\":{\"$dynamicRef\":\"s#n\"},\"$defs\":{\"s\":{\"$id\":\"s\","
      "\"$dynamicAnchor\":\"n\"}}}",
      0}},
    {HL_FORMAT_GBNF,
     {"root ::= %free \"<x>\" (%mark \"<x>\" [a-z]{2,900} b)* \nb ::= \"(\" b \")\" | \"c\"", 0}},
    {HL_FORMAT_REGEX, {"^(?=.*a)[^b]{1,5}(c|d*)$", 0}},
    {HL_FORMAT_CHOICE, {"[\"yes\",\"no\"]", 0}},
};

/* Compile, and take three steps. */
static hl_status use(const hl_format *f, hl_token_trie *trie) {
    hl_grammar *g = NULL;
    hl_matcher *m = NULL;
    hl_err      err = {0};
    hl_status   status = hl_grammar_compile(
          f, hl_view_of("root ::= (%mark \"<t>\" %free \"</t>\" %mark \"</t>\")? %answer"), &g, &err);
    if (status == HL_OK) status = hl_matcher_new(g, trie, &m, &err);
    for (int i = 0; i < 3 && status == HL_OK && !hl_matcher_is_done(m); i++) {
        const uint32_t *mask = hl_matcher_allowed(m);
        int32_t         id = 0;
        while (id < GF_N_VOCAB && !(mask[id / 32] >> (id % 32) & 1)) id++;
        if (id == GF_N_VOCAB || !hl_matcher_accept(m, id)) status = HL_E_NOMEM;
    }
    hl_matcher_free(m);
    hl_grammar_unref(g);
    return status;
}

static void a_format_without_memory_is_an_error(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
        hl_format f = formats[i];
        size_t    n_failed = 0;
        f.text.len = strlen(f.text.ptr);
        for (size_t k = 0;; k++) { /* masks are kept with the trie: a new one each time */
            hl_token_trie *trie = gf_trie();
            hl_mem_fail_after(k, 1);
            const hl_status status = use(&f, trie);
            hl_mem_fail_after(SIZE_MAX, 0);
            hl_token_trie_free(trie);
            if (status == HL_OK) break;
            assert_true(status == HL_E_NOMEM);
            n_failed++;
        }
        assert_true(n_failed > 20);
    }
}

/* What is only tried may lack memory: then it is no draft, and the answer goes on. */
static void a_draft_without_memory_is_none(void **state) {
    enum { N = 64 };
    int32_t deep[N];
    size_t  n_fewer = 0;
    (void)state;
    for (int i = 0; i < N; i++) deep[i] = '[';
    for (size_t k = 0;; k++) {
        hl_token_trie *trie = gf_trie();
        hl_grammar    *g = gf_compile(HL_FORMAT_SCHEMA, "{\"type\":\"array\"}");
        hl_matcher    *m = gf_match(g, trie);
        hl_mem_fail_after(k, 1);
        const size_t n = hl_matcher_fits(m, deep, N);
        hl_mem_fail_after(SIZE_MAX, 0);
        n_fewer += n < N;
        assert_int_equal(hl_matcher_fits(m, deep, N), N);
        assert_true(hl_matcher_accept(m, '['));
        assert_true(hl_matcher_allowed(m)[']' / 32] >> (']' % 32) & 1);
        hl_matcher_free(m);
        hl_grammar_unref(g);
        hl_token_trie_free(trie);
        if (n == N) break;
    }
    assert_true(n_fewer > 0);
}

static void a_vocabulary_without_memory_is_an_error(void **state) {
    const hl_grammar_tokens t = {.n_vocab = GF_N_VOCAB, .piece = gf_piece, .role = gf_role};
    hl_token_trie          *trie = NULL;
    (void)state;
    for (size_t k = 0; !trie; k++) {
        hl_err err = {0};
        hl_mem_fail_after(k, 1);
        const hl_status status = hl_token_trie_new(&t, &trie, &err);
        hl_mem_fail_after(SIZE_MAX, 0);
        assert_int_equal(status, trie ? HL_OK : HL_E_NOMEM);
        assert_true(k < 100);
    }
    hl_token_trie_free(trie);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_format_without_memory_is_an_error),
        cmocka_unit_test(a_draft_without_memory_is_none),
        cmocka_unit_test(a_vocabulary_without_memory_is_an_error),
    };
    hl_json_use_mem();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
