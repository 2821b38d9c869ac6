/* SPDX-License-Identifier: MIT
 *
 * test_sched.c - what the scheduler promises: a request's tokens do not depend on what else runs, prefixes
 * are computed once, limits refuse with numbers, whatever is cancelled ends, and no block is lost. On tiny
 * models of tests/golden/archs.
 */
#include "tests/need.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "hyperlama/hyperlama.h"

/* The clocks that the scheduler sees: those of the system, and what the test adds. */
static _Atomic int64_t monotonic_step_s, wall_step_s;

int clock_gettime(clockid_t id, struct timespec *ret) {
    const int rc = (int)syscall(SYS_clock_gettime, id, ret);
    if (rc == 0)
        ret->tv_sec += id == CLOCK_MONOTONIC ? monotonic_step_s : id == CLOCK_REALTIME ? wall_step_s : 0;
    return rc;
}

enum { N_VOCAB = 128, MAX_ANSWER = 600, MAX_PROMPT = 900, BLOCK = 64 };

static const char *const LLAMA = "tests/golden/archs/llama-q4_k.gguf";

typedef struct setup {
    hl_engine *e;
    hl_model  *m;
    hl_sched  *s;
} setup;

static setup open_all(const char *path, hl_sched_params p) {
    setup  x = {0};
    hl_err err = {0};
    assert_int_equal(hl_engine_new(&(hl_engine_params){.n_threads = 2, .cpu = test_cpu()}, &x.e, &err),
                     HL_OK);
    if (hl_model_open(x.e, &path, 1, NULL, &x.m, &err) != HL_OK) fail_msg("%s", err.text);
    if (hl_sched_new(x.m, &p, &x.s, &err) != HL_OK) fail_msg("%s", err.text);
    return x;
}

static void close_all(setup *x) {
    hl_sched_free(x->s);
    hl_model_close(x->m);
    hl_engine_free(x->e);
}

/* One request with what came of it. */
typedef struct job {
    int32_t          prompt[MAX_PROMPT];
    hl_sched_request r;
    int32_t          answer[MAX_ANSWER];
    int32_t          n_answer;
    int32_t          stop_after; /* tokens; 0: never */
    uint64_t         id;
    hl_usage         usage;
    hl_status        status;
    hl_err           err;
    atomic_int       n_done;
} job;

static hl_end keep_token(void *user, const hl_sched_token *t) {
    job *j = user;
    assert_true(j->n_answer < MAX_ANSWER);
    j->answer[j->n_answer++] = t->token;
    return j->stop_after && j->n_answer == j->stop_after ? HL_END_STOP : HL_END_NONE;
}

static void keep_end(void *user, uint64_t id, hl_status status, const hl_usage *usage, const hl_err *err) {
    job *j = user;
    (void)id;
    j->usage = *usage;
    j->status = status;
    j->err = *err;
    atomic_fetch_add(&j->n_done, 1);
}

/* A prompt of n tokens: the first n_shared are the same for all. */
static void make_job(job *j, uint32_t seed, int32_t n, int32_t n_shared, int32_t max_tokens) {
    memset(j, 0, sizeof *j);
    hl_sched_request_init(&j->r);
    uint32_t random = seed * 2654435761u + 1;
    for (int32_t i = 0; i < n; i++) {
        random = random * 1664525 + 1013904223;
        j->prompt[i] = i < n_shared ? (i * 37 + 11) % N_VOCAB : (int32_t)(random >> 20) % N_VOCAB;
    }
    j->r.tokens = j->prompt;
    j->r.n_tokens = (size_t)n;
    j->r.max_tokens = max_tokens;
    j->r.ignore_eog = true;
    j->r.sampling.seed = seed;
    j->r.sampling.repeat_penalty = seed % 3 == 0 ? 1.1f : 1;
    if (seed % 4 == 0) j->r.sampling.temperature = 0;
    j->r.on_token = keep_token;
    j->r.on_done = keep_end;
    j->r.user = j;
}

static void submit(setup *x, job *j) {
    hl_err err = {0};
    if (hl_sched_submit(x->s, &j->r, &j->id, &err) != HL_OK) fail_msg("%s", err.text);
}

static void wait_for(const job *j) {
    while (atomic_load(&((job *)(uintptr_t)j)->n_done) == 0) (void)usleep(200);
}

static void run_alone(const char *path, const job *j, job *ret) {
    setup x = open_all(path, (hl_sched_params){.n_ctx = 1024});
    *ret = *j;
    ret->r.tokens = ret->prompt;
    ret->r.user = ret;
    ret->n_answer = 0;
    hl_err err = {0};
    if (hl_sched_run(x.s, &ret->r, NULL, &err) != HL_OK) fail_msg("%s", err.text);
    close_all(&x);
}

static void check_same(const job *a, const job *b, const char *what) {
    if (a->n_answer != b->n_answer) fail_msg("%s: %d tokens instead of %d", what, a->n_answer, b->n_answer);
    for (int32_t i = 0; i < a->n_answer; i++)
        if (a->answer[i] != b->answer[i]) fail_msg("%s: token %d differs", what, i);
}

static uint64_t block_bytes(void) {
    setup          x = open_all(LLAMA, (hl_sched_params){.n_ctx = 1024});
    hl_sched_stats t;
    hl_sched_get_stats(x.s, &t);
    close_all(&x);
    return t.kv_budget_bytes / 64; /* 4 contexts of 16 blocks */
}

/* All blocks are free or known to the tree once nothing runs. */
static void check_no_block_is_lost(setup *x) {
    hl_sched_stats t;
    do {
        (void)usleep(1000);
        hl_sched_get_stats(x->s, &t);
    } while (t.n_running > 0 || t.n_waiting > 0);
    assert_int_equal(t.kv_used_bytes, t.kv_shared_bytes);
    assert_true(t.kv_used_bytes <= t.kv_budget_bytes);
}

