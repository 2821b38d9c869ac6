/* SPDX-License-Identifier: MIT
 *
 * test_speculate.c - guessing: what the index finds, how many guesses are granted, and that guesses never change an
 * answer, greedy or drawn.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "core/base/mem.h"
#include "engine/speculate/ngram.h"
#include "engine/speculate/pace.h"
#include "hyperlama/hyperlama.h"

/* ---- the index ---- */

static void the_place_with_the_longest_past_is_found(void **state) {
    (void)state;
    /*                    0  1  2  3  4  5  6  7  8  9 10 11 12 13 14 */
    const int32_t ids[] = {9, 1, 2, 3, 40, 5, 1, 2, 3, 50, 9, 1, 2, 3};
    const uint32_t n = sizeof ids / sizeof *ids;
    hl_ngram       g = {0};
    hl_ngram_place places[4];
    hl_ngram_add(&g, ids, n);
    assert_int_equal(hl_ngram_find(&g, ids, n, 1, places), 1);
    assert_int_equal(ids[places[0].at], 40); /* 9 1 2 3 -> 40 is longer than 1 2 3 -> 50, though older */
    assert_int_equal(places[0].match, 4);
    assert_int_equal(hl_ngram_find(&g, ids, n, 4, places), 2);
    assert_int_equal(ids[places[1].at], 50);
    assert_int_equal(hl_ngram_find(&g, ids, 10, 4, places), 0); /* 2 3 50 stands there once */
    hl_ngram_done(&g);
}

static void the_index_agrees_with_a_plain_search(void **state) {
    (void)state;
    enum { N = 3000 };
    static int32_t ids[N];
    uint32_t       random = 5;
    hl_ngram       g = {0};
    for (uint32_t n = 0; n < N; n++) {
        random = random * 1664525 + 1013904223;
        ids[n] = (int32_t)(random >> 28) % 5;
        if (n % 7 == 0) hl_ngram_add(&g, ids, n + 1);
        if (n % 7 != 0 || n < 4) continue;
        hl_ngram_place place;
        uint32_t       longest = 0;
        for (uint32_t at = HL_NGRAM; at <= n; at++) { /* all places whose past agrees; the index looks at 64 of them */
            uint32_t match = 0;
            while (match < at && match < HL_NGRAM_MAX_MATCH && ids[at - 1 - match] == ids[n - match]) match++;
            if (match >= HL_NGRAM && match > longest) longest = match;
        }
        const uint32_t n_found = hl_ngram_find(&g, ids, n + 1, 1, &place);
        assert_int_equal(n_found, longest > 0);
        if (n_found == 0) continue;
        assert_true(place.match <= longest);
        for (uint32_t i = 0; i < place.match; i++) assert_int_equal(ids[place.at - 1 - i], ids[n - i]);
    }
    hl_ngram_done(&g);
}

static void no_memory_for_the_index_means_no_guesses(void **state) {
    (void)state;
    const int32_t  ids[] = {1, 2, 3, 4, 1, 2, 3};
    hl_ngram       g = {0};
    hl_ngram_place place;
    hl_mem_fail_after(0, SIZE_MAX);
    hl_ngram_add(&g, ids, 7);
    hl_mem_fail_after(SIZE_MAX, 0);
    assert_int_equal(hl_ngram_find(&g, ids, 7, 1, &place), 0);
    hl_ngram_add(&g, ids, 7);
    assert_int_equal(hl_ngram_find(&g, ids, 7, 1, &place), 1);
    hl_ngram_done(&g);
}

/* ---- the pace ---- */

/* n guesses, each right with the same probability when those before it are. */
static hl_pace_bid chain(float right, uint32_t n) {
    hl_pace_bid b = {.n_cap = n};
    float       c = 1;
    for (uint32_t i = 0; i < n; i++) b.chance[i] = c *= right;
    return b;
}

static void guesses_are_granted_where_rows_are_cheap(void **state) {
    (void)state;
    hl_pace     p = {0};
    hl_pace_bid bid = chain(0.9f, 8);
    for (uint32_t r = 1; r <= 16; r++) hl_pace_note(&p, r, 1000000 + 50000 * (r - 1)); /* a row costs 5 % of the first */
    hl_pace_share(&p, 1, 1, 32, &bid, 1);
    assert_true(bid.n_taken >= 6);
    bid = chain(0.02f, 8);
    hl_pace_share(&p, 1, 1, 32, &bid, 1);
    assert_int_equal(bid.n_taken, 0);
    p = (hl_pace){0};
    for (uint32_t r = 1; r <= 16; r++) hl_pace_note(&p, r, 1000000 * r); /* a row costs as much as the first */
    bid = chain(0.9f, 8);
    hl_pace_share(&p, 1, 1, 32, &bid, 1);
    assert_int_equal(bid.n_taken, 0);
}

