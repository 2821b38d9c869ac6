/* SPDX-License-Identifier: MIT
 *
 * test_tokenizer_golden.c - the ids that the reference tokenizers give, and the pieces of every split rule.
 *
 * Test strings, ids and split vectors are in tests/golden/tokenizer (see ORIGIN.md there); vocabularies are
 * brought by tools/get_test_models.py.
 */
#include "tests/need.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/tokenizer/detokenize.h"
#include "core/base/mem.h"
#include "core/base/str.h"
#include "engine/tokenizer/pretokenize.h"
#include "engine/tokenizer/tokenizer_load.h"

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

/* The tokenizer of a fetched file; the test is skipped where it could not be had. */
static hl_tokenizer *open_vocab(const char *name, hl_gguf **ret_g) {
    char          path[512];
    hl_err        err = {0};
    hl_tokenizer *t = NULL;
    if (!find_fetched(name, path, sizeof path)) skip_because("%s is not there", path);
    if (hl_gguf_open(path, ret_g, &err) != HL_OK) fail_msg("%s", err.text);
    if (hl_tokenizer_new(*ret_g, &t, &err) != HL_OK) fail_msg("%s: %s", path, err.text);
    return t;
}

static char *read_fetched(const char *name, const char *ending) {
    char   file[128], path[512];
    size_t n = 0;
    (void)snprintf(file, sizeof file, "vocab/ggml-vocab-%s.gguf%s", name, ending);
    if (!find_fetched(file, path, sizeof path)) skip_because("%s is not there", path);
    return read_all(path, &n);
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
    hl_gguf *g = NULL;
    char     file[128];
    (void)snprintf(file, sizeof file, "vocab/ggml-vocab-%s.gguf", name);
    hl_tokenizer *t = open_vocab(file, &g);
    char         *inp = read_fetched(name, ".inp");
    char         *out = read_fetched(name, ".out");
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

#define VOCAB_TEST(name, vocab)                                                                              \
    static void name(void **state) {                                                                         \
        (void)state;                                                                                         \
        check_vocab(vocab);                                                                                  \
    }
VOCAB_TEST(gpt_2_gives_the_reference_ids, "gpt-2")
VOCAB_TEST(starcoder_gives_the_reference_ids, "starcoder")
VOCAB_TEST(deepseek_coder_gives_the_reference_ids, "deepseek-coder")
VOCAB_TEST(llama_spm_gives_the_reference_ids, "llama-spm")
VOCAB_TEST(phi_3_gives_the_reference_ids, "phi-3")
VOCAB_TEST(llama_bpe_gives_the_reference_ids, "llama-bpe")
VOCAB_TEST(qwen2_gives_the_reference_ids, "qwen2")
VOCAB_TEST(command_r_gives_the_reference_ids, "command-r")
VOCAB_TEST(falcon_gives_the_reference_ids, "falcon")
VOCAB_TEST(deepseek_llm_gives_the_reference_ids, "deepseek-llm")
VOCAB_TEST(bert_bge_gives_the_reference_ids, "bert-bge")

/* --- the corpus of tests/golden/tokenizer --- */

static json_t *load_json(const char *path) {
    json_error_t why;
    json_t      *j = json_load_file(path, JSON_ALLOW_NUL, &why);
    if (!j) fail_msg("%s: %s", path, why.text);
    return j;
}

static bool encodes_to(const hl_tokenizer *t, hl_view text, unsigned flags, const json_t *want,
                       const char *what) {
    hl_tokens ids = {0};
    hl_err    err = {0};
    if (hl_tokenizer_encode(t, text, flags, &ids, &err) != HL_OK) fail_msg("%s", err.text);
    bool same = ids.n == json_array_size(want);
    for (size_t i = 0; same && i < ids.n; i++)
        same = json_integer_value(json_array_get(want, i)) == ids.ids[i];
    if (!same) {
        print_message("%s, flags %u: '%.*s'\n  got ", what, flags, (int)text.len, text.ptr);
        print_ids(&ids);
    }
    hl_tokens_done(&ids);
    return same;
}

/* The ids spelled again are the text, but for what SentencePiece changes: U+2581, and spaces it adds. */
static bool comes_back(const hl_tokenizer *t, hl_view text) {
    hl_tokens      ids = {0};
    hl_detokenizer d;
    hl_str         out;
    hl_err         err = {0};
    const size_t   cap = hl_tokenizer_max_piece_bytes(t);
    char          *buf = hl_new(cap, 1);
    assert_non_null(buf);
    hl_str_init(&out, 1 << 20);
    hl_detokenizer_init(&d, t, false);
    assert_int_equal(hl_tokenizer_encode(t, text, 0, &ids, &err), HL_OK);
    for (size_t i = 0; i < ids.n; i++) hl_str_add(&out, buf, hl_detokenizer_feed(&d, ids.ids[i], buf, cap));
    hl_str_add(&out, buf, hl_detokenizer_finish(&d, buf, cap));
    const bool same = hl_view_eq(hl_str_view(&out), text);
    if (!same) print_message("'%.*s' comes back as '%s'\n", (int)text.len, text.ptr, hl_str_text(&out));
    hl_str_done(&out);
    hl_tokens_done(&ids);
    hl_free(buf);
    return same;
}

/* Texts where the ids of the file are the reference engine's and the published tokenizer is right. */
static bool is_disputed(const char *name, const json_t *text) {
    return strcmp(name, "gemma3") == 0 && strstr(json_string_value(text), "</s>");
}

static int check_corpus(const hl_tokenizer *t, const json_t *file, const char *name, bool exact_text) {
    json_t       *corpus = load_json("tests/golden/tokenizer/corpus.json");
    const json_t *ids = json_object_get(file, "ids");
    int           n_bad = 0;
    assert_int_equal(json_array_size(ids), json_array_size(corpus));
    for (size_t i = 0; i < json_array_size(corpus); i++) {
        const json_t *text = json_array_get(corpus, i);
        const hl_view view = {json_string_value(text), json_string_length(text)};
        if (!is_disputed(name, text)) n_bad += !encodes_to(t, view, 0, json_array_get(ids, i), name);
        if (exact_text) n_bad += !comes_back(t, view);
    }
    json_decref(corpus);
    return n_bad;
}

static int check_special(const hl_tokenizer *t, json_t *file, const char *name) {
    const json_t *rows = json_object_get(file, "special");
    const char   *key = NULL;
    json_t       *want = NULL;
    int           n_bad = 0;
    for (size_t i = 0; i < json_array_size(rows); i++) {
        const json_t *row = json_array_get(rows, i);
        const hl_view text = hl_view_of(json_string_value(json_array_get(row, 0)));
        n_bad += !encodes_to(t, text, HL_TOKENIZE_SPECIAL, json_array_get(row, 1), name);
        n_bad += !encodes_to(t, text, 0, json_array_get(row, 2), name);
    }
    json_object_foreach(json_object_get(file, "with_bos_eos"), key, want) n_bad +=
        !encodes_to(t, hl_view_of(key), HL_TOKENIZE_BOS_EOS, want, name);
    return n_bad;
}

static size_t from_hex(const char *hex, char *ret) {
    size_t n = 0;
    for (; hex[2 * n]; n++) {
        const char digits[] = {hex[2 * n], hex[2 * n + 1], '\0'};
        ret[n] = (char)strtol(digits, NULL, 16);
    }
    return n;
}

static int check_pieces(const hl_tokenizer *t, const json_t *file) {
    const json_t *rows = json_object_get(file, "pieces");
    int           n_bad = 0;
    for (size_t i = 0; i < json_array_size(rows); i++) {
        const json_t *row = json_array_get(rows, i);
        const int32_t id = (int32_t)json_integer_value(json_array_get(row, 0));
        for (int with_special = 0; with_special < 2; with_special++) {
            char         want[512], got[512];
            const size_t n_want =
                from_hex(json_string_value(json_array_get(row, 1 + (size_t)with_special)), want);
            const size_t n = hl_tokenizer_piece(t, id, with_special, got, sizeof got);
            if (n == n_want && memcmp(got, want, n) == 0) continue;
            n_bad++;
            print_message("piece of %d: '%.*s', expected '%.*s'\n", id, (int)n, got, (int)n_want, want);
        }
    }
    return n_bad;
}

/* Bad bytes stay what they are. The reference differs: its BPE makes U+FFFD of them, and its SentencePiece
 * writes as bytes whatever follows a byte that promised a longer character. */
static int check_invalid(const hl_tokenizer *t) {
    json_t *bad = load_json("tests/golden/tokenizer/invalid.json");
    int     n_bad = 0;
    for (size_t i = 0; i < json_array_size(bad); i++) {
        char          bytes[64], out[256];
        const hl_view text = {bytes, from_hex(json_string_value(json_array_get(bad, i)), bytes)};
        hl_tokens     ids = {0};
        hl_err        err = {0};
        size_t        n = 0;
        assert_int_equal(hl_tokenizer_encode(t, text, 0, &ids, &err), HL_OK);
        for (size_t k = 0; k < ids.n; k++)
            n += hl_tokenizer_piece(t, ids.ids[k], false, out + n, sizeof out - n);
        const size_t prefix = n == text.len + 1 && out[0] == ' '; /* of SentencePiece */
        if (n != text.len + prefix || memcmp(out + prefix, bytes, text.len) != 0) n_bad++;
        hl_tokens_done(&ids);
    }
    json_decref(bad);
    return n_bad;
}

static void check_golden(const char *name, const char *where, bool exact_text, bool all_bytes) {
    hl_gguf      *g = NULL;
    hl_tokenizer *t = open_vocab(where, &g);
    char          path[256];
    (void)snprintf(path, sizeof path, "tests/golden/tokenizer/ids/%s.json", name);
    json_t *file = load_json(path);
    assert_int_equal(check_corpus(t, file, name, exact_text), 0);
    assert_int_equal(check_special(t, file, name), 0);
    assert_int_equal(check_pieces(t, file), 0);
    if (all_bytes) assert_int_equal(check_invalid(t), 0);
    json_decref(file);
    hl_tokenizer_free(t);
    hl_gguf_close(g);
}

/* exact_text: the ids spell the text again, always (SentencePiece turns U+2581 into a space);
 * all_bytes: the vocabulary has a token for every byte */
#define GOLDEN_TEST(name, vocab, where, exact_text, all_bytes)                                               \
    static void name##_agrees_on_the_corpus(void **state) {                                                  \
        (void)state;                                                                                         \
        check_golden(vocab, where, exact_text, all_bytes);                                                   \
    }
