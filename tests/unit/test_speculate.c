/* SPDX-License-Identifier: MIT
 *
 * test_speculate.c - speculative decoding: what the index finds, how many drafts get rows, and that drafts
 * never change an answer, greedy or drawn.
 */
#include "tests/need.h"

#include <stdlib.h>
#include <string.h>

#include <stdio.h>
#include <unistd.h>

#include "core/base/mem.h"
#include "engine/model_priv.h"
#include "engine/speculate/ngram.h"
#include "engine/speculate/accept_rate.h"
#include "engine/speculate/draft_budget.h"
#include "engine/speculate/draft_model.h"
#include "engine/speculate/speculation.h"
#include "hyperlama/hyperlama.h"
#include "model_fixture.h"

/* ---- the index ---- */

static void the_place_with_the_longest_past_is_found(void **state) {
    (void)state;
    /*                    0  1  2  3  4  5  6  7  8  9 10 11 12 13 14 */
    const int32_t  ids[] = {9, 1, 2, 3, 40, 5, 1, 2, 3, 50, 9, 1, 2, 3};
    const uint32_t n = sizeof ids / sizeof *ids;
    hl_ngram       g = {0};
    hl_ngram_match places[4];
    hl_ngram_add(&g, ids, n);
    assert_int_equal(hl_ngram_find(&g, ids, n, 1, places), 1);
    assert_int_equal(ids[places[0].at], 40); /* 9 1 2 3 -> 40 is longer than 1 2 3 -> 50, though older */
    assert_int_equal(places[0].n_tokens, 4);
    assert_int_equal(hl_ngram_find(&g, ids, n, 4, places), 2);
    assert_int_equal(ids[places[1].at], 50);
    assert_int_equal(hl_ngram_find(&g, ids, 10, 4, places), 0); /* 2 3 50 stands there once */
    hl_ngram_done(&g);
}

static void other_continuations_are_found_where_they_part(void **state) {
    (void)state;
    /*                    0  1  2  3   4   5  6  7  8   9  10  11 12 13 14  15  16 17 18 19 20 */
    const int32_t  ids[] = {1, 2, 3, 10, 11, 20, 1, 2, 3, 10, 11, 21, 1, 2, 3, 10, 30, 7, 1, 2, 3};
    const uint32_t n = sizeof ids / sizeof *ids;
    hl_ngram       g = {0};
    hl_ngram_match best;
    hl_ngram_add(&g, ids, n);
    assert_int_equal(hl_ngram_find(&g, ids, n, 1, &best), 1);
    assert_int_equal(best.at, 15); /* the newest of equals: 10 30 7 */
    hl_ngram_alternatives o = {.best = best.at, .n_tokens = 6, .n_cap = 3};
    hl_ngram_find_alternatives(&g, ids, n, 3, &o);
    assert_int_equal(o.n, 1); /* 10 11 in both others, the newer one counts */
    assert_int_equal(o.found[0].depth, 1);
    assert_int_equal(ids[o.found[0].at + 1], 11);
    assert_int_equal(ids[o.found[0].at + 2], 21);
    o = (hl_ngram_alternatives){.best = 9, .n_tokens = 6, .n_cap = 3};
    hl_ngram_find_alternatives(&g, ids, n, 3, &o);
    assert_int_equal(o.n, 2); /* in order of depth */
    assert_int_equal(ids[o.found[0].at + o.found[0].depth], 30);
    assert_int_equal(ids[o.found[1].at + o.found[1].depth], 20);
    o = (hl_ngram_alternatives){.best = 9, .n_tokens = 6, .n_cap = 1};
    hl_ngram_find_alternatives(&g, ids, n, 3, &o);
    assert_int_equal(o.n, 1); /* the one that parts first */
    assert_int_equal(o.found[0].depth, 1);
    o = (hl_ngram_alternatives){.best = 9, .n_tokens = 6, .n_cap = 3};
    hl_ngram_find_alternatives(&g, ids, n, 4, &o);
    assert_int_equal(o.n, 0); /* no place agrees so far */
    o = (hl_ngram_alternatives){.best = 9, .n_tokens = 1, .n_cap = 3};
    hl_ngram_find_alternatives(&g, ids, n, 3, &o);
    assert_int_equal(o.n, 0); /* all say 10 */
    hl_ngram_done(&g);
}

/* A text of copies of itself, with a new token now and then. */
static void make_repeating(int32_t *ids, uint32_t n) {
    uint32_t random = 5, from = 0;
    for (uint32_t i = 0; i < n; i++) {
        random = random * 1664525 + 1013904223;
        const bool is_new = i < 8 || random >> 28 == 0;
        if (random >> 24 < 8) from = (random >> 8) % (i + 1);
        ids[i] = is_new ? (int32_t)(random >> 16) % 12 : ids[from % i];
        from++;
    }
}

/* The place that must be found: the longest common past, of equals the newest, among the newest 64 that agree
 * at all. */
static hl_ngram_match search_plainly(const int32_t *ids, uint32_t last) {
    hl_ngram_match best = {0};
    uint32_t       n_places = 0;
    for (uint32_t at = last; at >= HL_NGRAM && n_places < 64; at--) {
        uint32_t match = 0;
        while (match < at && match < HL_NGRAM_MAX_MATCH && ids[at - 1 - match] == ids[last - match]) match++;
        n_places += match >= HL_NGRAM;
        if (match >= HL_NGRAM && match > best.n_tokens) best = (hl_ngram_match){at, match};
    }
    return best;
}

