/* SPDX-License-Identifier: MIT
 *
 * test_recurrent.c - models whose layers keep a state: what a session or a request gets does not depend on
 * how its text is cut, on what was there before, on who else runs, on what is cached or drafted.
 */
#include "record_fixture.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "hyperlama/hyperlama.h"

enum { N_VOCAB = 128, N_TEXT = 400, N_ANSWER = 30, N_CTX = 1024 };

/* Delta nets with attention; scans alone; scans beside attention; short convolutions. */
static const char *const names[] = {"qwen35", "mamba2", "falcon-h1", "lfm2"};
enum { N_NAMES = 4 };

static char paths[N_NAMES][80];

static int write_models(void **state) {
    (void)state;
    for (size_t i = 0; i < N_NAMES; i++)
        if (!write_record(names[i], N_CTX, 0, paths[i])) return -1;
    return 0;
}

static int remove_models(void **state) {
    (void)state;
    for (size_t i = 0; i < N_NAMES; i++) (void)unlink(paths[i]);
    return 0;
}

typedef struct setup {
    hl_engine *e;
    hl_model  *m;
} setup;

static setup open_model(size_t i_name) {
    setup       x = {0};
    hl_err      err = {0};
    const char *path = paths[i_name];
    assert_int_equal(hl_engine_new(&(hl_engine_params){.n_threads = 2, .cpu = test_cpu()}, &x.e, &err),
                     HL_OK);
    if (hl_model_open(x.e, &path, 1, NULL, &x.m, &err) != HL_OK) fail_msg("%s", err.text);
    return x;
}

static void close_model(setup *x) {
    hl_model_close(x->m);
    hl_engine_free(x->e);
}

/* Token i of text `which`: texts begin alike for n_alike tokens. */
static int32_t token_of(int32_t which, int32_t i, int32_t n_alike) {
    return (i * i + 5 * i + (i < n_alike ? 0 : which * (i + 3))) % N_VOCAB;
}

static void fill_text(int32_t which, int32_t n_alike, int32_t n, int32_t *ret) {
    for (int32_t i = 0; i < n; i++) ret[i] = token_of(which, i, n_alike);
}

/* ---- sessions ---------------------------------------------------------------------------------- */

static hl_session *new_session(setup *x) {
    hl_session             *s = NULL;
    hl_err                  err = {0};
    const hl_session_params p = {.n_ctx = 512, .n_batch = 64, .kv_type = HL_KV_CACHE_F32};
    if (hl_session_new(x->m, &p, &s, &err) != HL_OK) fail_msg("%s", err.text);
    return s;
}

static void eval(hl_session *s, const int32_t *tokens, size_t n) {
    hl_err err = {0};
    if (hl_session_eval(s, tokens, n, &err) != HL_OK) fail_msg("%s", err.text);
}

static void a_session_that_forgets_goes_on_as_a_new_one(void **state) {
    (void)state;
    for (size_t k = 0; k < N_NAMES; k++) {
        setup       x = open_model(k);
        hl_session *s = new_session(&x);
        int32_t     text[N_TEXT], other[N_TEXT];
        float       want[N_VOCAB];
        fill_text(1, 0, N_TEXT, text);
        fill_text(2, 0, N_TEXT, other);
        static const int32_t keep[] = {150, 150, 70, 0, 200, 150};
        for (size_t i = 0; i < sizeof keep / sizeof keep[0]; i++) {
            hl_session *fresh = new_session(&x);
            eval(s, text + hl_session_pos(s), (size_t)(210 - hl_session_pos(s)));
            hl_session_truncate(s, keep[i]);
            assert_int_equal(hl_session_pos(s), keep[i]);
            eval(s, other + keep[i], 40);
            assert_int_equal(hl_session_pos(s), keep[i] + 40);
            memcpy(want, hl_session_logits(s), sizeof want);
            if (keep[i] > 0) eval(fresh, text, (size_t)keep[i]);
            eval(fresh, other + keep[i], 40);
            assert_memory_equal(want, hl_session_logits(fresh), sizeof want);
            hl_session_truncate(s, keep[i]); /* and back, so that the text is `text` again */
            hl_session_free(fresh);
        }
        hl_session_free(s);
        close_model(&x);
    }
}