enum { N_JOBS = 16 };
static job jobs[N_JOBS], alone[N_JOBS];

static void answers_do_not_depend_on_what_else_runs(void **state) {
    (void)state;
    static const char *const paths[] = {"tests/golden/archs/llama-q4_k.gguf",
                                        "tests/golden/archs/gemma3-swa.gguf",
                                        "tests/golden/archs/llama-f16.gguf"};
    for (size_t p = 0; p < 3; p++) {
        for (uint32_t i = 0; i < N_JOBS; i++) {
            make_job(&jobs[i], i + 1, 5 + (int32_t)(i * i * 3) % 500, (int32_t)(i % 3) * 100,
                     20 + (int32_t)i);
            run_alone(paths[p], &jobs[i], &alone[i]);
        }
        for (int order = 0; order < 3; order++) {
            setup x = open_all(paths[p], (hl_sched_params){.n_ctx = 1024,
                                                           .n_running_cap = order == 2 ? 3 : 16,
                                                           .n_batch = order == 1 ? 37 : 512});
            for (uint32_t i = 0; i < N_JOBS; i++) {
                job *j = &jobs[order == 1 ? N_JOBS - 1 - i : i];
                j->n_answer = 0;
                atomic_store(&j->n_done, 0);
                submit(&x, j);
                if (order == 2) (void)usleep(300);
            }
            for (uint32_t i = 0; i < N_JOBS; i++) wait_for(&jobs[i]);
            for (uint32_t i = 0; i < N_JOBS; i++) {
                assert_int_equal(jobs[i].status, HL_OK);
                assert_int_equal(jobs[i].usage.end, HL_END_LENGTH);
                check_same(&jobs[i], &alone[i], paths[p]);
            }
            check_no_block_is_lost(&x);
            close_all(&x);
        }
    }
}

static void a_prompt_seen_before_is_not_computed_again(void **state) {
    (void)state;
    static const char *const paths[] = {"tests/golden/archs/llama-q4_k.gguf",
                                        "tests/golden/archs/gemma3-swa.gguf"};
    for (size_t p = 0; p < 2; p++) { /* the second one with windowed layers */
        setup x = open_all(paths[p], (hl_sched_params){.n_ctx = 1024});
        job   a, b;
        make_job(&a, 7, 500, 450, 30);
        make_job(&b, 8, 520, 450, 30);
        run_alone(paths[p], &b, &alone[0]);
        assert_int_equal(hl_sched_run(x.s, &a.r, NULL, NULL), HL_OK);
        assert_int_equal(a.usage.cached_tokens, 0);
        assert_int_equal(hl_sched_run(x.s, &b.r, NULL, NULL), HL_OK);
        assert_int_equal(b.usage.cached_tokens, 450); /* to the token, not to the block */
        check_same(&b, &alone[0], "behind a cached prefix");
        job again = b;
        again.r.tokens = again.prompt;
        again.r.user = &again;
        again.n_answer = 0;
        assert_int_equal(hl_sched_run(x.s, &again.r, NULL, NULL), HL_OK);
        assert_int_equal(again.usage.cached_tokens,
                         519); /* equal to the last token: that one must be computed */
        check_same(&again, &alone[0], "an equal prompt");
        /* the answer is part of the next prompt: a conversation */
        job next;
        make_job(&next, 9, 600, 0, 5);
        memcpy(next.prompt, b.prompt, 520 * sizeof *b.prompt);
        memcpy(next.prompt + 520, b.answer, 30 * sizeof *b.answer);
        assert_int_equal(hl_sched_run(x.s, &next.r, NULL, NULL), HL_OK);
        assert_int_equal(next.usage.cached_tokens, 549); /* the last token of an answer was never computed */
        close_all(&x);
    }
}

static void prompts_that_come_together_compute_their_common_begin_once(void **state) {
    (void)state;
    setup   x = open_all(LLAMA, (hl_sched_params){.n_ctx = 1024, .n_batch = 2048});
    int32_t n_cached = 0;
    for (uint32_t i = 0; i < 8; i++) {
        make_job(&jobs[i], i + 1, 250, 210, 10);
        run_alone(LLAMA, &jobs[i], &alone[i]);
    }
    job first; /* keeps the scheduler busy until all others are there */
    make_job(&first, 99, 800, 0, 20);
    submit(&x, &first);
    for (uint32_t i = 0; i < 8; i++) submit(&x, &jobs[i]);
    for (uint32_t i = 0; i < 8; i++) {
        wait_for(&jobs[i]);
        check_same(&jobs[i], &alone[i], "together");
        n_cached += jobs[i].usage.cached_tokens;
    }
    wait_for(&first);
    assert_true(n_cached >= 7 * 192);
    close_all(&x);
}

/* What a session and a sampler give, token by token: the prompt is seen, what is answered is accepted. */
static void run_by_hand(setup *x, job *j) {
    hl_session *s = NULL;
    hl_sampler *sampler = NULL;
    hl_err      err = {0};
    if (hl_session_new(x->m, &(hl_session_params){.n_ctx = 1024}, &s, &err) != HL_OK)
        fail_msg("%s", err.text);
    assert_int_equal(hl_sampler_new(&j->r.sampling, N_VOCAB, &sampler, &err), HL_OK);
    for (size_t i = 0; i < j->r.n_tokens; i++) hl_sampler_see(sampler, j->prompt[i]);
    assert_int_equal(hl_session_eval(s, j->prompt, j->r.n_tokens, &err), HL_OK);
    for (j->n_answer = 0; j->n_answer < j->r.max_tokens;) {
        const int32_t id = hl_sampler_sample(sampler, hl_session_logits(s));
        hl_sampler_accept(sampler, id);
        j->answer[j->n_answer++] = id;
        assert_int_equal(hl_session_eval(s, &id, 1, &err), HL_OK);
    }
    hl_sampler_free(sampler);
    hl_session_free(s);
}