static void the_index_agrees_with_a_plain_search(void **state) {
    (void)state;
    enum { N = 1200 };
    static int32_t ids[N];
    uint32_t       n_longest = 0;
    hl_ngram       g = {0};
    make_repeating(ids, N);
    for (uint32_t n = 4; n < N; n++) {
        hl_ngram_match       place = {0};
        const hl_ngram_match want = search_plainly(ids, n);
        hl_ngram_add(&g, ids, n + 1);
        assert_int_equal(hl_ngram_find(&g, ids, n + 1, 1, &place), want.n_tokens > 0);
        assert_int_equal(place.n_tokens, want.n_tokens);
        assert_int_equal(place.at, want.at);
        n_longest += want.n_tokens == HL_NGRAM_MAX_MATCH;
    }
    assert_true(n_longest > 20); /* texts that repeat themselves for long are among them */
    hl_ngram_done(&g);
}

/* Positions that say something else than the best one, the newest first: by depth, one of each token at a
 * depth. */
static uint32_t search_alternatives(const int32_t *ids, uint32_t n, uint32_t least_match, uint32_t best,
                                    uint32_t n_tokens, uint32_t n_cap, hl_ngram_alternative *ret) {
    hl_ngram_alternative all[64];
    uint32_t             n_all = 0, n_found = 0, n_positions = 0;
    for (uint32_t at = n - 1; at >= HL_NGRAM && n_positions < 64; at--) {
        uint32_t match = 0, depth = 0;
        while (match < at && match < HL_NGRAM_MAX_MATCH && ids[at - 1 - match] == ids[n - 1 - match]) match++;
        n_positions += match >= HL_NGRAM;
        if (at == best || match < least_match) continue;
        while (depth < n_tokens && best + depth < n && at + depth < n && ids[best + depth] == ids[at + depth])
            depth++;
        bool is_new = depth < n_tokens && best + depth < n && at + depth < n;
        for (uint32_t i = 0; i < n_all; i++)
            is_new &= all[i].depth != depth || ids[all[i].at + depth] != ids[at + depth];
        if (is_new) all[n_all++] = (hl_ngram_alternative){.at = at, .depth = depth};
    }
    for (uint32_t depth = 0; depth < n_tokens; depth++)
        for (uint32_t i = 0; i < n_all && n_found < n_cap; i++)
            if (all[i].depth == depth) ret[n_found++] = all[i];
    return n_found;
}

static void alternatives_agree_with_a_plain_search(void **state) {
    (void)state;
    enum { N = 700 };
    static int32_t ids[N];
    uint32_t       n_several = 0;
    hl_ngram       g = {0};
    make_repeating(ids, N);
    for (uint32_t n = 5; n < N; n++) {
        hl_ngram_match       best = {0};
        hl_ngram_alternative want[4];
        hl_ngram_add(&g, ids, n);
        if (hl_ngram_find(&g, ids, n, 1, &best) == 0) continue;
        for (uint32_t least = 3; least < 8; least += 2) {
            hl_ngram_alternatives o = {.best = best.at, .n_tokens = 1 + n % 9, .n_cap = n % 5};
            hl_ngram_find_alternatives(&g, ids, n, least, &o);
            assert_int_equal(o.n, search_alternatives(ids, n, least, best.at, o.n_tokens, o.n_cap, want));
            for (uint32_t i = 0; i < o.n; i++) {
                assert_int_equal(o.found[i].at, want[i].at);
                assert_int_equal(o.found[i].depth, want[i].depth);
            }
            n_several += o.n > 1;
        }
    }
    assert_true(n_several > 100);
    hl_ngram_done(&g);
}

static void no_memory_for_the_index_means_no_drafts(void **state) {
    (void)state;
    const int32_t  ids[] = {1, 2, 3, 4, 1, 2, 3};
    hl_ngram       g = {0};
    hl_ngram_match place;
    hl_mem_fail_after(0, SIZE_MAX);
    hl_ngram_add(&g, ids, 7);
    hl_mem_fail_after(SIZE_MAX, 0);
    assert_int_equal(hl_ngram_find(&g, ids, 7, 1, &place), 0);
    hl_ngram_add(&g, ids, 7);
    assert_int_equal(hl_ngram_find(&g, ids, 7, 1, &place), 1);
    hl_ngram_done(&g);
}

/* ---- the budget ---- */

/* n draft tokens, each accepted with the same probability when those before it are. */
static hl_draft_proposal chain(float right, uint32_t n) {
    hl_draft_proposal b = {.n_tokens = n};
    float             c = 1;
    for (uint32_t i = 0; i < n; i++) b.accept[i] = c *= right;
    return b;
}

static void drafts_get_rows_where_rows_are_cheap(void **state) {
    (void)state;
    hl_pass_cost      p = {0};
    hl_draft_proposal proposal = chain(0.9f, 8);
    for (uint32_t r = 1; r <= 16; r++)
        hl_pass_cost_update(&p, r, 1000000 + 50000 * (r - 1)); /* a row costs 5 % of the first */
    hl_draft_budget_allocate(&p, 1, 1, 32, &proposal, 1);
    assert_true(proposal.n_rows >= 6);
    proposal = chain(0.02f, 8);
    hl_draft_budget_allocate(&p, 1, 1, 32, &proposal, 1);
    assert_int_equal(proposal.n_rows, 0);
    p = (hl_pass_cost){0};
    for (uint32_t r = 1; r <= 12; r++)
        for (int i = 0; i < 5; i++)
            hl_pass_cost_update(&p, r, 1000000 * r); /* a row costs as much as the first */
    proposal = chain(0.9f, 8);
    hl_draft_budget_allocate(&p, 1, 1, 32, &proposal, 1);
    assert_int_equal(proposal.n_rows, 0);
}