static void a_stopped_pass_changes_nothing(void **state) {
    (void)state;
    setup       x = open_model(0);
    hl_session *s = new_session(&x), *fresh = new_session(&x);
    int32_t     text[N_TEXT];
    hl_err      err = {0};
    fill_text(1, 0, N_TEXT, text);
    eval(s, text, 100);
    hl_session_stop(s);
    assert_int_equal(hl_session_eval(s, text + 200, 64, &err), HL_E_CANCEL);
    assert_int_equal(hl_session_pos(s), 100);
    eval(s, text + 100, 50);
    eval(fresh, text, 150);
    assert_memory_equal(hl_session_logits(s), hl_session_logits(fresh), N_VOCAB * sizeof(float));
    hl_session_free(s);
    hl_session_free(fresh);
    close_model(&x);
}

static void rows_that_are_no_tokens_cannot_be_computed_again(void **state) {
    (void)state;
    setup       x = open_model(0);
    hl_session *s = new_session(&x);
    hl_err      err = {0};
    float       embd[64];
    int32_t     tokens[] = {1, 2, HL_ROW_IS_EMBEDDING, 3, 4};
    assert_int_equal(hl_model_embed(x.m, 7, embd, &err), HL_OK);
    const hl_input in = {.n_rows = 5, .tokens = tokens, .embds = embd};
    assert_int_equal(hl_session_eval_input(s, &in, 1, &err), HL_OK);
    hl_session_truncate(s, 4);
    assert_int_equal(hl_session_eval(s, tokens, 2, &err), HL_E_UNSUPPORTED);
    assert_non_null(strstr(err.text, "rows that are no tokens"));
    hl_session_truncate(s, 0);
    assert_int_equal(hl_session_eval(s, tokens, 2, &err), HL_OK);
    hl_session_free(s);
    close_model(&x);
}

/* ---- requests ---------------------------------------------------------------------------------- */

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

static hl_sched *new_sched(setup *x, hl_sched_params p) {
    hl_sched *s = NULL;
    hl_err    err = {0};
    p.n_ctx = 512;
    if (hl_sched_new(x->m, &p, &s, &err) != HL_OK) fail_msg("%s", err.text);
    return s;
}

/* Threads assert nothing. */
static hl_status try_to_ask(hl_sched *s, const int32_t *prompt, size_t n, const int32_t *prediction,
                            answer *ret, hl_err *err) {
    hl_sched_request r;
    hl_sched_request_init(&r);
    r.tokens = prompt;
    r.n_tokens = n;
    r.max_tokens = N_ANSWER;
    r.ignore_eog = true;
    r.sampling.seed = 5;
    r.want_logprobs = true;
    r.on_token = keep_token;
    r.user = ret;
    r.prediction = prediction;
    r.n_prediction = prediction ? N_ANSWER : 0;
    *ret = (answer){.n = 0};
    return hl_sched_run(s, &r, &ret->usage, err);
}

static answer ask(hl_sched *s, const int32_t *prompt, size_t n, const int32_t *prediction) {
    answer a;
    hl_err err = {0};
    if (try_to_ask(s, prompt, n, prediction, &a, &err) != HL_OK) fail_msg("%s", err.text);
    assert_int_equal(a.n, N_ANSWER);
    return a;
}

static void check_same(const answer *a, const answer *b) {
    assert_memory_equal(a->ids, b->ids, sizeof a->ids);
    assert_memory_equal(a->logprobs, b->logprobs, sizeof a->logprobs);
}

/* What a scheduler of its own, which has seen nothing, answers. */
static answer ask_alone(setup *x, const int32_t *prompt, size_t n) {
    hl_sched    *s = new_sched(x, (hl_sched_params){.speculate = HL_SPECULATE_OFF});
    const answer a = ask(s, prompt, n, NULL);
    hl_sched_free(s);
    return a;
}