GOLDEN_TEST(gpt_2, "gpt-2", "vocab/ggml-vocab-gpt-2.gguf", true, true)
GOLDEN_TEST(starcoder, "starcoder", "vocab/ggml-vocab-starcoder.gguf", false, false)
GOLDEN_TEST(deepseek_coder, "deepseek-coder", "vocab/ggml-vocab-deepseek-coder.gguf", true, false)
GOLDEN_TEST(llama_spm, "llama-spm", "vocab/ggml-vocab-llama-spm.gguf", false, true)
GOLDEN_TEST(phi_3, "phi-3", "vocab/ggml-vocab-phi-3.gguf", false, true)
GOLDEN_TEST(smollm2, "smollm2", "smollm2-135m-q4_1.gguf", false, false)
GOLDEN_TEST(gemma3, "gemma3", "gemma3-270m-q4_k_m.gguf", false, true)
GOLDEN_TEST(llama_bpe, "llama-bpe", "vocab/ggml-vocab-llama-bpe.gguf", true, true)
GOLDEN_TEST(qwen2, "qwen2", "vocab/ggml-vocab-qwen2.gguf", true, true)
GOLDEN_TEST(deepseek_v3, "deepseek-v3", "vocab/deepseek-v3.gguf", true, true)
GOLDEN_TEST(command_r, "command-r", "vocab/ggml-vocab-command-r.gguf", true, true)
GOLDEN_TEST(tekken, "tekken", "vocab/tekken.gguf", true, true)
GOLDEN_TEST(gpt_4o, "gpt-4o", "vocab/gpt-4o.gguf", true, true)
GOLDEN_TEST(minilm, "minilm", "all-minilm-l6-v2-f32.gguf", false, false)