/* Passes over r rows take what they take, but those over 8 were disturbed for a while. */
/* Rows cost 1 ms and 0.1 ms each, but eight were measured beside another program: that count is believed
 * until all are in doubt again, with the 64th measurement. Then it is tried, and chosen from then on. */
static void a_disturbed_measurement_is_tried_again(void **state) {
    (void)state;
    hl_pass_cost      p = {0};
    hl_draft_proposal proposal = chain(0.97f, 7);
    uint32_t          n_notes = 0;
    for (int i = 0; i < 20; i++, n_notes++) hl_pass_cost_update(&p, 1, 1000000);
    for (int i = 0; i < 5; i++, n_notes++) hl_pass_cost_update(&p, 8, 2100000);
    for (uint32_t r = 2; r < 8; r++)
        for (int i = 0; i < 5; i++, n_notes++) hl_pass_cost_update(&p, r, 900000 + 100000 * (int64_t)r);
    for (; n_notes < 160; n_notes++) {
        hl_draft_budget_allocate(&p, 1, 1, 32, &proposal, 1);
        const uint32_t n_rows = 1 + proposal.n_rows;
        if (n_notes < 64 || n_notes % 64 > 1) /* then others in doubt have their turn */
            assert_int_equal(n_rows, n_notes < 64 ? 7 : 8);
        hl_pass_cost_update(&p, n_rows, 900000 + 100000 * (int64_t)n_rows);
    }
    assert_true(fabsf(hl_pass_cost_ns(&p, 8) / 1700000 - 1) < 1e-3f);
}

static void a_slower_machine_is_slower_for_all_counts(void **state) {
    (void)state;
    hl_pass_cost p = {0};
    for (int i = 0; i < 20; i++) hl_pass_cost_update(&p, 4, 2000000);
    for (int i = 0; i < 20; i++) hl_pass_cost_update(&p, 1, 1000000);
    for (int i = 0; i < 60; i++) hl_pass_cost_update(&p, 1, 2000000); /* another program came */
    assert_true(hl_pass_cost_ns(&p, 4) > 2500000 && hl_pass_cost_ns(&p, 4) < 4500000);
    assert_true(hl_pass_cost_ns(&p, 1) > 1900000);
}

static void a_second_candidate_gets_rows_where_the_first_one_is_unsure(void **state) {
    (void)state;
    hl_pass_cost p = {0};
    for (uint32_t r = 1; r <= 40; r++) hl_pass_cost_update(&p, r, 1000000 + 60000 * (r - 1));
    hl_draft_proposal proposals[] = {chain(0.5f, 8), chain(0.9f, 4)};
    for (int i = 0; i < 4; i++) proposals[1].accept[i] *= 0.45f; /* of both, one is right nearly always */
    hl_draft_budget_allocate(&p, 1, 1, 32, proposals, 2);
    assert_true(proposals[0].n_rows >= 1 && proposals[1].n_rows >= 2);
    for (int i = 0; i < 4; i++) proposals[1].accept[i] *= 0.05f;
    hl_draft_budget_allocate(&p, 1, 1, 32, proposals, 2);
    assert_int_equal(proposals[1].n_rows, 0);
    proposals[1] = chain(0.9f, 4);
    proposals[1].fixed_ns = 1e9f; /* a copy that takes a second */
    hl_draft_budget_allocate(&p, 1, 1, 32, proposals, 2);
    assert_int_equal(proposals[1].n_rows, 0);
}

static void the_likeliest_drafts_of_all_go_first(void **state) {
    (void)state;
    hl_pass_cost      p = {0};
    hl_draft_proposal proposals[] = {chain(0.3f, 8), chain(0.95f, 8), chain(0.6f, 8)};
    for (uint32_t r = 1; r <= 40; r++) hl_pass_cost_update(&p, r, 1000000 + 120000 * (r - 1));
    hl_draft_budget_allocate(&p, 3, 3, 6, proposals, 3);
    assert_true(proposals[1].n_rows > proposals[2].n_rows);
    assert_true(proposals[2].n_rows >= proposals[0].n_rows);
    assert_true(proposals[0].n_rows + proposals[1].n_rows + proposals[2].n_rows <= 6);
    for (int i = 0; i < 3; i++) proposals[i].each_ns = 1e9f; /* a token that takes a second each */
    hl_draft_budget_allocate(&p, 3, 3, 6, proposals, 3);
    assert_int_equal(proposals[1].n_rows, 0);
}

static void acceptance_rates_follow_what_happens(void **state) {
    (void)state;
    hl_accept_rates l;
    hl_accept_rates_init(&l);
    for (int i = 0; i < 100; i++) hl_accept_rates_update(&l, 1, false);
    assert_true(l.rate[1] < 0.01f);
    for (int i = 0; i < 80; i++) hl_accept_rates_update(&l, 1, true);
    assert_true(l.rate[1] > 0.95f);
    assert_true(hl_draft_source_of_match(3) < hl_draft_source_of_match(40));
}