static void what_is_known_is_not_computed_again(void **state) {
    (void)state;
    for (size_t k = 0; k < N_NAMES; k++) {
        setup     x = open_model(k);
        hl_sched *s = new_sched(&x, (hl_sched_params){.speculate = HL_SPECULATE_OFF});
        int32_t   text[N_TEXT + N_ANSWER];
        fill_text(1, 0, N_TEXT, text);
        const answer first = ask(s, text, 200, NULL);
        assert_int_equal(first.usage.cached_tokens, 0);
        answer want = ask_alone(&x, text, 200);
        check_same(&first, &want);
        const answer again = ask(s, text, 200, NULL); /* from the last border of a block */
        check_same(&again, &want);
        assert_int_equal(again.usage.cached_tokens, 192);
        /* a conversation that goes on: prompt, answer, something new; all but the answer's last token is
         * there */
        memcpy(text + 200, first.ids, sizeof first.ids);
        fill_text(3, 0, 60, text + 200 + N_ANSWER);
        const answer next = ask(s, text, 290, NULL);
        want = ask_alone(&x, text, 290);
        check_same(&next, &want);
        assert_int_equal(next.usage.cached_tokens, 200 + N_ANSWER - 1);
        /* another one that parts from them where nobody knew: the second time it is known */
        text[150] = (text[150] + 1) % N_VOCAB;
        want = ask_alone(&x, text, 190);
        const answer odd = ask(s, text, 190, NULL);
        check_same(&odd, &want);
        text[160] = (text[160] + 1) % N_VOCAB;
        want = ask_alone(&x, text, 190);
        const answer odder = ask(s, text, 190, NULL);
        check_same(&odder, &want);
        assert_int_equal(odder.usage.cached_tokens, 128);
        hl_sched_free(s);
        close_model(&x);
    }
}

static void drafts_change_no_answer(void **state) {
    (void)state;
    for (size_t k = 0; k < N_NAMES; k++) {
        setup     x = open_model(k);
        hl_sched *s = new_sched(&x, (hl_sched_params){.speculate = HL_SPECULATE_ALWAYS});
        int32_t   text[N_TEXT], wrong[N_ANSWER];
        fill_text(4, 0, N_TEXT, text);
        const answer want = ask_alone(&x, text, 100);
        const answer right = ask(s, text, 100, want.ids);
        check_same(&right, &want);
        assert_true(right.usage.accepted_tokens > N_ANSWER / 2);
        for (int32_t i = 0; i < N_ANSWER; i++)
            wrong[i] = i % 4 == 3 ? (want.ids[i] + 1) % N_VOCAB : want.ids[i];
        const answer half = ask(s, text, 100, wrong);
        check_same(&half, &want);
        assert_true(half.usage.drafted_tokens > half.usage.accepted_tokens);
        assert_true(half.usage.accepted_tokens > 0);
        assert_int_equal(half.usage.drafted_branches, 0);
        hl_sched_free(s);
        close_model(&x);
    }
}

typedef struct request {
    hl_sched     *s;
    const answer *want;
    int32_t       text[N_TEXT];
    size_t        n;
    pthread_t     thread;
    answer        got;
    hl_status     status;
    hl_err        err;
} request;

static void *run_request(void *arg) {
    request *r = arg;
    r->status = try_to_ask(r->s, r->text, r->n, r->want->ids, &r->got, &r->err);
    return NULL;
}

enum { N_TEXTS = 5, N_REQUESTS = 15 };

/* Prompts that begin alike, at once, each several times. */
static void run_crowd(setup *x, hl_sched *s, const answer *want, int32_t *ret_preemptions) {
    static request requests[N_REQUESTS];
    (void)x;
    for (size_t i = 0; i < N_REQUESTS; i++) {
        request *r = &requests[i];
        *r = (request){.s = s, .want = &want[i % N_TEXTS], .n = 150 + 40 * (i % N_TEXTS)};
        fill_text((int32_t)(i % N_TEXTS), 140, (int32_t)r->n, r->text);
        assert_int_equal(pthread_create(&r->thread, NULL, run_request, r), 0);
    }
    for (size_t i = 0; i < N_REQUESTS; i++) {
        (void)pthread_join(requests[i].thread, NULL);
        if (requests[i].status != HL_OK) fail_msg("request %zu: %s", i, requests[i].err.text);
        if (requests[i].got.n != N_ANSWER) fail_msg("request %zu: %d tokens", i, requests[i].got.n);
        check_same(&requests[i].got, requests[i].want);
        *ret_preemptions += requests[i].got.usage.preemptions;
    }
}