static void an_answer_is_what_a_session_and_a_sampler_give(void **state) {
    (void)state;
    static job by_hand, plain;
    setup      x = open_all(LLAMA, (hl_sched_params){.n_ctx = 1024});
    for (uint32_t i = 0; i < 6; i++) {
        job *j = &jobs[i];
        make_job(j, 2, 60, 0, 120);
        make_job(&plain, 2, 60, 0, 120);
        if (i < 2) j->r.sampling.temperature = plain.r.sampling.temperature = 0;
        if (i == 0) j->r.sampling.repeat_penalty = 1.5f;
        if (i == 1) j->r.sampling.presence_penalty = 1.5f;
        if (i == 2) j->r.sampling.frequency_penalty = 1;
        if (i == 3) j->r.sampling.dry_multiplier = 2;
        if (i == 4) j->r.sampling.mirostat = 2;
        if (i == 5) j->r.sampling.min_p = 0.3f;
        by_hand = *j;
        run_by_hand(&x, &by_hand);
        submit(&x, j);
        wait_for(j);
        check_same(j, &by_hand, "by the scheduler");
        run_by_hand(&x, &plain);
        if (memcmp(plain.answer, j->answer, sizeof plain.answer) == 0) fail_msg("case %u shows nothing", i);
    }
    close_all(&x);
}

static void a_cache_that_is_too_small_for_all_serves_all(void **state) {
    (void)state;
    setup          x;
    hl_sched_stats t;
    const uint64_t block = block_bytes();
    for (uint32_t i = 0; i < N_JOBS; i++) {
        make_job(&jobs[i], i + 1, 100 + (int32_t)(i * 29) % 150, 70, 200);
        run_alone(LLAMA, &jobs[i], &alone[i]);
    }
    x = open_all(LLAMA, (hl_sched_params){.n_ctx = 512, .kv_budget_bytes = 13 * block});
    for (uint32_t i = 0; i < N_JOBS; i++) submit(&x, &jobs[i]);
    for (uint32_t i = 0; i < N_JOBS; i++) wait_for(&jobs[i]);
    for (uint32_t i = 0; i < N_JOBS; i++) {
        assert_int_equal(jobs[i].status, HL_OK);
        check_same(&jobs[i], &alone[i], "in a small cache");
        assert_true(jobs[i].usage.cached_tokens <
                    jobs[i].usage.prompt_tokens); /* a true count, however often preempted */
    }
    hl_sched_get_stats(x.s, &t);
    assert_true(t.n_preempted > 0);
    assert_int_equal(t.kv_budget_bytes, 13 * block);
    check_no_block_is_lost(&x);
    close_all(&x);
    /* of two that do not fit together one gives way, and comes back */
    x = open_all(LLAMA, (hl_sched_params){.n_ctx = 512, .kv_budget_bytes = 6 * block});
    for (uint32_t i = 0; i < 2; i++) {
        make_job(&jobs[i], i + 1, 100 + (int32_t)(i * 29) % 150, 70, 200);
        submit(&x, &jobs[i]);
    }
    for (uint32_t i = 0; i < 2; i++) wait_for(&jobs[i]);
    for (uint32_t i = 0; i < 2; i++) check_same(&jobs[i], &alone[i], "beside one other");
    hl_sched_get_stats(x.s, &t);
    assert_true(t.n_preempted > 0);
    check_no_block_is_lost(&x);
    /* one answer that fills the whole cache ends there */
    job all;
    make_job(&all, 50, 10, 0, MAX_ANSWER);
    close_all(&x);
    x = open_all(LLAMA, (hl_sched_params){.n_ctx = 1024, .kv_budget_bytes = 3 * block});
    assert_int_equal(hl_sched_run(x.s, &all.r, NULL, NULL), HL_OK);
    assert_int_equal(all.usage.end, HL_END_LENGTH);
    assert_int_equal(all.usage.answer_tokens, 3 * BLOCK - 10 + 1);
    close_all(&x);
}