static void a_branch_promises_no_more_than_the_main_draft_leaves(void **state) {
    (void)state;
    static const int32_t ids[] = {1, 2, 3};
    hl_spec              s;
    hl_err               err = {0};
    assert_int_equal(hl_spec_init(&s, NULL, 0, ids, 3, &err), HL_OK);
    hl_spec_begin_step(&s);
    s.source = HL_DRAFT_MODEL;
    s.n_tokens = 2;
    s.rates.rate[HL_DRAFT_MODEL] = 0.9f;
    s.n_branches = 1;
    s.branches[0] = (hl_spec_branch){.depth = 1, .source = HL_DRAFT_MODEL_SECOND, .n_tokens = 2};
    static const float rates[][2] = {{0.5f, 0.1f}, {0.05f, 0.05f}}; /* of the branch, and what counts of it */
    for (int i = 0; i < 2; i++) {
        s.rates.rate[HL_DRAFT_MODEL_SECOND] = rates[i][0];
        const hl_draft_proposal p = hl_spec_branch_proposal(&s, &s.branches[0], 7);
        assert_int_equal(p.n_tokens, 2);
        assert_true(p.fixed_ns == 7);
        assert_true(fabsf(p.accept[0] / (0.9f * rates[i][1]) - 1) < 1e-4f);
        assert_true(fabsf(p.accept[1] / (0.9f * rates[i][1] * 0.9f) - 1) < 1e-4f);
    }
    hl_spec_done(&s);
}

/* One token may have been changed; of three in a row the text is another one. */
static void a_position_is_given_up_when_its_drafts_are_wrong_three_times(void **state) {
    (void)state;
    static const int32_t ids[] = {1, 2, 3}, other = 9;
    hl_spec              s;
    hl_err               err = {0};
    assert_int_equal(hl_spec_init(&s, NULL, 0, ids, 3, &err), HL_OK);
    for (int round = 0; round < 2; round++) {
        s.cursor = 1;
        for (uint32_t i = 1; i <= 3; i++) {
            hl_spec_begin_step(&s);
            s.source = HL_DRAFT_RESUMED;
            s.n_tokens = 1;
            s.tokens[0] = 5;
            hl_spec_observe(&s, &other, 1);
            assert_int_equal(s.cursor, i < 3 ? 1 + i : 0);
        }
    }
    hl_spec_done(&s);
}

static size_t below_20(void *user, const int32_t *ids, size_t n) {
    size_t k = 0;
    (void)user;
    while (k < n && ids[k] < 20) k++;
    return k;
}

/* 1 2 3 went on in several ways: [4 5 6 ...], and now the format has a word. */
static void a_format_leaves_out_what_cannot_come_and_says_what_must(void **state) {
    static const int32_t ids[] = {1, 2, 3, 7, 31, 9, 1, 2, 3, 4, 5, 30, 6, 8, 1, 2, 3};
    hl_spec              s;
    hl_err               err = {0};
    (void)state;
    assert_int_equal(hl_spec_init(&s, NULL, 0, ids, sizeof ids / sizeof *ids, &err), HL_OK);
    hl_spec_begin_step(&s);
    hl_spec_propose(&s, 5, false, 0);
    assert_int_equal(s.n_tokens, 5);
    assert_int_equal(s.n_branches, 1);
    assert_memory_equal(s.branches[0].tokens, (&(const int32_t[]){7, 31}), 2 * sizeof *ids);
    hl_spec_keep_what_fits(&s, below_20, NULL);
    assert_int_equal(s.n_tokens, 2); /* 4 5 */
    assert_int_equal(s.n_branches, 1);
    assert_int_equal(s.branches[0].n_tokens, 1); /* 7 */

    hl_spec_set_format_drafts(&s, (const int32_t[]){4}, 1); /* the text knows more than the format */
    assert_int_equal(s.n_tokens, 2);
    assert_int_equal(s.tokens[1], 5);
    assert_int_equal(s.n_branches, 0);
    const hl_draft_proposal p = hl_spec_proposal(&s);
    assert_true(p.accept[0] == s.rates.rate[HL_DRAFT_FORMAT]);
    assert_true(p.accept[1] == p.accept[0] * s.rates.rate[HL_DRAFT_MATCH_3]);

    hl_spec_set_format_drafts(&s, (const int32_t[]){4, 8, 8}, 3); /* it was wrong */
    assert_int_equal(s.n_tokens, 3);
    assert_memory_equal(s.tokens, (&(const int32_t[]){4, 8, 8}), 3 * sizeof *ids);
    hl_spec_begin_step(&s);
    assert_int_equal(s.n_format, 0);

    s.n_branches = 1; /* a branch behind a token that cannot come is none */
    s.branches[0] = (hl_spec_branch){.depth = 1, .n_tokens = 1, .tokens = {5}};
    s.tokens[0] = 20;
    s.n_tokens = s.n_verified = 1;
    hl_spec_keep_what_fits(&s, below_20, NULL);
    assert_int_equal(s.n_branches + s.n_tokens + s.n_verified, 0);
    hl_spec_done(&s);
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
    if (hl_sched_new(m, &(hl_sched_params){.n_ctx = 512, .draft = draft, .speculate = speculate}, &s, &err) !=
        HL_OK)
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
    do {
        (void)usleep(500);
        hl_sched_get_stats(s, &t);
    } while (t.n_done < N_REQUESTS);
    hl_sched_free(s);
}

static outcome plain[N_REQUESTS], drafted[N_REQUESTS];

/* Every token of a drawn answer is the sampler's own choice from the logits of the row before it, so drafts
 * change not only no distribution but no draw: equal tokens and logprobs, for every temperature and
 * penalty. */