static void a_second_candidate_gets_rows_where_the_first_one_is_unsure(void **state) {
    (void)state;
    hl_pace p = {0};
    for (uint32_t r = 1; r <= 40; r++) hl_pace_note(&p, r, 1000000 + 60000 * (r - 1));
    hl_pace_bid bids[] = {chain(0.5f, 8), chain(0.9f, 4)};
    for (int i = 0; i < 4; i++) bids[1].chance[i] *= 0.45f; /* of both, one is right nearly always */
    hl_pace_share(&p, 1, 1, 32, bids, 2);
    assert_true(bids[0].n_taken >= 1 && bids[1].n_taken >= 2);
    for (int i = 0; i < 4; i++) bids[1].chance[i] *= 0.05f;
    hl_pace_share(&p, 1, 1, 32, bids, 2);
    assert_int_equal(bids[1].n_taken, 0);
    bids[1] = chain(0.9f, 4);
    bids[1].begin_ns = 1e9f; /* a copy that takes a second */
    hl_pace_share(&p, 1, 1, 32, bids, 2);
    assert_int_equal(bids[1].n_taken, 0);
}

static void the_likeliest_guesses_of_all_go_first(void **state) {
    (void)state;
    hl_pace     p = {0};
    hl_pace_bid bids[] = {chain(0.3f, 8), chain(0.95f, 8), chain(0.6f, 8)};
    for (uint32_t r = 1; r <= 40; r++) hl_pace_note(&p, r, 1000000 + 120000 * (r - 1));
    hl_pace_share(&p, 3, 3, 6, bids, 3);
    assert_true(bids[1].n_taken > bids[2].n_taken);
    assert_true(bids[2].n_taken >= bids[0].n_taken);
    assert_true(bids[0].n_taken + bids[1].n_taken + bids[2].n_taken <= 6);
    for (int i = 0; i < 3; i++) bids[i].each_ns = 1e9f; /* a guess that takes a second each */
    hl_pace_share(&p, 3, 3, 6, bids, 3);
    assert_int_equal(bids[1].n_taken, 0);
}

static void luck_follows_what_happens(void **state) {
    (void)state;
    hl_luck l;
    hl_luck_init(&l);
    for (int i = 0; i < 60; i++) hl_luck_note(&l, 1, false);
    assert_true(l.right[1] < 0.01f);
    for (int i = 0; i < 40; i++) hl_luck_note(&l, 1, true);
    assert_true(l.right[1] > 0.95f);
    assert_true(hl_luck_grade(3) < hl_luck_grade(40));
}

/* ---- answers ---- */

enum { N_ANSWER = 120, N_REQUESTS = 60 };

typedef struct outcome {
    int32_t  answer[N_ANSWER];
    float    logprobs[N_ANSWER];
    int32_t  n;
    hl_usage usage;
} outcome;

static hl_end keep_token(void *user, const hl_sched_token *t) {
    outcome *o = user;
    o->answer[o->n] = t->token;
    o->logprobs[o->n++] = t->logprob;
    return HL_END_NONE;
}

static void keep_end(void *user, uint64_t id, hl_status status, const hl_usage *usage, const hl_err *err) {
    outcome *o = user;
    (void)id, (void)err;
    assert_int_equal(status, HL_OK);
    o->usage = *usage;
}

static void run_all(hl_model *m, hl_model *draft, hl_speculate speculate, outcome *ret) {
    hl_sched *s = NULL;
    hl_err    err = {0};
    if (hl_sched_new(m, &(hl_sched_params){.n_ctx = 512, .draft = draft, .speculate = speculate}, &s, &err) != HL_OK)
        fail_msg("%s", err.text);
    for (uint32_t i = 0; i < N_REQUESTS; i++) {
        int32_t          prompt[80];
        hl_sched_request r;
        hl_sched_request_init(&r);
        for (int k = 0; k < 80; k++) prompt[k] = (int32_t)((k % 11) * 7 + i) % 128; /* repeats itself */
        r.tokens = prompt;
        r.n_tokens = 80;
        r.max_tokens = N_ANSWER;
        r.ignore_eog = true;
        r.want_logprobs = true;
        r.sampling.temperature = i % 4 == 0 ? 0 : 0.2f * (float)(i % 6);
        r.sampling.repeat_penalty = i % 5 == 0 ? 1.2f : 1;
        r.sampling.frequency_penalty = i % 7 == 0 ? 0.3f : 0;
        r.sampling.seed = i;
        r.on_token = keep_token;
        r.on_done = keep_end;
        r.user = &ret[i];
        ret[i].n = 0;
        uint64_t id;
        assert_int_equal(hl_sched_submit(s, &r, &id, &err), HL_OK);
    }
    hl_sched_stats t;
    do hl_sched_get_stats(s, &t);
    while (t.n_done < N_REQUESTS);
    hl_sched_free(s);
}