static void what_cannot_fit_is_refused_with_numbers(void **state) {
    (void)state;
    setup    x = open_all(LLAMA, (hl_sched_params){.n_ctx = 256, .kv_budget_bytes = 1 << 20});
    job      j;
    hl_err   err = {0};
    uint64_t id = 0;
    make_job(&j, 1, 300, 0, 1);
    assert_int_equal(hl_sched_submit(x.s, &j.r, &id, &err), HL_E_FULL);
    assert_non_null(strstr(err.text, "300 tokens"));
    assert_non_null(strstr(err.text, "256"));
    j.r.n_tokens = 0;
    assert_int_equal(hl_sched_submit(x.s, &j.r, &id, &err), HL_E_ARG);
    j.r.n_tokens = 3;
    j.prompt[2] = N_VOCAB;
    assert_int_equal(hl_sched_submit(x.s, &j.r, &id, &err), HL_E_ARG);
    assert_non_null(strstr(err.text, "token 2 is 128"));
    j.prompt[2] = 1;
    j.r.n_ctx = hl_sched_n_ctx_cap(x.s) + 1;
    assert_int_equal(hl_sched_submit(x.s, &j.r, &id, &err), HL_E_ARG);
    j.r.n_ctx = 0;
    j.r.sampling.top_p = 7;
    assert_int_equal(hl_sched_submit(x.s, &j.r, &id, &err), HL_E_ARG);
    hl_sched *s = NULL;
    assert_int_equal(hl_sched_new(x.m, &(hl_sched_params){.kv_budget_bytes = 10}, &s, &err), HL_E_NOMEM);
    assert_non_null(strstr(err.text, "holds no block"));
    assert_int_equal(hl_sched_new(x.m, &(hl_sched_params){.kv_budget_bytes = UINT64_MAX / 2}, &s, &err),
                     HL_E_NOMEM);
    assert_non_null(strstr(err.text, "available"));
    assert_int_equal(hl_sched_new(x.m, &(hl_sched_params){.n_running_cap = 1000}, &s, &err), HL_E_ARG);
    assert_int_equal(hl_sched_new(x.m, &(hl_sched_params){.kv_type = (hl_kv_cache_type)9}, &s, &err),
                     HL_E_ARG);
    assert_string_equal(err.text, "kv_type is 9, expected f16, f32, bf16 or q8_0");
    close_all(&x);
    x = open_all(LLAMA, (hl_sched_params){.n_ctx = 1024, .kv_budget_bytes = 4 * block_bytes() + 5});
    hl_sched_stats t;
    hl_sched_get_stats(x.s, &t);
    assert_int_equal(t.kv_budget_bytes, 4 * block_bytes()); /* whole blocks */
    make_job(&j, 1, 4 * BLOCK, 0, 1);
    assert_int_equal(hl_sched_submit(x.s, &j.r, &id, &err), HL_E_FULL);
    char numbers[100];
    (void)snprintf(numbers, sizeof numbers,
                   "%d tokens needs %d KiB of key/value cache and the budget is %d KiB", 4 * BLOCK,
                   (int)(5 * block_bytes() >> 10), (int)(4 * block_bytes() >> 10));
    if (!strstr(err.text, numbers)) fail_msg("%s", err.text);
    make_job(&j, 1, 4 * BLOCK - 1, 0, 1); /* one less fits, with the token that it makes */
    assert_int_equal(hl_sched_run(x.s, &j.r, NULL, NULL), HL_OK);
    assert_int_equal(j.usage.answer_tokens, 1);
    close_all(&x);
    /* what is pinned is no room */
    x = open_all(LLAMA, (hl_sched_params){.n_ctx = 1024, .kv_budget_bytes = 6 * block_bytes()});
    make_job(&j, 1, 4 * BLOCK + 1, 0, 1);
    assert_int_equal(hl_sched_run(x.s, &j.r, NULL, NULL), HL_OK);
    assert_int_equal(hl_sched_pin(x.s, j.prompt, 4 * BLOCK, NULL), HL_OK);
    make_job(&j, 2, 4 * BLOCK, 0, 1);
    assert_int_equal(hl_sched_run(x.s, &j.r, NULL, &err), HL_E_FULL);
    assert_non_null(strstr(err.text, "256 tokens do not fit the key/value cache"));
    assert_non_null(strstr(err.text, "of its 6 blocks are pinned"));
    close_all(&x);
}

static void a_request_may_ask_for_more_context_without_a_new_scheduler(void **state) {
    (void)state;
    setup         x = open_all(LLAMA, (hl_sched_params){.n_ctx = 128});
    hl_model_info info;
    job           j;
    hl_model_get_info(x.m, &info);
    const int32_t cap = hl_sched_n_ctx_cap(x.s);
    assert_int_equal(hl_sched_n_ctx(x.s), 128);
    assert_true(cap >= 128 && cap <= (info.n_ctx_train > 128 ? info.n_ctx_train : 128));
    make_job(&j, 1, 100, 0, -1);
    assert_int_equal(hl_sched_run(x.s, &j.r, NULL, NULL), HL_OK);
    assert_int_equal(j.usage.answer_tokens, 28);
    make_job(&j, 1, 100, 0, -1);
    j.r.n_ctx = cap < 500 ? cap : 500; /* as much as a job here has room for */
    assert_int_equal(hl_sched_run(x.s, &j.r, NULL, NULL), HL_OK);
    assert_int_equal(j.usage.answer_tokens, j.r.n_ctx - 100);
    close_all(&x);
}

static void the_queue_has_an_end(void **state) {
    (void)state;
    setup      x = open_all(LLAMA, (hl_sched_params){.n_ctx = 1024, .n_running_cap = 1, .n_waiting_cap = 5});
    static job many[40];
    int        n_busy = 0;
    for (uint32_t i = 0; i < 40; i++) {
        hl_err err = {0};
        make_job(&many[i], i, 400, 0, 100);
        const hl_status status = hl_sched_submit(x.s, &many[i].r, &many[i].id, &err);
        if (status == HL_OK) continue;
        assert_int_equal(status, HL_E_BUSY);
        assert_non_null(strstr(err.text, "the limit is 5"));
        n_busy++;
        atomic_store(&many[i].n_done, 1);
    }
    assert_true(n_busy >= 40 - 8);
    for (uint32_t i = 0; i < 40; i++) wait_for(&many[i]);
    close_all(&x);
}

static void cancelled_and_late_requests_end_in_every_phase(void **state) {
    (void)state;
    setup x = open_all(LLAMA, (hl_sched_params){.n_ctx = 1024, .n_running_cap = 2});
    for (int round = 0; round < 30; round++) {
        for (uint32_t i = 0; i < 8; i++) {
            make_job(&jobs[i], i, 800, 0, 100);
            if (i == 3) jobs[i].r.timeout_ms = 1 + round % 7;
            submit(&x, &jobs[i]);
        }
        (void)usleep((unsigned)(round * 700));
        for (uint32_t i = 0; i < 8; i++) hl_sched_cancel(x.s, jobs[i].id);
        for (uint32_t i = 0; i < 8; i++) wait_for(&jobs[i]);
        for (uint32_t i = 0; i < 8; i++) {
            assert_int_equal(jobs[i].status, HL_OK);
            assert_int_equal(atomic_load(&jobs[i].n_done), 1);
            if (jobs[i].usage.end == HL_END_TIMEOUT) assert_int_equal(i, 3);
        }
    }
    hl_sched_cancel(x.s, 123456789);
    check_no_block_is_lost(&x);
    /* and the scheduler goes on */
    job j;
    make_job(&j, 77, 300, 0, 20);
    run_alone(LLAMA, &j, &alone[0]);
    assert_int_equal(hl_sched_run(x.s, &j.r, NULL, NULL), HL_OK);
    check_same(&j, &alone[0], "after cancellations");
    close_all(&x);
}