static void answers_with_and_without_drafts_are_equal(void **state) {
    (void)state;
    static const char *const drafts[] = {NULL, "tests/golden/archs/llama-q8_0.gguf",
                                         "tests/golden/archs/llama-q4_k.gguf", NULL,
                                         "tests/golden/archs/llama-q4_k.gguf"};
    const char              *path = "tests/golden/archs/llama-q4_k.gguf";
    hl_engine               *e = NULL;
    hl_model                *m = NULL;
    hl_err                   err = {0};
    assert_int_equal(hl_engine_new(&(hl_engine_params){.n_threads = 2, .cpu = test_cpu()}, &e, &err), HL_OK);
    if (hl_model_open(e, &path, 1, NULL, &m, &err) != HL_OK) fail_msg("%s", err.text);
    run_all(m, NULL, HL_SPECULATE_OFF, plain);
    for (int d = 0; d < 5; d++) {
        hl_model *draft = NULL;
        if (drafts[d] && hl_model_open(e, &drafts[d], 1, NULL, &draft, &err) != HL_OK)
            fail_msg("%s", err.text);
        run_all(m, draft, d >= 3 ? HL_SPECULATE_AUTO : HL_SPECULATE_ALWAYS, drafted);
        int32_t n_drafted = 0, n_accepted = 0, n_branches = 0, n_rows = 0;
        for (int i = 0; i < N_REQUESTS; i++) {
            assert_int_equal(drafted[i].n, N_ANSWER);
            assert_memory_equal(drafted[i].answer, plain[i].answer, sizeof plain[i].answer);
            assert_memory_equal(drafted[i].logprobs, plain[i].logprobs, sizeof plain[i].logprobs);
            n_drafted += drafted[i].usage.drafted_tokens;
            n_accepted += drafted[i].usage.accepted_tokens;
            n_branches += drafted[i].usage.drafted_branches;
            n_rows += drafted[i].usage.accepted_branches;
        }
        assert_true(n_accepted <= n_drafted);
        if (d < 3) assert_true(n_accepted > 0);
        if (d == 0) assert_true(n_branches > 0 && n_rows > 0);
        if (getenv("HL_VERBOSE"))
            print_message("%s: %d of %d drafts accepted, %d of %d branches accepted\n",
                          drafts[d] ? drafts[d] : "text", n_accepted, n_drafted, n_rows, n_branches);
        hl_model_close(draft);
    }
    hl_model_close(m);
    hl_engine_free(e);
}

/* Weights stand in the engine's ledger once, whether their model answers, drafts, or both. */
static void the_weights_of_a_draft_count_once(void **state) {
    (void)state;
    const char     *paths[] = {"tests/golden/archs/llama-q4_k.gguf", "tests/golden/archs/llama-q8_0.gguf"};
    hl_engine      *e = NULL;
    hl_model       *m[2] = {NULL, NULL};
    hl_sched       *s[3] = {NULL, NULL, NULL};
    hl_model_info   info;
    uint64_t        weights[2], own;
    hl_err          err = {0};
    hl_sched_params p = {.n_ctx = 128, .n_running_cap = 2, .kv_budget_bytes = 4 << 20};
    assert_int_equal(hl_engine_new(&(hl_engine_params){.n_threads = 1, .cpu = test_cpu()}, &e, &err), HL_OK);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(hl_model_open(e, &paths[i], 1, NULL, &m[i], &err), HL_OK);
        hl_model_get_info(m[i], &info);
        weights[i] = info.file_bytes;
    }
    assert_int_equal(hl_sched_new(m[1], &p, &s[1], &err), HL_OK);
    assert_int_equal(hl_sched_new(m[0], &p, &s[0], &err), HL_OK); /* each answers alone */
    own = e->planned_bytes;
    hl_sched_free(s[1]);
    p.draft = m[0];
    assert_int_equal(hl_sched_new(m[1], &p, &s[1], &err), HL_OK); /* and drafts for another */
    assert_int_equal(e->planned_weights_bytes, weights[0] + weights[1]);
    assert_int_equal(e->planned_bytes, own + hl_draft_model_plan(m[0], 2, 128)); /* without weights */
    hl_sched_free(s[0]);
    assert_int_equal(e->planned_weights_bytes, weights[0] + weights[1]); /* it drafts still */
    assert_int_equal(hl_sched_new(m[0], &p, &s[2], &err), HL_OK);        /* and for itself */
    assert_int_equal(e->planned_weights_bytes, weights[0] + weights[1]);
    hl_sched_free(s[1]);
    assert_int_equal(e->planned_weights_bytes, weights[0]);
    hl_sched_free(s[2]);
    assert_int_equal(e->planned_weights_bytes, 0);
    assert_int_equal(e->planned_bytes, 0);
    for (int i = 0; i < 2; i++) hl_model_close(m[i]);
    hl_engine_free(e);
}

/* Many sequences that got no drafts for long ask the draft model in the same step: no more than there are
 * rows for. */
static void a_draft_model_is_tried_again_by_as_many_as_there_are_rows_for(void **state) {
    (void)state;
    enum { N = 100 };
    const char    *path = "tests/golden/archs/llama-q4_k.gguf";
    hl_engine     *e = NULL;
    hl_model      *m = NULL, *draft = NULL;
    hl_sched      *s = NULL;
    hl_err         err = {0};
    hl_usage       usage;
    static int32_t prompts[N][40];
    assert_int_equal(hl_engine_new(&(hl_engine_params){.n_threads = 2, .cpu = test_cpu()}, &e, &err), HL_OK);
    assert_int_equal(hl_model_open(e, &path, 1, NULL, &m, &err), HL_OK);
    assert_int_equal(hl_model_open(e, &path, 1, NULL, &draft, &err), HL_OK);
    const hl_sched_params p = {.n_ctx = 256,
                               .n_running_cap = N,
                               .draft = draft,
                               .speculate = HL_SPECULATE_ALWAYS,
                               .kv_budget_bytes = 64 << 20};
    if (hl_sched_new(m, &p, &s, &err) != HL_OK) fail_msg("%s", err.text);
    hl_sched_request r;
    hl_sched_request_init(&r);
    for (int i = 0; i < N; i++) {
        for (int k = 0; k < 40; k++) prompts[i][k] = (k * k * (i + 1) + i) % 128;
        r.tokens = prompts[i];
        r.n_tokens = 40;
        r.max_tokens = 150;
        r.ignore_eog = true;
        r.sampling.seed = i;
        uint64_t id;
        if (i + 1 < N)
            assert_int_equal(hl_sched_submit(s, &r, &id, &err), HL_OK);
        else
            assert_int_equal(hl_sched_run(s, &r, &usage, &err), HL_OK);
    }
    hl_sched_free(s);
    hl_model_close(draft);
    hl_model_close(m);
    hl_engine_free(e);
}

