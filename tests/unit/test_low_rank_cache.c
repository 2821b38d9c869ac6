/* SPDX-License-Identifier: MIT
 *
 * test_low_rank_cache.c - where keys and values are one short row, the cache holds it once, in memory and in
 * files, and what comes out does not depend on how a text is cut, shared, drafted or taken up again.
 */
#include "record_fixture.h"

#include <stdlib.h>

#include "engine/kernels/attend.h"
#include "hyperlama/hyperlama.h"

/* Of the record: a row is 32 values, and 8 that turn; a fifth layer drafts. */
enum { N_VOCAB = 128, N_LAYERS = 4, ROW = 32 + 8, N_TEXT = 600, N_ANSWER = 40 };

static char path[80], dir[64];

static int write_model(void **state) {
    (void)state;
    (void)snprintf(dir, sizeof dir, "/tmp/hl-low-rank.XXXXXX");
    return write_record("deepseek2", 2048, 0, path) && mkdtemp(dir) ? 0 : -1;
}

static int remove_model(void **state) {
    char command[200];
    (void)state;
    (void)snprintf(command, sizeof command, "rm -rf '%s' '%s'", dir, path);
    return system(command);
}

typedef struct setup {
    hl_engine *e;
    hl_model  *m;
} setup;

static setup open_model(void) {
    setup       x = {0};
    hl_err      err = {0};
    const char *p = path;
    assert_int_equal(hl_engine_new(&(hl_engine_params){.n_threads = 2, .cpu = test_cpu()}, &x.e, &err),
                     HL_OK);
    if (hl_model_open(x.e, &p, 1, NULL, &x.m, &err) != HL_OK) fail_msg("%s", err.text);
    return x;
}

static void close_model(setup *x) {
    hl_model_close(x->m);
    hl_engine_free(x->e);
}

static void the_plan_counts_each_row_once(void **state) {
    (void)state;
    setup x = open_model();
    for (int type = 0; type < HL_N_KV_CACHE_TYPES; type++) {
        hl_memory_plan          plan;
        hl_err                  err = {0};
        const hl_session_params p = {.n_ctx = 1024, .kv_type = (hl_kv_cache_type)type};
        assert_int_equal(hl_session_plan(x.m, &p, &plan, &err), HL_OK);
        const uint64_t block =
            (N_LAYERS * hl_kv_page_v_offset((hl_kv_cache_type)type, ROW) + 4095) / 4096 * 4096;
        assert_int_equal(plan.kv_bytes, 1024 / HL_KV_PAGE_TOKENS * block);
    }
    close_model(&x);
}

typedef struct answer {
    int32_t  ids[N_ANSWER];
    float    logprobs[N_ANSWER];
    int32_t  n;
    hl_usage usage;
} answer;

static hl_end keep_token(void *user, const hl_sched_token *t) {
    answer *a = user;
    a->logprobs[a->n] = t->logprob;
    a->ids[a->n++] = t->token;
    return HL_END_NONE;
}

static answer ask(setup *x, hl_sched_params p, const int32_t *prediction) {
    hl_sched        *s = NULL;
    hl_err           err = {0};
    answer           a = {.n = 0};
    int32_t          text[N_TEXT];
    hl_sched_request r;
    p.n_ctx = 1024;
    if (hl_sched_new(x->m, &p, &s, &err) != HL_OK) fail_msg("%s", err.text);
    for (int32_t i = 0; i < N_TEXT; i++) text[i] = (i * i + 5 * i) % N_VOCAB;
    hl_sched_request_init(&r);
    r.tokens = text;
    r.n_tokens = N_TEXT;
    r.max_tokens = N_ANSWER;
    r.ignore_eog = true;
    r.sampling.seed = 5;
    r.want_logprobs = true;
    r.on_token = keep_token;
    r.user = &a;
    r.prediction = prediction;
    r.n_prediction = prediction ? N_ANSWER : 0;
    if (hl_sched_run(s, &r, &a.usage, &err) != HL_OK) fail_msg("%s", err.text);
    hl_sched_free(s);
    return a;
}

static void check_same(const answer *a, const answer *b) {
    assert_int_equal(a->n, b->n);
    assert_memory_equal(a->ids, b->ids, sizeof a->ids);
    assert_memory_equal(a->logprobs, b->logprobs, sizeof a->logprobs);
}

static void rows_come_back_in_another_run_and_serve_drafts(void **state) {
    (void)state;
    setup x = open_model();
    for (int type = 0; type < HL_N_KV_CACHE_TYPES; type++) {
        hl_sched_params p = {.kv_type = (hl_kv_cache_type)type, .speculate = HL_SPECULATE_OFF};
        const answer    plain = ask(&x, p, NULL);
        int32_t         drafts[N_ANSWER];
        p.n_batch = 40; /* cut otherwise */
        p.cache_dir = dir;
        p.cache_key = "w";
        const answer first = ask(&x, p, NULL), again = ask(&x, p, NULL);
        check_same(&first, &plain);
        check_same(&again, &plain);
        assert_int_equal(again.usage.cached_tokens, (N_TEXT - 1) / HL_KV_PAGE_TOKENS * HL_KV_PAGE_TOKENS);
        for (int32_t i = 0; i < N_ANSWER; i++)
            drafts[i] = i % 9 == 5 ? (plain.ids[i] + 1) % N_VOCAB : plain.ids[i];
        p.speculate = HL_SPECULATE_ALWAYS;
        const answer drafted = ask(&x, p, drafts);
        check_same(&drafted, &plain);
        assert_true(drafted.usage.accepted_tokens > 0);
        assert_true(drafted.usage.drafted_tokens > drafted.usage.accepted_tokens);
    }
    close_model(&x);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_plan_counts_each_row_once),
        cmocka_unit_test(rows_come_back_in_another_run_and_serve_drafts),
    };
    return cmocka_run_group_tests_name("low_rank_cache", tests, write_model, remove_model);
}