static outcome plain[N_REQUESTS], guessed[N_REQUESTS];

/* Every token of a drawn answer is the sampler's own choice from the logits of the row before it, so guesses change not
 * only no distribution but no draw: equal tokens and logprobs, for every temperature and penalty. */
static void answers_with_and_without_guesses_are_equal(void **state) {
    (void)state;
    static const char *const drafts[] = {NULL, "tests/golden/archs/llama-q8_0.gguf", "tests/golden/archs/llama-q4_k.gguf", NULL};
    const char *path = "tests/golden/archs/llama-q4_k.gguf";
    hl_engine  *e = NULL;
    hl_model   *m = NULL;
    hl_err      err = {0};
    assert_int_equal(hl_engine_new(&(hl_engine_params){.n_threads = 2}, &e, &err), HL_OK);
    if (hl_model_open(e, &path, 1, NULL, &m, &err) != HL_OK) fail_msg("%s", err.text);
    run_all(m, NULL, HL_SPECULATE_OFF, plain);
    for (int d = 0; d < 4; d++) {
        hl_model *draft = NULL;
        if (drafts[d] && hl_model_open(e, &drafts[d], 1, NULL, &draft, &err) != HL_OK) fail_msg("%s", err.text);
        run_all(m, draft, d == 3 ? HL_SPECULATE_AUTO : HL_SPECULATE_ALWAYS, guessed);
        int32_t n_guessed = 0, n_right = 0, n_branches = 0, n_taken = 0;
        for (int i = 0; i < N_REQUESTS; i++) {
            assert_int_equal(guessed[i].n, N_ANSWER);
            assert_memory_equal(guessed[i].answer, plain[i].answer, sizeof plain[i].answer);
            assert_memory_equal(guessed[i].logprobs, plain[i].logprobs, sizeof plain[i].logprobs);
            n_guessed += guessed[i].usage.drafted_tokens;
            n_right += guessed[i].usage.accepted_tokens;
            n_branches += guessed[i].usage.drafted_branches;
            n_taken += guessed[i].usage.accepted_branches;
        }
        assert_true(n_right <= n_guessed);
        if (d < 3) assert_true(n_right > 0);
        if (d == 0) assert_true(n_branches > 0 && n_taken > 0);
        if (getenv("HL_VERBOSE")) print_message("%s: %d of %d guesses right, %d of %d branches taken\n", drafts[d] ? drafts[d] : "text", n_right, n_guessed, n_taken, n_branches);
        hl_model_close(draft);
    }
    hl_model_close(m);
    hl_engine_free(e);
}

static void a_draft_model_of_another_engine_is_refused(void **state) {
    (void)state;
    const char *path = "tests/golden/archs/llama-q4_k.gguf";
    hl_engine  *e = NULL, *e2 = NULL;
    hl_model   *m = NULL, *draft = NULL;
    hl_sched   *s = NULL;
    hl_err      err = {0};
    assert_int_equal(hl_engine_new(&(hl_engine_params){.n_threads = 1}, &e, &err), HL_OK);
    assert_int_equal(hl_engine_new(&(hl_engine_params){.n_threads = 1}, &e2, &err), HL_OK);
    assert_int_equal(hl_model_open(e, &path, 1, NULL, &m, &err), HL_OK);
    assert_int_equal(hl_model_open(e2, &path, 1, NULL, &draft, &err), HL_OK);
    assert_int_equal(hl_sched_new(m, &(hl_sched_params){.draft = draft}, &s, &err), HL_E_ARG);
    assert_non_null(strstr(err.text, "another engine"));
    hl_model_close(draft);
    hl_model_close(m);
    hl_engine_free(e2);
    hl_engine_free(e);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_place_with_the_longest_past_is_found),
        cmocka_unit_test(the_index_agrees_with_a_plain_search),
        cmocka_unit_test(no_memory_for_the_index_means_no_guesses),
        cmocka_unit_test(guesses_are_granted_where_rows_are_cheap),
        cmocka_unit_test(a_second_candidate_gets_rows_where_the_first_one_is_unsure),
        cmocka_unit_test(the_likeliest_guesses_of_all_go_first),
        cmocka_unit_test(luck_follows_what_happens),
        cmocka_unit_test(a_draft_model_of_another_engine_is_refused),
        cmocka_unit_test(answers_with_and_without_guesses_are_equal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