/* ---- scripted answers ---- */

enum { N_SCRIPTED = 150, N_STREAMS = 6 };

typedef struct scripted {
    int32_t          prompt[70];
    int32_t          prediction[3 * N_SCRIPTED];
    outcome          o;
    int32_t          stop_after; /* tokens; 0: never */
    hl_sched_request r;
} scripted;

static hl_end keep_scripted(void *user, const hl_sched_token *t) {
    scripted *x = user;
    x->o.answer[x->o.n] = t->token;
    x->o.logprobs[x->o.n++] = t->logprob;
    return x->o.n == x->stop_after ? HL_END_STOP : HL_END_NONE;
}

static void end_scripted(void *user, uint64_t id, hl_status status, const hl_usage *usage,
                         const hl_err *err) {
    keep_end(&((scripted *)user)->o, id, status, usage, err);
}

static void make_scripted(scripted *x, uint32_t i) {
    *x = (scripted){.stop_after = i == 3 ? 77 : 0};
    hl_sched_request_init(&x->r);
    for (uint32_t k = 0; k < 70; k++) x->prompt[k] = (int32_t)((k * k + i * 17) % 128);
    x->r.tokens = x->prompt;
    x->r.n_tokens = 55 + 3 * i; /* branches cross the ends of blocks in several ways */
    x->r.max_tokens = N_ANSWER;
    x->r.ignore_eog = true;
    x->r.want_logprobs = true;
    x->r.n_top = 3;
    x->r.sampling.seed = i;
    x->r.sampling.temperature = i % 3 == 0 ? 0 : 0.9f;
    x->r.sampling.repeat_penalty = i % 2 == 0 ? 1.1f : 1;
    x->r.on_token = keep_scripted;
    x->r.on_done = end_scripted;
    x->r.user = x;
}

/* The answer three times, each with other mistakes: where one is wrong, another one is right. */
static void predict(scripted *x, const outcome *right) {
    int32_t *p = x->prediction;
    for (int copy = 0; copy < 3; copy++)
        for (int k = 0; k < right->n; k++)
            *p++ = k % 9 == 3 * copy ? (right->answer[k] + 1 + copy) % 128 : right->answer[k];
    x->r.prediction = x->prediction;
    x->r.n_prediction = (size_t)(p - x->prediction);
}

static void run_scripted(hl_model *m, hl_kv_cache_type type, uint64_t budget, hl_speculate speculate,
                         scripted *x, bool together) {
    hl_sched             *s = NULL;
    hl_err                err = {0};
    hl_sched_stats        t;
    uint64_t              id;
    const hl_sched_params p = {
        .n_ctx = 256, .kv_type = type, .kv_budget_bytes = budget, .speculate = speculate};
    if (hl_sched_new(m, &p, &s, &err) != HL_OK) fail_msg("%s", err.text);
    for (uint32_t i = 0; i < N_STREAMS; i++) {
        x[i].o.n = 0;
        assert_int_equal(hl_sched_submit(s, &x[i].r, &id, &err), HL_OK);
        do {
            (void)usleep(300);
            hl_sched_get_stats(s, &t);
        } while (t.n_done < i + 1 && !together);
    }
    do {
        (void)usleep(500);
        hl_sched_get_stats(s, &t);
    } while (t.n_done < N_STREAMS || t.n_running > 0);
    assert_int_equal(t.kv_used_bytes, t.kv_shared_bytes); /* no fork kept a block */
    assert_true(t.kv_used_bytes <= t.kv_budget_bytes);
    hl_sched_free(s);
}

/* Several candidates are verified at every depth, across ends of blocks, windows and number formats, in
 * caches with and without room for them, alone and together, and not a bit of any answer changes. */
