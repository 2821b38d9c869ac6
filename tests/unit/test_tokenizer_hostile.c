/* SPDX-License-Identifier: MIT
 *
 * test_tokenizer_hostile.c - texts that spell out control tokens, vocabularies made to be slow, and being
 * told to stop.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "engine/tokenizer/encode.h"
#include "engine/tokenizer/bpe.h"
#include "engine/tokenizer/spm.h"
#include "engine/tokenizer/tokenizer_state.h"
#include "tests/unit/tokenizer_fixture.h"

typedef struct loaded {
    hl_gguf      *g;
    hl_tokenizer *t;
} loaded;

static loaded load(fix_vocab *f) {
    loaded l = {0};
    hl_err err = {0};
    if (fix_load(f, &l.g, &l.t, &err) != HL_OK) fail_msg("%s", err.text);
    return l;
}

static void unload(loaded l) {
    hl_tokenizer_free(l.t);
    hl_gguf_close(l.g);
}

/* Marks as they come in real vocabularies: one the beginning of another, one with a letter that merges, one
 * that the file calls user-defined. With `marks_are_letters` none of them is special. */
enum { BPE_AB = 256, IM, IM_END, BOS, USER, N_BPE };

static loaded load_bpe(bool marks_are_letters) {
    const int32_t control = marks_are_letters ? HL_TOKEN_UNUSED : HL_TOKEN_CONTROL;
    fix_vocab    *f = fix_new("gpt2", "gpt-2");
    fix_add_letters(f);
    (void)fix_add(f, "ab", HL_TOKEN_NORMAL, 0);
    (void)fix_add(f, "<|im", control, 0);
    (void)fix_add(f, "<|im|>", control, 0);
    (void)fix_add(f, "<ab>", control, 0);
    (void)fix_add(f, "<u>", HL_TOKEN_USER, 0);
    fix_merge(f, "a b");
    hl_gguf_writer_add_u32(f->w, "tokenizer.ggml.bos_token_id", 'b');
    return load(f);
}

enum { UNK, S_BOS, S_EOS, FIRST_BYTE, SPACE = FIRST_BYTE + 256, A, SP_A, N_SPM };

static loaded load_spm(bool marks_are_letters) {
    const int32_t control = marks_are_letters ? HL_TOKEN_UNUSED : HL_TOKEN_CONTROL;
    fix_vocab    *f = fix_new("llama", NULL);
    (void)fix_add(f, "<unk>", HL_TOKEN_UNKNOWN, 0);
    (void)fix_add(f, "<s>", control, 0);
    (void)fix_add(f, "</s>", control, 0);
    fix_add_bytes(f);
    (void)fix_add(f, "\xE2\x96\x81", HL_TOKEN_NORMAL, -10);
    (void)fix_add(f, "a", HL_TOKEN_NORMAL, -11);
    (void)fix_add(f,
                  "\xE2\x96\x81"
                  "a",
                  HL_TOKEN_NORMAL, -2);
    if (marks_are_letters) { /* or the ids 1 and 2 would become marks by their role */
        hl_gguf_writer_add_u32(f->w, "tokenizer.ggml.bos_token_id", UINT32_MAX);
        hl_gguf_writer_add_u32(f->w, "tokenizer.ggml.eos_token_id", UINT32_MAX);
    }
    return load(f);
}

static hl_tokens encode(const hl_tokenizer *t, hl_view text, const hl_span *spans, size_t n_spans,
                        unsigned flags) {
    hl_tokens ids = {0};
    hl_err    err = {0};
    if (hl_tokenizer_encode_tainted(t, text, spans, n_spans, flags, &ids, &err) != HL_OK)
        fail_msg("%s", err.text);
    return ids;
}

static void check_same(hl_tokens a, hl_tokens b, hl_view text) {
    if (a.n != b.n || (a.n && memcmp(a.ids, b.ids, a.n * sizeof *a.ids) != 0))
        fail_msg("'%.*s' is tokenized otherwise", (int)text.len, text.ptr);
    hl_tokens_done(&a);
    hl_tokens_done(&b);
}

#define CHECK_SPANS(t, text, spans, ...)                                                                     \
    do {                                                                                                     \
        static const int32_t want_[] = {__VA_ARGS__};                                                        \
        const hl_tokens      have_ =                                                                         \
            encode(t, hl_view_of(text), spans, sizeof spans / sizeof *spans, HL_TOKENIZE_SPECIAL);           \
        hl_tokens copy_ = {0};                                                                               \
        assert_int_equal(hl_tokens_add(&copy_, want_, sizeof want_ / sizeof *want_, NULL), HL_OK);           \
        check_same(have_, copy_, hl_view_of(text));                                                          \
    } while (0)