/* A reader that takes some tokens and then none for a while: it pauses its request from on_token. */
typedef struct slow {
    job        j;
    setup     *x;
    uint32_t   seed;
    int32_t    pause_at;
    atomic_int n_seen;
} slow;

static hl_end pause_at_token(void *user, const hl_sched_token *t) {
    slow        *w = user;
    const hl_end end = keep_token(&w->j, t);
    if (w->j.n_answer == w->pause_at) hl_sched_pause(w->x->s, t->id, true);
    atomic_store(&w->n_seen, w->j.n_answer);
    return end;
}

static void keep_end_of_slow(void *user, uint64_t id, hl_status status, const hl_usage *usage,
                             const hl_err *err) {
    keep_end(&((slow *)user)->j, id, status, usage, err);
}

static void submit_slow(setup *x, slow *w, uint32_t seed, int32_t pause_at, int64_t timeout_ms) {
    memset(w, 0, sizeof *w);
    make_job(&w->j, seed, 100, 0, 60);
    w->x = x;
    w->seed = seed;
    w->pause_at = pause_at;
    w->j.r.timeout_ms = timeout_ms;
    w->j.r.on_token = pause_at_token;
    w->j.r.on_done = keep_end_of_slow;
    w->j.r.user = w;
    submit(x, &w->j);
}

/* All of them have stopped, and nothing runs. */
static void wait_until_parked(setup *x, slow *w, uint32_t n) {
    hl_sched_stats t;
    for (uint32_t i = 0; i < n; i++)
        while (atomic_load(&w[i].n_seen) < w[i].pause_at) (void)usleep(200);
    do {
        (void)usleep(1000);
        hl_sched_get_stats(x->s, &t);
    } while (t.n_running > 0);
    assert_int_equal(t.n_waiting, n);
    assert_int_equal(t.kv_used_bytes,
                     t.kv_shared_bytes); /* what they had is the tree's, for whoever needs it */
}

static void paused_requests_hold_up_nobody_and_lose_nothing(void **state) {
    (void)state;
    static slow w[4];
    setup       x = open_all(LLAMA, (hl_sched_params){.n_ctx = 1024, .n_running_cap = 2});
    job         j;
    for (uint32_t i = 0; i < 4; i++) submit_slow(&x, &w[i], i, 3 + (int32_t)i, 0);
    wait_until_parked(&x, w, 4);
    for (uint32_t i = 0; i < 8; i++) { /* slots are free for others, and the cache is turned over */
        make_job(&j, 40 + i, 800, 0, 30);
        assert_int_equal(hl_sched_run(x.s, &j.r, NULL, NULL), HL_OK);
        assert_int_equal(j.n_answer, 30);
    }
    for (uint32_t i = 0; i < 4; i++) {
        assert_int_equal(atomic_load(&w[i].j.n_done), 0);
        assert_in_range(w[i].j.n_answer, w[i].pause_at, w[i].pause_at + 15); /* the rest of one step */
        hl_sched_pause(x.s, w[i].j.id, false);
    }
    for (uint32_t i = 0; i < 4; i++) {
        wait_for(&w[i].j);
        assert_int_equal(w[i].j.usage.end, HL_END_LENGTH);
        assert_int_equal(w[i].j.usage.preemptions, 0);
        assert_int_equal(w[i].j.usage.cached_tokens, 0);
        make_job(&j, w[i].seed, 100, 0, 60);
        run_alone(LLAMA, &j, &alone[0]);
        check_same(&w[i].j, &alone[0], "paused in between");
    }
    check_no_block_is_lost(&x);
    close_all(&x);
}

static void paused_requests_are_cancelled_time_out_and_end_with_the_scheduler(void **state) {
    (void)state;
    static slow w[4];
    setup       x = open_all(LLAMA, (hl_sched_params){.n_ctx = 1024, .n_running_cap = 4});
    submit_slow(&x, &w[0], 1, 5, 0);
    submit_slow(&x, &w[1], 2, 5, 60000);
    submit_slow(&x, &w[2], 3, 5, 0);
    wait_until_parked(&x, w, 3);
    hl_sched_cancel(x.s, w[0].j.id);
    wait_for(&w[0].j);
    assert_int_equal(w[0].j.usage.end, HL_END_CANCEL);
    assert_int_equal(atomic_load(&w[1].j.n_done), 0);
    atomic_fetch_add(&monotonic_step_s, 61);
    wait_for(&w[1].j);
    assert_int_equal(w[1].j.usage.end, HL_END_TIMEOUT);
    atomic_fetch_sub(&monotonic_step_s, 61);
    hl_sched_cancel(x.s, 123456789); /* it sleeps by the stepped clock: wake it */
    assert_int_equal(atomic_load(&w[2].j.n_done), 0);
    hl_sched_cancel_all(x.s);
    wait_for(&w[2].j);
    assert_int_equal(w[2].j.usage.end, HL_END_CANCEL);
    submit_slow(&x, &w[3], 4, 5, 0);
    wait_until_parked(&x, &w[3], 1);
    close_all(&x);
    assert_int_equal(atomic_load(&w[3].j.n_done), 1);
    assert_int_equal(w[3].j.usage.end, HL_END_CANCEL);
}

static void freeing_a_busy_scheduler_ends_all_requests(void **state) {
    (void)state;
    for (int round = 0; round < 10; round++) {
        setup x = open_all(LLAMA, (hl_sched_params){.n_ctx = 1024, .n_running_cap = 4});
        for (uint32_t i = 0; i < N_JOBS; i++) {
            make_job(&jobs[i], i, 600, 0, 300);
            submit(&x, &jobs[i]);
        }
        (void)usleep((unsigned)round * 1500);
        close_all(&x);
        for (uint32_t i = 0; i < N_JOBS; i++) assert_int_equal(atomic_load(&jobs[i].n_done), 1);
    }
}