static void a_crowd_gets_what_each_would_get_alone(void **state) {
    (void)state;
    for (size_t k = 0; k < N_NAMES; k++) {
        setup   x = open_model(k);
        answer  want[N_TEXTS];
        int32_t text[N_TEXT], n_preemptions = 0;
        for (int32_t i = 0; i < N_TEXTS; i++) {
            fill_text(i, 140, N_TEXT, text);
            want[i] = ask_alone(&x, text, 150 + 40 * (size_t)i);
        }
        hl_sched *s = new_sched(&x, (hl_sched_params){.speculate = HL_SPECULATE_ALWAYS, .n_batch = 96});
        run_crowd(&x, s, want, &n_preemptions);
        hl_sched_stats stats;
        hl_sched_get_stats(s, &stats);
        assert_true(stats.cached_tokens > 0);
        hl_sched_free(s);
        /* with so little room that they give way to one another, and hardly a checkpoint is kept */
        hl_sched_params p = {.n_running_cap = 6, .speculate = HL_SPECULATE_OFF, .n_batch = 64};
        s = new_sched(&x, p);
        hl_sched_get_stats(s, &stats);
        p.kv_budget_bytes = stats.kv_budget_bytes / 3;
        hl_sched_free(s);
        s = new_sched(&x, p);
        run_crowd(&x, s, want, &n_preemptions);
        hl_sched_free(s);
        close_model(&x);
    }
}

static void a_text_is_embedded_alike_however_it_is_cut(void **state) {
    (void)state;
    for (size_t k = 0; k < N_NAMES; k++) {
        setup                  x = open_model(k);
        hl_err                 err = {0};
        int32_t                text[N_TEXT];
        float                  whole[64], cut[64];
        const hl_embed_input   in = {.tokens = text, .n_tokens = 300};
        const hl_embed_request req = {.inputs = &in, .n_inputs = 1, .keeps_length = true};
        fill_text(1, 0, N_TEXT, text);
        for (int i = 0; i < 2; i++) {
            hl_runner             *r = NULL;
            hl_embeddings          got;
            const hl_runner_params p = {.sched = {.n_ctx = 512, .n_batch = i == 0 ? 512 : 33}};
            if (hl_runner_new(x.m, &p, &r, &err) != HL_OK) fail_msg("%s", err.text);
            if (hl_runner_embed(r, &req, &got, &err) != HL_OK) fail_msg("%s", err.text);
            assert_int_equal(got.n_dims, 64);
            memcpy(i == 0 ? whole : cut, got.values, sizeof whole);
            hl_embeddings_done(&got);
            hl_runner_free(r);
        }
        assert_memory_equal(whole, cut, sizeof whole);
        close_model(&x);
    }
}

/* ---- memory ------------------------------------------------------------------------------------ */

static void states_are_a_part_of_the_plan(void **state) {
    (void)state;
    setup          x = open_model(1); /* nothing but states */
    hl_err         err = {0};
    hl_memory_plan plan;
    hl_sched      *s = NULL;
    assert_int_equal(hl_session_plan(x.m, &(hl_session_params){.n_ctx = 64}, &plan, &err), HL_OK);
    /* three states of three layers: a window of 3 x 192, and 8 heads of 32 x 16 */
    const uint64_t each = 3 * (3 * 192 + 8 * 32 * 16) * sizeof(float);
    assert_true(plan.kv_bytes >= 3 * each && plan.kv_bytes < 3 * (each + 4096) + 2 * 4096);
    const hl_sched_params p = {.n_ctx = 64, .kv_budget_bytes = 3 * each};
    assert_int_equal(hl_sched_new(x.m, &p, &s, &err), HL_E_NOMEM);
    assert_non_null(strstr(err.text, "states of recurrent layers"));
    close_model(&x);
}

static void a_model_with_states_is_no_draft(void **state) {
    (void)state;
    setup                 x = open_model(0);
    hl_err                err = {0};
    hl_sched             *s = NULL;
    const hl_sched_params p = {.n_ctx = 64, .draft = x.m};
    assert_int_equal(hl_sched_new(x.m, &p, &s, &err), HL_E_UNSUPPORTED);
    assert_non_null(strstr(err.text, "draft model"));
    close_model(&x);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_session_that_forgets_goes_on_as_a_new_one),
        cmocka_unit_test(a_stopped_pass_changes_nothing),
        cmocka_unit_test(rows_that_are_no_tokens_cannot_be_computed_again),
        cmocka_unit_test(what_is_known_is_not_computed_again),
        cmocka_unit_test(drafts_change_no_answer),
        cmocka_unit_test(a_crowd_gets_what_each_would_get_alone),
        cmocka_unit_test(a_text_is_embedded_alike_however_it_is_cut),
        cmocka_unit_test(states_are_a_part_of_the_plan),
        cmocka_unit_test(a_model_with_states_is_no_draft),
    };
    return cmocka_run_group_tests_name("recurrent", tests, write_models, remove_models);
}
