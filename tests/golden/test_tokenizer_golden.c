/* SPDX-License-Identifier: MIT
 *
 * test_tokenizer_golden.c - the ids that the reference tokenizers give, and the pieces of every split rule.
 *
 * Vocabularies and their test strings are in the shared data folder (data/vocab); the split vectors are
 * in tests/golden/tokenizer/splits, see ORIGIN.md there.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/mem.h"
#include "core/base/str.h"
#include "engine/tokenizer/pretokenize.h"
#include "engine/tokenizer/tokenizer_load.h"

static const char *shared_folder(void) {
    const char *p = getenv("HL_TEST_SHARED");
    return p ? p : "../shared";
}

/* The whole file, terminated; NULL when it cannot be read. */
static char *read_all(const char *path, size_t *ret_n) {
    FILE *f = fopen(path, "rb");
    if (!f) return NULL;
    char  *p = NULL;
    size_t n = 0, cap = 0;
    for (;;) {
        if (n + 1 >= cap) {
            cap = cap ? 2 * cap : 1 << 16;
            p = hl_resize(p, cap, 1);
            assert_non_null(p);
        }
        const size_t got = fread(p + n, 1, cap - n - 1, f);
        if (got == 0) break;
        n += got;
    }
    (void)fclose(f);
    p[n] = '\0';
    *ret_n = n;
    return p;
}

static hl_tokenizer *open_vocab(const char *name, hl_gguf **ret_g) {
    char path[512];
    (void)snprintf(path, sizeof path, "%s/data/vocab/ggml-vocab-%s.gguf", shared_folder(), name);
    hl_err        err = {0};
    hl_tokenizer *t = NULL;
    if (hl_gguf_open(path, ret_g, &err) != HL_OK) return NULL;
    if (hl_tokenizer_new(*ret_g, &t, &err) != HL_OK) fail_msg("%s: %s", name, err.text);
    return t;
}

static char *text_of_case(const char *inp, const char **ret_next) {
    static const char mark[] = "\n__ggml_vocab_test__\n";
    const char       *end = strstr(inp, mark);
    *ret_next = end ? end + strlen(mark) : NULL;
    return end ? hl_strndup(inp, (size_t)(end - inp)) : hl_strdup(inp);
}

static bool check_ids(const hl_tokens *ids, const char *want, size_t n_want) {
    char  *end = NULL;
    size_t n = 0;
    for (const char *p = want; p < want + n_want; p = end, n++) {
        const long id = strtol(p, &end, 10);
        if (end == p) break;
        if (n >= ids->n || ids->ids[n] != id) return false;
    }
    return n == ids->n;
}

static void print_ids(const hl_tokens *ids) {
    for (size_t i = 0; i < ids->n; i++) print_message(" %d", ids->ids[i]);
    print_message("\n");
}

static void check_vocab(const char *name) {
    hl_gguf      *g = NULL;
    hl_tokenizer *t = open_vocab(name, &g);
    if (!t) skip();
    char   path[512];
    size_t n = 0;
    (void)snprintf(path, sizeof path, "%s/data/vocab/ggml-vocab-%s.gguf.inp", shared_folder(), name);
    char *inp = read_all(path, &n);
    (void)snprintf(path, sizeof path, "%s/data/vocab/ggml-vocab-%s.gguf.out", shared_folder(), name);
    char *out = read_all(path, &n);
    assert_non_null(inp);
    assert_non_null(out);
    int         n_bad = 0, n_cases = 0;
    const char *want = out;
    for (const char *at = inp; at && *want; n_cases++) {
        const char  *next = NULL;
        char        *text = text_of_case(at, &next);
        const size_t n_want = strcspn(want, "\n");
        hl_tokens    ids = {0};
        hl_err       err = {0};
        if (hl_tokenizer_encode(t, hl_view_of(text), 0, &ids, &err) != HL_OK) fail_msg("%s", err.text);
        if (!check_ids(&ids, want, n_want)) {
            n_bad++;
            print_message("%s: '%s'\n  want%.*s\n  got ", name, text, (int)n_want, want);
            print_ids(&ids);
        }
        hl_tokens_done(&ids);
        hl_free(text);
        want += n_want + (want[n_want] == '\n');
        at = next;
    }
    assert_true(n_cases > 40);
    assert_int_equal(n_bad, 0);
    hl_free(inp);
    hl_free(out);
    hl_tokenizer_free(t);
    hl_gguf_close(g);
}