static void a_callback_may_end_its_answer(void **state) {
    (void)state;
    setup x = open_all(LLAMA, (hl_sched_params){.n_ctx = 1024});
    job   j;
    make_job(&j, 5, 50, 0, 100);
    j.stop_after = 7;
    hl_usage usage;
    assert_int_equal(hl_sched_run(x.s, &j.r, &usage, NULL), HL_OK);
    assert_int_equal(usage.end, HL_END_STOP);
    assert_int_equal(usage.answer_tokens, 7);
    make_job(&j, 5, 50, 0, 0); /* only the prompt */
    assert_int_equal(hl_sched_run(x.s, &j.r, &usage, NULL), HL_OK);
    assert_int_equal(usage.end, HL_END_LENGTH);
    assert_int_equal(usage.answer_tokens, 0);
    make_job(&j, 5, 50, 0, -1);
    j.r.n_ctx = 80; /* the context is full */
    assert_int_equal(hl_sched_run(x.s, &j.r, &usage, NULL), HL_OK);
    assert_int_equal(usage.end, HL_END_LENGTH);
    assert_int_equal(usage.answer_tokens, 30);
    close_all(&x);
}

typedef struct order {
    uint64_t owners[64];
    int32_t  n;
} order;

static void note_owner(void *user, uint64_t id, hl_status status, const hl_usage *usage, const hl_err *err) {
    order *o = user;
    (void)status, (void)usage, (void)err;
    o->owners[o->n++] = id;
}

static void owners_get_equal_shares_and_priority_goes_first(void **state) {
    (void)state;
    setup    x = open_all(LLAMA, (hl_sched_params){.n_ctx = 1024, .n_running_cap = 1});
    order    o = {.n = 0};
    job      j;
    hl_err   err = {0};
    uint64_t first_of_2 = 0, urgent = 0, id = 0;
    make_job(&j, 1, 300, 0, 10);
    j.r.on_token = NULL;
    j.r.on_done = note_owner;
    j.r.user = &o;
    for (int i = 0; i < 20; i++) {
        j.r.owner = 1; /* twenty of the first owner, then two of the second */
        assert_int_equal(hl_sched_submit(x.s, &j.r, &id, &err), HL_OK);
    }
    j.r.owner = 2;
    assert_int_equal(hl_sched_submit(x.s, &j.r, &first_of_2, &err), HL_OK);
    assert_int_equal(hl_sched_submit(x.s, &j.r, &id, &err), HL_OK);
    j.r.owner = 1;
    j.r.priority = 5;
    assert_int_equal(hl_sched_submit(x.s, &j.r, &urgent, &err), HL_OK);
    hl_sched_stats t;
    do {
        (void)usleep(1000);
        hl_sched_get_stats(x.s, &t);
    } while (t.n_done < 23);
    int at_first = -1, at_urgent = -1;
    for (int i = 0; i < 23; i++) {
        if (o.owners[i] == first_of_2) at_first = i;
        if (o.owners[i] == urgent) at_urgent = i;
    }
    assert_true(at_urgent < 12); /* those that had ended before it came excepted */
    assert_true(at_first < 14);  /* not behind all twenty */
    close_all(&x);
}

static void a_pinned_text_stays_in_the_cache(void **state) {
    (void)state;
    setup  x = open_all(LLAMA, (hl_sched_params){.n_ctx = 512, .n_running_cap = 2});
    job    j;
    hl_err err = {0};
    make_job(&j, 1, 200, 200, 1);
    assert_int_equal(hl_sched_pin(x.s, j.prompt, 200, &err), HL_E_NOT_FOUND);
    assert_int_equal(hl_sched_run(x.s, &j.r, NULL, NULL), HL_OK);
    assert_int_equal(hl_sched_pin(x.s, j.prompt, 200, &err), HL_OK);
    assert_int_equal(hl_sched_pin(x.s, j.prompt, 3, &err), HL_E_ARG);
    for (uint32_t i = 0; i < 60; i++) {
        make_job(&j, i + 10, 450, 0, 1);
        assert_int_equal(hl_sched_run(x.s, &j.r, NULL, NULL), HL_OK);
    }
    make_job(&j, 99, 210, 200, 1);
    assert_int_equal(hl_sched_run(x.s, &j.r, NULL, NULL), HL_OK);
    assert_true(j.usage.cached_tokens >= 192);
    assert_int_equal(hl_sched_unpin(x.s, j.prompt, 200, &err), HL_OK);
    close_all(&x);
}

/* ---- many threads ---- */

typedef struct client {
    setup   *x;
    uint32_t seed;
} client;

static void *run_client(void *arg) {
    const client *c = arg;
    uint32_t      random = c->seed;
    for (int i = 0; i < 12; i++) {
        static _Thread_local job j;
        random = random * 1664525 + 1013904223;
        make_job(&j, random >> 10, 1 + (int32_t)(random >> 8) % 300, (int32_t)(random >> 4) % 200,
                 1 + (int32_t)(random >> 9) % 20);
        j.r.owner = c->seed % 5;
        if (random % 5 == 0) j.r.timeout_ms = 3;
        if (random % 3 == 0) {
            if (hl_sched_submit(c->x->s, &j.r, &j.id, NULL) != HL_OK) continue;
            (void)usleep(random % 5000);
            hl_sched_cancel(c->x->s, j.id);
            wait_for(&j);
        } else {
            hl_usage        usage;
            const hl_status status = hl_sched_run(c->x->s, &j.r, &usage, NULL);
            assert_true(status == HL_OK || status == HL_E_BUSY);
        }
    }
    return NULL;
}