static void branches_change_no_answer(void **state) {
    (void)state;
    static const struct {
        const char      *path;
        hl_kv_cache_type type;
    } kinds[] = {{"tests/golden/archs/llama-q4_k.gguf", HL_KV_CACHE_F16},
                 {"tests/golden/archs/gemma3-swa.gguf", HL_KV_CACHE_F16},
                 {"tests/golden/archs/llama-q4_k.gguf", HL_KV_CACHE_Q8_0},
                 {"tests/golden/archs/llama-f16.gguf", HL_KV_CACHE_F32}};
    static scripted x[N_STREAMS], wanted[N_STREAMS];
    hl_engine      *e = NULL;
    hl_err          err = {0};
    assert_int_equal(hl_engine_new(&(hl_engine_params){.n_threads = 2, .cpu = test_cpu()}, &e, &err), HL_OK);
    for (size_t kind = 0; kind < sizeof kinds / sizeof *kinds; kind++) {
        hl_model *m = NULL;
        if (hl_model_open(e, &kinds[kind].path, 1, NULL, &m, &err) != HL_OK) fail_msg("%s", err.text);
        for (uint32_t i = 0; i < N_STREAMS; i++) make_scripted(&wanted[i], i);
        run_scripted(m, kinds[kind].type, 0, HL_SPECULATE_OFF, wanted, true);
        for (int how = 0; how < 4; how++) {
            int32_t n_branches = 0, n_rows = 0, n_accepted = 0;
            for (uint32_t i = 0; i < N_STREAMS; i++) {
                make_scripted(&x[i], i);
                predict(&x[i], &wanted[i].o);
            }
            /* room for all, for some, one after the other; and as it pays */
            const uint64_t budget = how == 1 ? 400 << 10 : 0;
            run_scripted(m, kinds[kind].type, budget, how == 3 ? HL_SPECULATE_AUTO : HL_SPECULATE_ALWAYS, x,
                         how != 2);
            for (uint32_t i = 0; i < N_STREAMS; i++) {
                assert_int_equal(x[i].o.n, wanted[i].o.n);
                assert_memory_equal(x[i].o.answer, wanted[i].o.answer,
                                    (size_t)x[i].o.n * sizeof *x[i].o.answer);
                assert_memory_equal(x[i].o.logprobs, wanted[i].o.logprobs,
                                    (size_t)x[i].o.n * sizeof *x[i].o.logprobs);
                n_branches += x[i].o.usage.drafted_branches;
                n_rows += x[i].o.usage.accepted_branches;
                n_accepted += x[i].o.usage.accepted_tokens;
            }
            if (getenv("HL_VERBOSE"))
                print_message("%s %d: %d of %d branches accepted, %d drafts accepted\n", kinds[kind].path,
                              how, n_rows, n_branches, n_accepted);
            assert_true(n_rows <= n_branches);
            if (how == 0 || how == 2) assert_true(n_rows > 20);
        }
        hl_model_close(m);
    }
    hl_engine_free(e);
}

static void a_draft_model_of_another_engine_is_refused(void **state) {
    (void)state;
    const char *path = "tests/golden/archs/llama-q4_k.gguf";
    hl_engine  *e = NULL, *e2 = NULL;
    hl_model   *m = NULL, *draft = NULL;
    hl_sched   *s = NULL;
    hl_err      err = {0};
    assert_int_equal(hl_engine_new(&(hl_engine_params){.n_threads = 1, .cpu = test_cpu()}, &e, &err), HL_OK);
    assert_int_equal(hl_engine_new(&(hl_engine_params){.n_threads = 1, .cpu = test_cpu()}, &e2, &err), HL_OK);
    assert_int_equal(hl_model_open(e, &path, 1, NULL, &m, &err), HL_OK);
    assert_int_equal(hl_model_open(e2, &path, 1, NULL, &draft, &err), HL_OK);
    assert_int_equal(hl_sched_new(m, &(hl_sched_params){.draft = draft}, &s, &err), HL_E_ARG);
    assert_non_null(strstr(err.text, "another engine"));
    hl_model_close(draft);
    hl_model_close(m);
    hl_engine_free(e2);
    hl_engine_free(e);
}

static hl_model *open_fixture(hl_engine *e, const mf_shape *s) {
    char      path[] = "/tmp/hl_draft_XXXXXX";
    hl_model *m = NULL;
    hl_err    err = {0};
    make_scratch(path);
    mf_must_write(path, s);
    const char *p = path;
    if (hl_model_open(e, &p, 1, NULL, &m, &err) != HL_OK) fail_msg("%s", err.text);
    (void)unlink(path);
    return m;
}

static void check_refused(hl_model *m, hl_model *draft, const char *why) {
    hl_sched *s = NULL;
    hl_err    err = {0};
    assert_int_equal(hl_sched_new(m, &(hl_sched_params){.draft = draft, .n_ctx = 256}, &s, &err), HL_E_ARG);
    if (!strstr(err.text, why)) fail_msg("'%s' does not say '%s'", err.text, why);
}

static void a_draft_model_with_another_tokenizer_is_refused(void **state) {
    (void)state;
    const mf_shape shape = {.n_vocab = 300,
                            .n_embd = 64,
                            .n_heads = 2,
                            .n_kv_heads = 1,
                            .head_dim = 32,
                            .n_ff = 64,
                            .n_layers = 1,
                            .type = HL_TYPE_f32};
    mf_shape       longer = shape, renamed = shape, nearly = shape;
    const char    *bare = "tests/golden/archs/llama-q4_k.gguf";
    hl_engine     *e = NULL;
    hl_model      *no_vocab = NULL;
    hl_err         err = {0};
    assert_int_equal(hl_engine_new(&(hl_engine_params){.n_threads = 1, .cpu = test_cpu()}, &e, &err), HL_OK);
    assert_int_equal(hl_model_open(e, &bare, 1, NULL, &no_vocab, &err), HL_OK);
    longer.n_vocab = 1200;
    renamed.filler = "other";
    nearly.n_vocab = 310; /* padding differs within a family */
    hl_model *m = open_fixture(e, &shape),
             *d[] = {open_fixture(e, &longer), open_fixture(e, &renamed), open_fixture(e, &nearly)};
    check_refused(m, d[0], "a vocabulary of 1200 tokens, expected the model's 300");
    check_refused(m, d[1], "token 256 is 'other256', expected 'filler256'");
    check_refused(m, no_vocab, "it has no vocabulary");
    hl_sched *s = NULL;
    if (hl_sched_new(m, &(hl_sched_params){.draft = d[2], .n_ctx = 256}, &s, &err) != HL_OK)
        fail_msg("%s", err.text);
    hl_sched_free(s);
    for (int i = 0; i < 3; i++) hl_model_close(d[i]);
    hl_model_close(no_vocab);
    hl_model_close(m);
    hl_engine_free(e);
}