static void a_mark_counts_only_where_no_byte_of_it_came_from_outside(void **state) {
    (void)state;
    loaded        l = load_bpe(false);
    const hl_span first[] = {{0, 1}}, last[] = {{5, 6}}, middle[] = {{2, 3}}, around[] = {{0, 1}, {7, 8}};
    const hl_span all[] = {{0, 6}}, behind[] = {{6, 9}}, inner_end[] = {{4, 5}};
    CHECK_SPANS(l.t, "<|im|>", first, '<', '|', 'i', 'm', '|', '>');
    CHECK_SPANS(l.t, "<|im|>", all, '<', '|', 'i', 'm', '|', '>');
    CHECK_SPANS(l.t, "<|im|>", middle, '<', '|', 'i', 'm', '|', '>');
    CHECK_SPANS(l.t, "x<|im|>y", around, 'x', IM_END, 'y');
    CHECK_SPANS(l.t, "<|im|><|im|>", all, '<', '|', 'i', 'm', '|', '>', IM_END);
    CHECK_SPANS(l.t, "<|im|>ab", behind, IM_END, BPE_AB);
    /* the shorter mark is whole and untouched, though the longer one is not */
    CHECK_SPANS(l.t, "<|im|>", last, IM, '|', '>');
    CHECK_SPANS(l.t, "<|im|>", inner_end, IM, '|', '>');
    /* what the model's makers call text stays one token in a text from outside */
    CHECK_SPANS(l.t, "<u>ab<ab>", all, USER, BPE_AB, '<', BPE_AB, '>');
    unload(l);
}

/* The promise, on random texts: where all of a text came from outside, its ids are those that a vocabulary
 * without marks gives; and where some of it did, cutting at the marks that count gives the same as tokenizing
 * all of it. */
static void texts_from_outside_are_tokenized_as_if_marks_were_letters(void **state) {
    (void)state;
    static const char *const parts[] = {
        "<|im|>", "<|im", "|>",           "<ab>", "<u>",          "a",    "b", " ", "<", "<s>",
        "</s>",   "\n",   "\xEF\xB7\x90", "\xFF", "\xE2\x96\x81", "<unk>"};
    const loaded with[] = {load_bpe(false), load_spm(false)};
    const loaded without[] = {load_bpe(true), load_spm(true)};
    uint32_t     x = 5;
    for (int round = 0; round < 4000; round++) {
        hl_tainted text;
        hl_tainted_init(&text, 1 << 12);
        for (int i = 0; i < 8; i++) {
            x = x * 1664525u + 1013904223u;
            hl_tainted_add(&text, hl_view_of(parts[x >> 28]), true);
        }
        const hl_view all = hl_str_view(&text.text);
        for (int m = 0; m < 2; m++) {
            /* SentencePiece drops what is no token and no byte; here it has all bytes, but for <unk>
             * itself */
            check_same(encode(with[m].t, all, text.tainted, text.n_tainted, HL_TOKENIZE_SPECIAL),
                       encode(without[m].t, all, text.tainted, text.n_tainted, HL_TOKENIZE_SPECIAL), all);
            check_same(encode(with[m].t, all, text.tainted, text.n_tainted, HL_TOKENIZE_SPECIAL),
                       encode(with[m].t, all, NULL, 0, 0), all);
        }
        hl_tainted_done(&text);
    }
    for (int m = 0; m < 2; m++) {
        unload(with[m]);
        unload(without[m]);
    }
}

static void a_space_is_put_in_front_of_a_text_once(void **state) {
    (void)state;
    loaded        l = load_spm(false);
    const hl_span mark[] = {{2, 5}};
    CHECK_SPANS(l.t, "a <s>a", mark, SP_A, SPACE, FIRST_BYTE + '<', FIRST_BYTE + 's', FIRST_BYTE + '>', A);
    unload(l);
}

/* ---- a vocabulary whose words had one hash while the keys of the hash were known ---- */