static void sixty_four_threads_lose_no_block(void **state) {
    (void)state;
    enum { N_THREADS = 64 };
    setup x = open_all(
        LLAMA,
        (hl_sched_params){.n_ctx = 512, .n_running_cap = 8, .n_waiting_cap = 40, .kv_budget_bytes = 1 << 20});
    static pthread_t threads[N_THREADS];
    static client    clients[N_THREADS];
    for (uint32_t i = 0; i < N_THREADS; i++) {
        clients[i] = (client){&x, i * 7919 + 1};
        assert_int_equal(pthread_create(&threads[i], NULL, run_client, &clients[i]), 0);
    }
    for (uint32_t i = 0; i < N_THREADS; i++) (void)pthread_join(threads[i], NULL);
    check_no_block_is_lost(&x);
    close_all(&x);
}

static void thousands_queued_and_all_cancelled_at_once(void **state) {
    (void)state;
    enum { N = 4000 };
    static job      one;
    setup           x = open_all(LLAMA, (hl_sched_params){.n_ctx = 512, .n_waiting_cap = N});
    static uint64_t ids[N];
    make_job(&one, 3, 40, 0, 200);
    one.r.on_token = NULL;
    one.r.on_done = NULL;
    for (int i = 0; i < N; i++) {
        one.r.owner = (uint64_t)i;
        assert_int_equal(hl_sched_submit(x.s, &one.r, &ids[i], NULL), HL_OK);
    }
    for (int i = 0; i < N; i++) hl_sched_cancel(x.s, ids[i]);
    check_no_block_is_lost(&x);
    hl_sched_stats t;
    hl_sched_get_stats(x.s, &t);
    assert_int_equal(t.n_done + t.n_cancelled, N);
    close_all(&x);
}

/* ---- random schedules ---- */

static uint32_t next_random(uint32_t *state) {
    *state = *state * 1664525 + 1013904223;
    return *state >> 8;
}

/* What came of a job, ended or cut off anywhere, is the start of what it says alone. */
static void check_begin(const job *j, const job *whole) {
    assert_int_equal(j->status, HL_OK);
    assert_true(j->n_answer <= whole->n_answer);
    for (int32_t i = 0; i < j->n_answer; i++)
        if (j->answer[i] != whole->answer[i])
            fail_msg("token %d differs from what the request says alone", i);
}

/* Requests that share begins come, go and are cut off at random, with branches wherever there is room and a
 * cache that is too small, so blocks change hands all the time: every token is as if nobody else were there,
 * and no block is lost. */
static void random_schedules_change_no_token_and_lose_no_block(void **state) {
    (void)state;
    enum { N_TEXTS = 12, N_ROUNDS = 30 };
    static job     whole[N_TEXTS];
    uint32_t       random = 4242;
    const uint64_t block = block_bytes();
    for (uint32_t i = 0; i < N_TEXTS; i++) {
        job j;
        make_job(&j, i + 1, 30 + (int32_t)(i * 37) % 300, 64 * (int32_t)(i % 4), 120);
        for (size_t k = 150; k < j.r.n_tokens; k++) j.prompt[k] = j.prompt[k - 50]; /* repeats itself */
        run_alone(LLAMA, &j, &whole[i]);
    }
    for (int round = 0; round < N_ROUNDS; round++) {
        setup x = open_all(
            LLAMA, (hl_sched_params){.n_ctx = 512,
                                     .n_running_cap = 1 + (int32_t)next_random(&random) % 8,
                                     .n_batch = 16 + (int32_t)next_random(&random) % 200,
                                     .kv_budget_bytes = (8 + next_random(&random) % 12) * block,
                                     .speculate = round % 3 == 0 ? HL_SPECULATE_AUTO : HL_SPECULATE_ALWAYS});
        bool pinned = false;
        for (uint32_t i = 0; i < N_JOBS; i++) {
            const job *w = &whole[next_random(&random) % N_TEXTS];
            job       *j = &jobs[i];
            *j = *w;
            j->r.tokens = j->prompt;
            j->r.user = j;
            j->n_answer = 0;
            atomic_store(&j->n_done, 0);
            j->stop_after = next_random(&random) % 4 == 0 ? 1 + (int32_t)next_random(&random) % 100 : 0;
            j->r.priority = (int32_t)(next_random(&random) % 3);
            j->r.owner = next_random(&random) % 3;
            j->r.timeout_ms = next_random(&random) % 8 == 0 ? 1 + next_random(&random) % 20 : 0;
            alone[i] = *w;
            submit(&x, j);
            if (next_random(&random) % 4 == 0) (void)usleep(next_random(&random) % 3000);
            if (next_random(&random) % 5 == 0) hl_sched_cancel(x.s, jobs[next_random(&random) % (i + 1)].id);
            if (!pinned && next_random(&random) % 6 == 0)
                pinned = hl_sched_pin(x.s, whole[1].prompt, BLOCK, NULL) == HL_OK;
        }
        if (round % 7 == 6) hl_sched_cancel_all(x.s);
        for (uint32_t i = 0; i < N_JOBS; i++) wait_for(&jobs[i]);
        for (uint32_t i = 0; i < N_JOBS; i++) check_begin(&jobs[i], &alone[i]);
        if (pinned) assert_int_equal(hl_sched_unpin(x.s, whole[1].prompt, BLOCK, NULL), HL_OK);
        check_no_block_is_lost(&x);
        close_all(&x);
    }
}

/* ---- storms ---- */

typedef struct storm {
    setup       *x;
    atomic_bool *over;
} storm;

static void *cancel_everything(void *arg) {
    const storm *w = arg;
    for (uint64_t id = 1; !atomic_load(w->over); id = id % 400 + 1) {
        hl_sched_cancel(w->x->s, id);
        if (id % 97 == 0) hl_sched_cancel_all(w->x->s);
        if (id % 50 == 0) (void)usleep(300);
    }
    return NULL;
}