/* The last tokens of a draft model's vocabulary, which its target does not have, are all that it drafts. */
static void prefer_padding(const char *name, float *x, size_t n) {
    if (strcmp(name, "output.weight") == 0)
        for (size_t i = 300 * 64; i < n; i++) x[i] *= 1000;
}

static hl_end keep_id(void *user, const hl_sched_token *t) {
    outcome *o = user;
    assert_in_range(t->token, 0, 299);
    o->answer[o->n++] = t->token;
    return HL_END_NONE;
}

static void drafts_that_the_model_has_no_token_for_are_dropped(void **state) {
    (void)state;
    static const int32_t prompt[] = {5, 6, 7, 8, 9};
    mf_shape             shape = {.n_vocab = 300,
                                  .n_embd = 64,
                                  .n_heads = 2,
                                  .n_kv_heads = 1,
                                  .head_dim = 32,
                                  .n_ff = 64,
                                  .n_layers = 1,
                                  .type = HL_TYPE_f32};
    hl_engine           *e = NULL;
    hl_err               err = {0};
    outcome              o[2] = {0};
    assert_int_equal(hl_engine_new(&(hl_engine_params){.n_threads = 1, .cpu = test_cpu()}, &e, &err), HL_OK);
    hl_model *m = open_fixture(e, &shape);
    shape.n_vocab = 310;
    shape.change = prefer_padding;
    hl_model *draft = open_fixture(e, &shape);
    for (int i = 0; i < 2; i++) {
        hl_sched        *s = NULL;
        hl_sched_request r;
        const hl_status  status =
            hl_sched_new(m, &(hl_sched_params){.draft = i ? draft : NULL, .n_ctx = 256}, &s, &err);
        if (status != HL_OK) fail_msg("%s", err.text);
        hl_sched_request_init(&r);
        r.tokens = prompt;
        r.n_tokens = 5;
        r.max_tokens = 60;
        r.ignore_eog = true;
        r.sampling.temperature = 0;
        r.speculate = i ? HL_SPECULATE_ALWAYS : HL_SPECULATE_OFF;
        r.on_token = keep_id;
        r.user = &o[i];
        if (hl_sched_run(s, &r, &o[i].usage, &err) != HL_OK) fail_msg("%s", err.text);
        hl_sched_free(s);
    }
    assert_int_equal(o[0].n, 60);
    assert_int_equal(o[1].n, 60);
    assert_memory_equal(o[0].answer, o[1].answer, sizeof o[0].answer);
    hl_model_close(draft);
    hl_model_close(m);
    hl_engine_free(e);
}

static void a_draft_models_cache_counts_in_the_plan(void **state) {
    (void)state;
    const char *path = "tests/golden/archs/llama-q4_k.gguf";
    hl_engine  *e = NULL;
    hl_model   *m = NULL, *draft = NULL;
    hl_sched   *s = NULL;
    hl_err      err = {0};
    assert_int_equal(hl_engine_new(&(hl_engine_params){.n_threads = 1, .cpu = test_cpu()}, &e, &err), HL_OK);
    assert_int_equal(hl_model_open(e, &path, 1, NULL, &m, &err), HL_OK);
    assert_int_equal(hl_model_open(e, &path, 1, NULL, &draft, &err), HL_OK);
    hl_sched_params p = {
        .draft = draft, .n_ctx = 1 << 24, .n_running_cap = 256, .kv_budget_bytes = 1 << 20}; /* a tebibyte */
    assert_int_equal(hl_sched_new(m, &p, &s, &err), HL_E_NOMEM);
    if (!strstr(err.text, "draft model 1") || !strstr(err.text, "available")) fail_msg("%s", err.text);
    p.n_ctx = 4096;
    p.n_running_cap = 2;
    if (hl_sched_new(m, &p, &s, &err) != HL_OK) fail_msg("%s", err.text);
    hl_sched_free(s);
    hl_model_close(draft);
    hl_model_close(m);
    hl_engine_free(e);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_place_with_the_longest_past_is_found),
        cmocka_unit_test(the_index_agrees_with_a_plain_search),
        cmocka_unit_test(alternatives_agree_with_a_plain_search),
        cmocka_unit_test(no_memory_for_the_index_means_no_drafts),
        cmocka_unit_test(drafts_get_rows_where_rows_are_cheap),
        cmocka_unit_test(a_disturbed_measurement_is_tried_again),
        cmocka_unit_test(a_slower_machine_is_slower_for_all_counts),
        cmocka_unit_test(a_second_candidate_gets_rows_where_the_first_one_is_unsure),
        cmocka_unit_test(other_continuations_are_found_where_they_part),
        cmocka_unit_test(the_likeliest_drafts_of_all_go_first),
        cmocka_unit_test(a_branch_promises_no_more_than_the_main_draft_leaves),
        cmocka_unit_test(a_position_is_given_up_when_its_drafts_are_wrong_three_times),
        cmocka_unit_test(acceptance_rates_follow_what_happens),
        cmocka_unit_test(a_format_leaves_out_what_cannot_come_and_says_what_must),
        cmocka_unit_test(a_draft_model_of_another_engine_is_refused),
        cmocka_unit_test(a_draft_model_with_another_tokenizer_is_refused),
        cmocka_unit_test(drafts_that_the_model_has_no_token_for_are_dropped),
        cmocka_unit_test(a_draft_models_cache_counts_in_the_plan),
        cmocka_unit_test(answers_with_and_without_drafts_are_equal),
        cmocka_unit_test(the_weights_of_a_draft_count_once),
        cmocka_unit_test(branches_change_no_answer),
        cmocka_unit_test(a_draft_model_is_tried_again_by_as_many_as_there_are_rows_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