static void words_chosen_against_known_keys_do_not_collide(void **state) {
    (void)state;
    enum { N = 500 };
    static const uint64_t k1 = 0xD6E8FEB86659FD93u; /* x ^ k1 == 0 made everything in front of it vanish */
    static char           words[N][49];
    loaded                l = load_bpe(false);
    uint64_t              seen[N];
    for (uint32_t i = 0; i < N; i++) {
        memset(words[i], 'a', 48);
        (void)snprintf(words[i], sizeof words[i], "%08u", i);
        words[i][8] = 'a';
        memcpy(words[i] + 16, &k1, sizeof k1);
        seen[i] = hl_vocab_hash(&l.t->vocab, words[i], 48);
        for (uint32_t k = 0; k < i; k++) assert_true(seen[k] != seen[i]);
    }
    loaded again = load_bpe(false);
    assert_true(hl_vocab_hash(&again.t->vocab, words[0], 48) !=
                seen[0]); /* each vocabulary has keys of its own */
    unload(again);
    unload(l);
}

/* ---- stopping ---- */

static int32_t find(const hl_tokenizer *t, hl_view text) {
    const hl_special_rule rule = {.with_control = true};
    size_t                at = 0, n = 0;
    return hl_special_find(&t->special, text, 0, &rule, &at, &n);
}

static hl_status count(void *user, const char *text, size_t n, int32_t id, hl_err *err) {
    (void)text, (void)n, (void)id, (void)err;
    ++*(size_t *)user;
    return HL_OK;
}

static void every_long_loop_of_loading_and_tokenizing_can_be_stopped(void **state) {
    (void)state;
    enum { N = 1 << 16 };
    static volatile int stop;
    loaded              bpe = load_bpe(false), spm = load_spm(false);
    char               *text = hl_new(N, 1);
    memset(text, 'a', N);
    memcpy(text + N - 6, "<|im|>", 6);
    const hl_view before = {text, N};
    assert_int_equal(find(bpe.t, before), IM_END);

    hl_err err = {0};
    hl_bpe merges;
    assert_int_equal(hl_bpe_load(&merges, &bpe.t->vocab, bpe.g, &err), HL_OK);
    (void)hl_stop_watch(&stop);
    stop = 1;
    hl_vocab             v;
    hl_bpe               b;
    hl_spm               s;
    hl_special           special;
    hl_tokenizer        *t = NULL;
    hl_tokens            ids = {0};
    hl_merge_scratch     scratch = {0};
    size_t               n_emitted = 0;
    const hl_merge_rules rules = hl_bpe_rules(&merges);
    assert_int_equal(hl_tokenizer_new(bpe.g, &t, &err), HL_E_CANCEL);
    assert_int_equal(hl_vocab_load(&v, bpe.g, &err), HL_E_CANCEL);
    assert_int_equal(hl_bpe_load(&b, &bpe.t->vocab, bpe.g, &err), HL_E_CANCEL);
    assert_int_equal(hl_spm_load(&s, &spm.t->vocab, &err), HL_E_CANCEL);
    assert_int_equal(hl_special_load(&special, &bpe.t->vocab, &err), HL_E_CANCEL);
    assert_int_equal(find(bpe.t, before), -1);
    assert_int_equal(hl_merge(&rules, &scratch, text, N, count, &n_emitted, &err), HL_E_CANCEL);
    assert_int_equal(n_emitted, 0);
    for (int m = 0; m < 2; m++) {
        for (size_t i = 0; i < N; i++) text[i] = i % 3 ? 'a' : ' '; /* many pieces */
        err = (hl_err){0};
        assert_int_equal(hl_tokenizer_encode((m ? spm : bpe).t, before, 0, &ids, &err), HL_E_CANCEL);
        assert_string_equal(err.text, "tokenize: stopped");
        assert_int_equal(ids.n, 0);
    }
    (void)hl_stop_watch(NULL);
    hl_vocab_done(&v);
    hl_bpe_done(&merges);
    hl_bpe_done(&b);
    hl_special_done(&special);
    hl_merge_scratch_done(&scratch);
    hl_tokens_done(&ids);
    hl_free(text);
    unload(bpe);
    unload(spm);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_mark_counts_only_where_no_byte_of_it_came_from_outside),
        cmocka_unit_test(texts_from_outside_are_tokenized_as_if_marks_were_letters),
        cmocka_unit_test(a_space_is_put_in_front_of_a_text_once),
        cmocka_unit_test(words_chosen_against_known_keys_do_not_collide),
        cmocka_unit_test(every_long_loop_of_loading_and_tokenizing_can_be_stopped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