/* Small models of our own, by SentencePiece: tests/golden/tokenizer/unigram. $HL_TEST_UNIGRAM names another
 * one, without .gguf and .json: a real vocabulary, or a map that is not ours to carry. */
static void check_unigram(const char *gguf, const char *ids, const char *name) {
    hl_gguf      *g = NULL;
    hl_tokenizer *t = NULL;
    hl_err        err = {0};
    if (hl_gguf_open(gguf, &g, &err) != HL_OK) fail_msg("%s", err.text);
    if (hl_tokenizer_new(g, &t, &err) != HL_OK) fail_msg("%s: %s", gguf, err.text);
    json_t *file = load_json(ids);
    assert_string_equal(hl_tokenizer_kind(t), "unigram");
    assert_int_equal(check_corpus(t, file, name, false), 0);
    assert_int_equal(check_special(t, file, name), 0);
    assert_int_equal(check_pieces(t, file), 0);
    json_decref(file);
    hl_tokenizer_free(t);
    hl_gguf_close(g);
}

static void unigram_agrees_with_sentencepiece(void **state) {
    (void)state;
    check_unigram("tests/golden/tokenizer/unigram/unigram.gguf", "tests/golden/tokenizer/ids/unigram.json",
                  "unigram");
    check_unigram("tests/golden/tokenizer/unigram/unigram-bytes.gguf",
                  "tests/golden/tokenizer/ids/unigram-bytes.json", "unigram-bytes");
    const char *more = getenv("HL_TEST_UNIGRAM");
    char        gguf[512], ids[512];
    if (!more) return;
    (void)snprintf(gguf, sizeof gguf, "%s.gguf", more);
    (void)snprintf(ids, sizeof ids, "%s.json", more);
    check_unigram(gguf, ids, more);
}

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
    static const char *const names[] = {
        "gpt-2",      "llama3",     "qwen2",     "gpt-4o",         "tekken",      "smollm",
        "falcon",     "command-r",  "starcoder", "deepseek-coder", "deepseek-v3", "deepseek-llm",
        "seed-coder", "bloom",      "viking",    "bailingmoe",     "laguna",      "jais-2",
        "youtu",      "exaone-moe", "kimi-k2",   "chameleon"};
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
        cmocka_unit_test(llama_bpe_gives_the_reference_ids),
        cmocka_unit_test(qwen2_gives_the_reference_ids),
        cmocka_unit_test(command_r_gives_the_reference_ids),
        cmocka_unit_test(falcon_gives_the_reference_ids),
        cmocka_unit_test(deepseek_llm_gives_the_reference_ids),
        cmocka_unit_test(bert_bge_gives_the_reference_ids),
        cmocka_unit_test(gpt_2_agrees_on_the_corpus),
        cmocka_unit_test(starcoder_agrees_on_the_corpus),
        cmocka_unit_test(deepseek_coder_agrees_on_the_corpus),
        cmocka_unit_test(llama_spm_agrees_on_the_corpus),
        cmocka_unit_test(phi_3_agrees_on_the_corpus),
        cmocka_unit_test(smollm2_agrees_on_the_corpus),
        cmocka_unit_test(gemma3_agrees_on_the_corpus),
        cmocka_unit_test(llama_bpe_agrees_on_the_corpus),
        cmocka_unit_test(qwen2_agrees_on_the_corpus),
        cmocka_unit_test(deepseek_v3_agrees_on_the_corpus),
        cmocka_unit_test(command_r_agrees_on_the_corpus),
        cmocka_unit_test(tekken_agrees_on_the_corpus),
        cmocka_unit_test(gpt_4o_agrees_on_the_corpus),
        cmocka_unit_test(minilm_agrees_on_the_corpus),
        cmocka_unit_test(unigram_agrees_with_sentencepiece),
        cmocka_unit_test(every_split_rule_cuts_the_corpus_as_published),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