#define VOCAB_TEST(name, vocab) \
    static void name(void **state) { \
        (void)state; \
        check_vocab(vocab); \
    }
VOCAB_TEST(gpt_2_gives_the_reference_ids, "gpt-2")
VOCAB_TEST(starcoder_gives_the_reference_ids, "starcoder")
VOCAB_TEST(deepseek_coder_gives_the_reference_ids, "deepseek-coder")
VOCAB_TEST(llama_spm_gives_the_reference_ids, "llama-spm")
VOCAB_TEST(phi_3_gives_the_reference_ids, "phi-3")

/* --- split rules --- */

typedef struct lengths {
    const json_t *want;
    size_t        n, at;
    bool          same;
} lengths;

static hl_status on_piece(void *user, size_t at, size_t n, hl_err *err) {
    (void)err;
    lengths *l = user;
    if (at != l->at || json_integer_value(json_array_get(l->want, l->n)) != (json_int_t)n) l->same = false;
    l->n++;
    l->at = at + n;
    return HL_OK;
}

static json_t *load_json(const char *path) {
    json_error_t why;
    json_t      *j = json_load_file(path, JSON_ALLOW_NUL, &why);
    if (!j) fail_msg("%s: %s", path, why.text);
    return j;
}

static void check_split(const char *name, const json_t *corpus) {
    char path[256];
    (void)snprintf(path, sizeof path, "tests/golden/tokenizer/splits/%s.json", name);
    json_t                *file = load_json(path);
    const json_t          *pieces = json_object_get(file, "piece_bytes");
    const hl_pretokenizer *pre = NULL;
    hl_splitter            splitter = {0};
    hl_split_state         state = {0};
    hl_err                 err = {0};
    int                    n_bad = 0;
    assert_int_equal(hl_pretokenizer_find(hl_view_of(name), &pre, &err), HL_OK);
    if (hl_splitter_init(&splitter, pre->rule, &err) != HL_OK) fail_msg("%s: %s", name, err.text);
    assert_int_equal(json_array_size(pieces), json_array_size(corpus));
    for (size_t i = 0; i < json_array_size(corpus); i++) {
        const json_t *text = json_array_get(corpus, i);
        lengths       l = {.want = json_array_get(pieces, i), .same = true};
        const size_t  n = json_string_length(text);
        assert_int_equal(hl_split(&splitter, &state, json_string_value(text), n, on_piece, &l, &err), HL_OK);
        if (l.same && l.n == json_array_size(l.want)) continue;
        n_bad++;
        print_message("%s: string %zu '%s'\n", name, i, json_string_value(text));
    }
    assert_int_equal(n_bad, 0);
    hl_split_state_done(&state);
    hl_splitter_done(&splitter);
    json_decref(file);
}

static void every_split_rule_cuts_the_corpus_as_published(void **state) {
    (void)state;
    static const char *const names[] = {"gpt-2",  "llama3",  "qwen2",        "gpt-4o",         "tekken",      "smollm",
                                        "falcon", "command-r", "starcoder",  "deepseek-coder", "deepseek-v3", "deepseek-llm"};
    json_t *corpus = load_json("tests/golden/tokenizer/corpus.json");
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) check_split(names[i], corpus);
    json_decref(corpus);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gpt_2_gives_the_reference_ids),
        cmocka_unit_test(starcoder_gives_the_reference_ids),
        cmocka_unit_test(deepseek_coder_gives_the_reference_ids),
        cmocka_unit_test(llama_spm_gives_the_reference_ids),
        cmocka_unit_test(phi_3_gives_the_reference_ids),
        cmocka_unit_test(every_split_rule_cuts_the_corpus_as_published),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