static void storms_of_cancellations_end_every_request_once(void **state) {
    (void)state;
    enum { N_THREADS = 4, N = 400 };
    static job            many[N];
    pthread_t             threads[N_THREADS];
    atomic_bool           over = false;
    const hl_sched_params params = {.n_ctx = 512, .n_running_cap = 6, .speculate = HL_SPECULATE_ALWAYS};
    setup                 x = open_all(LLAMA, params);
    storm                 w = {&x, &over};
    for (int i = 0; i < N_THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, cancel_everything, &w), 0);
    for (uint32_t i = 0; i < N; i++) {
        make_job(&many[i], i, 1 + (int32_t)(i * 7) % 300, (int32_t)i % 150, 50);
        submit(&x, &many[i]);
        if (i % 40 == 0) (void)usleep(1000);
    }
    for (uint32_t i = 0; i < N; i++) wait_for(&many[i]);
    atomic_store(&over, true);
    for (int i = 0; i < N_THREADS; i++) (void)pthread_join(threads[i], NULL);
    for (uint32_t i = 0; i < N; i++) {
        assert_int_equal(many[i].status, HL_OK);
        assert_int_equal(atomic_load(&many[i].n_done), 1);
    }
    check_no_block_is_lost(&x);
    job j;
    make_job(&j, 5, 100, 0, 20);
    run_alone(LLAMA, &j, &alone[0]);
    assert_int_equal(hl_sched_run(x.s, &j.r, NULL, NULL), HL_OK);
    check_same(&j, &alone[0], "behind the storm");
    close_all(&x);
}

/* A day passes with the third token. */
static hl_end sleep_a_day(void *user, const hl_sched_token *t) {
    const hl_end end = keep_token(user, t);
    if (((job *)user)->n_answer == 3) monotonic_step_s += 86400;
    return end;
}

/* Wall time set forth and back, and even the monotonic clock (a machine that was moved or slept): no answer
 * changes, and only deadlines notice. */
static void clock_steps_change_no_answer(void **state) {
    (void)state;
    static const int64_t steps_s[] = {3600, -7200, 86400 * 400, -86400 * 300, 0};
    enum { N = 8 };
    for (uint32_t i = 0; i < N; i++) {
        make_job(&jobs[i], i + 1, 60 + (int32_t)i * 30, 40, 100);
        run_alone(LLAMA, &jobs[i], &alone[i]);
    }
    for (size_t k = 0; k < sizeof steps_s / sizeof *steps_s; k++) {
        setup x = open_all(LLAMA, (hl_sched_params){.n_ctx = 512, .n_running_cap = 4});
        for (uint32_t i = 0; i < N; i++) {
            jobs[i].n_answer = 0;
            atomic_store(&jobs[i].n_done, 0);
            submit(&x, &jobs[i]);
            (void)usleep(500);
            wall_step_s = steps_s[(k + i) % 5];
            if (i == N / 2) monotonic_step_s = steps_s[k];
        }
        for (uint32_t i = 0; i < N; i++) wait_for(&jobs[i]);
        for (uint32_t i = 0; i < N; i++) {
            assert_int_equal(jobs[i].status, HL_OK);
            check_same(&jobs[i], &alone[i], "while clocks are set");
        }
        hl_sched_stats t;
        hl_sched_get_stats(x.s, &t);
        assert_true(t.itl_p50_ms >= 0 && t.itl_p99_ms >= t.itl_p50_ms && t.itl_p99_ms < 1e12);
        job late;
        make_job(&late, 3, 300, 0, 400);
        late.r.timeout_ms = 3600 * 1000;
        late.r.n_ctx = 512;
        late.r.on_token = sleep_a_day;
        submit(&x, &late);
        wait_for(&late);
        assert_int_equal(late.usage.end, HL_END_TIMEOUT);
        check_no_block_is_lost(&x);
        close_all(&x);
        wall_step_s = monotonic_step_s = 0;
    }
    job j; /* for ever, not a moment ago */
    make_job(&j, 3, 30, 0, 5);
    j.r.timeout_ms = INT64_MAX;
    setup x = open_all(LLAMA, (hl_sched_params){.n_ctx = 512});
    assert_int_equal(hl_sched_run(x.s, &j.r, NULL, NULL), HL_OK);
    assert_int_equal(j.usage.end, HL_END_LENGTH);
    close_all(&x);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_do_not_depend_on_what_else_runs),
        cmocka_unit_test(a_prompt_seen_before_is_not_computed_again),
        cmocka_unit_test(prompts_that_come_together_compute_their_common_begin_once),
        cmocka_unit_test(an_answer_is_what_a_session_and_a_sampler_give),
        cmocka_unit_test(a_cache_that_is_too_small_for_all_serves_all),
        cmocka_unit_test(what_cannot_fit_is_refused_with_numbers),
        cmocka_unit_test(a_request_may_ask_for_more_context_without_a_new_scheduler),
        cmocka_unit_test(the_queue_has_an_end),
        cmocka_unit_test(cancelled_and_late_requests_end_in_every_phase),
        cmocka_unit_test(paused_requests_hold_up_nobody_and_lose_nothing),
        cmocka_unit_test(paused_requests_are_cancelled_time_out_and_end_with_the_scheduler),
        cmocka_unit_test(freeing_a_busy_scheduler_ends_all_requests),
        cmocka_unit_test(a_callback_may_end_its_answer),
        cmocka_unit_test(owners_get_equal_shares_and_priority_goes_first),
        cmocka_unit_test(a_pinned_text_stays_in_the_cache),
        cmocka_unit_test(sixty_four_threads_lose_no_block),
        cmocka_unit_test(thousands_queued_and_all_cancelled_at_once),
        cmocka_unit_test(random_schedules_change_no_token_and_lose_no_block),
        cmocka_unit_test(storms_of_cancellations_end_every_request_once),
        cmocka_unit_test(clock_steps_change_no_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
