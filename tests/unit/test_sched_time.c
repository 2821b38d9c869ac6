/* SPDX-License-Identifier: MIT
 *
 * test_sched_time.c - what the scheduler does by the clock, with a clock that is the test's: deadlines, how
 * much of a prompt goes into a step, drafts where they pay; and a cancellation that stops a pass, measured in
 * work.
 */
#include "tests/need.h"

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>

#include "engine/model_priv.h"
#include "engine/sched/sched_priv.h"
#include "hyperlama/hyperlama.h"

/* The monotonic clock: 0 is that of the system; else it stands still but for what each reading and each row
 * adds. */
static _Atomic int64_t clock_ns, reading_ns, row_ns;

int clock_gettime(clockid_t id, struct timespec *ret) {
    const int rc = (int)syscall(SYS_clock_gettime, id, ret);
    if (id != CLOCK_MONOTONIC || clock_ns == 0) return rc;
    const int64_t now = atomic_fetch_add(&clock_ns, reading_ns);
    *ret = (struct timespec){.tv_sec = now / 1000000000, .tv_nsec = now % 1000000000};
    return 0;
}

static void set_clock(int64_t each_reading_ns, int64_t each_row_ns) {
    clock_ns = 1000000000;
    reading_ns = each_reading_ns;
    row_ns = each_row_ns;
}

static int use_real_clock(void **state) {
    (void)state;
    clock_ns = 0;
    return 0;
}

enum { N_VOCAB = 128, MAX_PROMPT = 900, MAX_ANSWER = 700, MS = 1000000 };

static const char *const LLAMA = "tests/golden/archs/llama-q4_k.gguf";
static const char *const GEMMA = "tests/golden/archs/gemma3-swa.gguf"; /* seven layers */

typedef struct setup {
    hl_engine *e;
    hl_model  *m;
    hl_sched  *s;
} setup;

/* One norm of a row: what the pass does for each row of each layer, counted, and the call at which something
 * happens. */
static hl_rmsnorm_fn *rmsnorm;
static atomic_int     n_norms;
static int            cancel_at;
static setup         *cancel_in;
static uint64_t       cancel_id;

static void count_norm(size_t n, const float *x, const float *weight, float eps, float *ret_y) {
    if (atomic_fetch_add(&n_norms, 1) + 1 == cancel_at) hl_sched_cancel(cancel_in->s, cancel_id);
    if (clock_ns) atomic_fetch_add(&clock_ns, row_ns);
    rmsnorm(n, x, weight, eps, ret_y);
}

/* One thread: nobody else reads the clock during a step. */
static setup open_all(const char *path, hl_sched_params p) {
    setup  x = {0};
    hl_err err = {0};
    assert_int_equal(hl_engine_new(&(hl_engine_params){.n_threads = 1, .cpu = test_cpu()}, &x.e, &err),
                     HL_OK);
    rmsnorm = x.e->kernels.rmsnorm;
    x.e->kernels.rmsnorm = count_norm;
    if (hl_model_open(x.e, &path, 1, NULL, &x.m, &err) != HL_OK) fail_msg("%s", err.text);
    if (hl_sched_new(x.m, &p, &x.s, &err) != HL_OK) fail_msg("%s", err.text);
    return x;
}

static void close_all(setup *x) {
    hl_sched_free(x->s);
    hl_model_close(x->m);
    hl_engine_free(x->e);
}

/* A request; `on_nth` is called with each token of it, on the scheduler's thread, between two steps. */
typedef struct job {
    int32_t          prompt[MAX_PROMPT], answer[MAX_ANSWER];
    int32_t          n_answer;
    hl_sched_request r;
    uint64_t         id;
    hl_usage         usage;
    hl_status        status;
    atomic_int       n_done;
    setup           *x;
    void (*on_nth)(struct job *j, int32_t n);
    struct job *other;
} job;

static hl_end keep_token(void *user, const hl_sched_token *t) {
    job *j = user;
    assert_true(j->n_answer < MAX_ANSWER);
    j->answer[j->n_answer++] = t->token;
    if (j->on_nth) j->on_nth(j, j->n_answer);
    return HL_END_NONE;
}

static void keep_end(void *user, uint64_t id, hl_status status, const hl_usage *usage, const hl_err *err) {
    job *j = user;
    (void)id, (void)err;
    j->usage = *usage;
    j->status = status;
    atomic_fetch_add(&j->n_done, 1);
}

static void make_job(job *j, uint32_t seed, int32_t n_prompt, int32_t max_tokens) {
    memset(j, 0, sizeof *j);
    hl_sched_request_init(&j->r);
    uint32_t random = seed * 2654435761u + 1;
    for (int32_t i = 0; i < n_prompt; i++) {
        random = random * 1664525 + 1013904223;
        j->prompt[i] = (int32_t)(random >> 20) % N_VOCAB;
    }
    j->r.tokens = j->prompt;
    j->r.n_tokens = (size_t)n_prompt;
    j->r.max_tokens = max_tokens;
    j->r.ignore_eog = true;
    j->r.speculate = HL_SPECULATE_OFF;
    j->r.sampling.temperature = 0;
    j->r.on_token = keep_token;
    j->r.on_done = keep_end;
    j->r.user = j;
}

static void submit(setup *x, job *j) {
    hl_err err = {0};
    j->x = x;
    if (hl_sched_submit(x->s, &j->r, &j->id, &err) != HL_OK) fail_msg("%s", err.text);
}

static void wait_for(job *j) {
    while (atomic_load(&j->n_done) == 0) (void)usleep(200);
    assert_int_equal(j->status, HL_OK);
    assert_int_equal(atomic_load(&j->n_done), 1);
}

static void check_begin(const job *j, uint32_t seed, int32_t n_prompt) {
    static job whole;
    setup      x = open_all(LLAMA, (hl_sched_params){.n_ctx = 1024});
    make_job(&whole, seed, n_prompt, j->n_answer);
    submit(&x, &whole);
    wait_for(&whole);
    close_all(&x);
    assert_int_equal(whole.n_answer, j->n_answer);
    assert_memory_equal(whole.answer, j->answer, (size_t)j->n_answer * sizeof *j->answer);
}

/* When the last step has been counted, which is after its requests have ended. */
static void get_last_stats(setup *x, hl_sched_stats *ret) {
    do {
        (void)usleep(200);
        hl_sched_get_stats(x->s, ret);
    } while (ret->n_steps == 0 || ret->n_running > 0);
}

/* ---- times between tokens ---- */

static void take_ten_milliseconds_and_once_eighty(job *j, int32_t n) {
    (void)j;
    atomic_fetch_add(&clock_ns, n == 30 ? 80 * MS : 10 * MS);
}

/* Within what a bucket of the histogram tells: an eighth of a doubling. */
static void expect_about(double ms, double want) {
    if (!(ms > want * 0.91 && ms < want * 1.1)) fail_msg("%g ms, expected about %g", ms, want);
}

static void times_between_tokens_are_told_as_they_were(void **state) {
    (void)state;
    static job     j;
    hl_sched_stats t;
    setup          x = open_all(LLAMA, (hl_sched_params){.n_ctx = 1024});
    set_clock(0, 0);
    make_job(&j, 1, 50, 41); /* 40 times, the last 10 ms are of no token */
    j.on_nth = take_ten_milliseconds_and_once_eighty;
    submit(&x, &j);
    wait_for(&j);
    get_last_stats(&x, &t);
    expect_about(t.itl_p50_ms, 10);
    expect_about(t.itl_p99_ms, 80);
    assert_int_equal(j.usage.first_token_ns, 0); /* the clock stood still */
    assert_int_equal(j.usage.total_ns, (40 * 10 + 80) * (int64_t)MS);
    close_all(&x);
}

static void the_histogram_holds_any_time(void **state) {
    (void)state;
    for (double ns = 1; ns < 9e18; ns *= 1.03) {
        uint64_t     itl[HL_ITL_BUCKETS + 2] = {0}; /* none is written behind */
        const double shown = ns < 16000 ? 0.0167 : ns > 6e13 ? 6.4e7 : ns / 1e6;
        hl_itl_add(itl, (int64_t)ns);
        assert_int_equal(itl[HL_ITL_BUCKETS], 0);
        assert_int_equal(itl[HL_ITL_BUCKETS + 1], 0);
        if (ns < 5.5e13 || ns > 6e13) expect_about(hl_itl_quantile_ms(itl, 0.5), shown);
    }
    uint64_t itl[HL_ITL_BUCKETS] = {0};
    assert_true(hl_itl_quantile_ms(itl, 0.5) == 0);
    for (int i = 1; i <= 100; i++) hl_itl_add(itl, i <= 90 ? 1 * MS : i <= 98 ? 20 * MS : 400 * MS);
    expect_about(hl_itl_quantile_ms(itl, 0.5), 1);
    expect_about(hl_itl_quantile_ms(itl, 0.9), 1);
    expect_about(hl_itl_quantile_ms(itl, 0.95), 20);
    expect_about(hl_itl_quantile_ms(itl, 0.98), 20);
    expect_about(hl_itl_quantile_ms(itl, 0.99), 400);
}

/* ---- deadlines ---- */

static void pass_a_second_with_two_tokens(job *j, int32_t n) {
    (void)j;
    if (n == 5) atomic_fetch_add(&clock_ns, 1000 * MS - 1);
    if (n == 7) atomic_fetch_add(&clock_ns, 1);
}

static void a_deadline_ends_an_answer_when_it_is_reached_and_not_before(void **state) {
    (void)state;
    static job j;
    setup      x = open_all(LLAMA, (hl_sched_params){.n_ctx = 1024});
    set_clock(0, 0);
    make_job(&j, 1, 50, 100);
    j.r.timeout_ms = 1000;
    j.on_nth = pass_a_second_with_two_tokens;
    submit(&x, &j);
    wait_for(&j);
    assert_int_equal(j.usage.end, HL_END_TIMEOUT);
    assert_int_equal(j.usage.answer_tokens, 7);
    assert_int_equal(j.usage.total_ns, 1000 * (int64_t)MS);
    make_job(&j, 1, 50, 100); /* a nanosecond more, and it is not late at all */
    j.r.timeout_ms = 1001;
    j.on_nth = pass_a_second_with_two_tokens;
    submit(&x, &j);
    wait_for(&j);
    assert_int_equal(j.usage.end, HL_END_LENGTH);
    assert_int_equal(j.usage.answer_tokens, 100);
    close_all(&x);
    check_begin(&j, 1, 50);
}

static void submit_and_pass_half_a_second(job *j, int32_t n) {
    if (n == 2) submit(j->x, j->other); /* from here, so that it is always there before the time passes */
    if (n == 3) atomic_fetch_add(&clock_ns, 500 * MS);
}

static void a_deadline_ends_a_request_that_waits_for_another(void **state) {
    (void)state;
    static job a, b;
    setup      x = open_all(LLAMA, (hl_sched_params){.n_ctx = 1024, .n_running_cap = 1});
    set_clock(0, 0);
    make_job(&a, 1, 50, 100);
    make_job(&b, 2, 50, 100);
    a.on_nth = submit_and_pass_half_a_second;
    a.other = &b;
    b.r.timeout_ms = 500;
    submit(&x, &a);
    wait_for(&a);
    wait_for(&b);
    assert_int_equal(a.usage.end, HL_END_LENGTH);
    assert_int_equal(b.usage.end, HL_END_TIMEOUT);
    assert_int_equal(b.usage.answer_tokens, 0);
    close_all(&x);
    check_begin(&a, 1, 50);
}

/* At the third token another request comes, at the sixth it is late: it has read a part of its prompt. */
static void submit_and_be_late(job *j, int32_t n) {
    if (n == 3) submit(j->x, j->other);
    if (n == 6) atomic_fetch_add(&clock_ns, 500 * MS);
}

static void a_deadline_ends_a_request_that_reads_its_prompt(void **state) {
    (void)state;
    static job     a, b;
    hl_sched_stats t;
    setup          x = open_all(LLAMA, (hl_sched_params){.n_ctx = 1024});
    set_clock(0, 0);
    make_job(&a, 1, 50, 100);
    make_job(&b, 2, 900, 100);
    a.on_nth = submit_and_be_late;
    a.other = &b;
    b.r.timeout_ms = 500;
    submit(&x, &a);
    wait_for(&a);
    wait_for(&b);
    assert_int_equal(a.usage.end, HL_END_LENGTH);
    assert_int_equal(b.usage.end, HL_END_TIMEOUT);
    assert_int_equal(b.usage.answer_tokens, 0);
    get_last_stats(&x, &t);
    assert_in_range(t.n_rows, 50 + 99 + 1, 50 + 99 + 899); /* it had begun, and did not go on */
    close_all(&x);
    check_begin(&a, 1, 50);
}

/* ---- how much of a prompt a step takes ---- */

static void submit_at_the_third(job *j, int32_t n) {
    if (n == 3) submit(j->x, j->other);
}

/* Rows of prompts per step at the end, when steps beside a generating request take 2 * each_reading_ns. */
static uint32_t budget_beside(int64_t each_reading_ns) {
    static job     a, b;
    hl_sched_stats t;
    setup          x = open_all(LLAMA, (hl_sched_params){.n_ctx = 1024, .n_batch = 64, .max_itl_ms = 100});
    set_clock(each_reading_ns, 0);
    make_job(&a, 1, 20, 600);
    make_job(&b, 2, 800, 1);
    a.on_nth = submit_at_the_third;
    a.other = &b;
    submit(&x, &a);
    wait_for(&a);
    wait_for(&b);
    assert_int_equal(b.usage.answer_tokens, 1);
    get_last_stats(&x, &t); /* the last step was one of a generating request */
    close_all(&x);
    return t.prefill_budget;
}

/* It begins at 16 rows, aims at 65 % of max_itl_ms, shrinks by a quarter at most and grows by half. */
static void the_budget_of_prompts_follows_the_clock(void **state) {
    (void)state;
    assert_int_equal(budget_beside(1000 * MS), 8);    /* far too slow: the least */
    assert_int_equal(budget_beside(65 * MS / 2), 16); /* just right */
    assert_int_equal(budget_beside(65 * MS), 8);      /* twice too slow */
    assert_int_equal(budget_beside(30 * MS), 64);     /* below the aim: up to the whole batch */
    assert_int_equal(budget_beside(1), 64);
}

static uint32_t budget_alone(int64_t each_reading_ns) {
    static job     j;
    hl_sched_stats t;
    setup          x = open_all(LLAMA, (hl_sched_params){.n_ctx = 1024, .n_batch = 512});
    set_clock(each_reading_ns, 0);
    make_job(&j, 1, 512, 0); /* only the prompt: one step */
    submit(&x, &j);
    wait_for(&j);
    get_last_stats(&x, &t);
    close_all(&x);
    return t.prefill_budget;
}

static void the_budget_of_a_prompt_alone_follows_the_clock(void **state) {
    (void)state;
    assert_int_equal(budget_alone(1), 512);
    assert_int_equal(budget_alone(1000 * MS), 512); /* two seconds are what it aims at */
    assert_int_equal(budget_alone(2000 * MS), 256);
    assert_int_equal(budget_alone(100000LL * MS), 128); /* a quarter at most, and the least */
}

/* ---- cancellation ---- */

/* Norms of a pass over a prompt of n tokens, or of as much of it as is done when it is cancelled at norm
 * `at`. */
static int norms_of_prompt(job *j, int32_t n, int at) {
    setup x = open_all(GEMMA, (hl_sched_params){.n_ctx = 1024, .n_batch = 1024});
    make_job(j, 1, n, at ? 5 : 0);
    atomic_store(&n_norms, 0);
    cancel_at = at;
    cancel_in = &x;
    cancel_id = 1; /* the first request of a scheduler */
    submit(&x, j);
    wait_for(j);
    cancel_at = 0;
    close_all(&x);
    return atomic_load(&n_norms);
}

static void cancelling_the_only_request_stops_the_pass(void **state) {
    (void)state;
    enum { N = 500, NORMS_OF_A_ROW = 7 /* in each layer but the first */ };
    static job j;
    const int  all = norms_of_prompt(&j, N, 0);
    assert_int_equal(j.usage.end, HL_END_LENGTH);
    assert_in_range(all, 6 * NORMS_OF_A_ROW * N, 7 * NORMS_OF_A_ROW * N);
    for (int part = 1; part < 7; part++) {
        const int at = all * part / 7;
        const int done = norms_of_prompt(&j, N, at);
        assert_int_equal(j.usage.end, HL_END_CANCEL);
        assert_int_equal(j.n_answer, 0);
        assert_in_range(done, at, at + NORMS_OF_A_ROW * N); /* no more than a layer */
    }
}

/* ---- drafts ---- */

/* 100 tokens, predicted but for every third one; returns what they took. */
static int64_t run_predicted(job *j, hl_speculate how, int64_t each_reading_ns, int64_t each_row_ns) {
    static int32_t first[100], prediction[100];
    setup          x = open_all(LLAMA, (hl_sched_params){.n_ctx = 1024});
    set_clock(each_reading_ns, each_row_ns);
    make_job(j, 1, 50, 100);
    j->r.speculate = how;
    if (how != HL_SPECULATE_OFF) {
        for (int i = 0; i < 100; i++) prediction[i] = i % 3 == 2 ? (first[i] + 1) % N_VOCAB : first[i];
        j->r.prediction = prediction;
        j->r.n_prediction = 100;
    }
    submit(&x, j);
    wait_for(j);
    close_all(&x);
    assert_int_equal(j->n_answer, 100);
    if (how == HL_SPECULATE_OFF)
        memcpy(first, j->answer, sizeof first);
    else
        assert_memory_equal(j->answer, first, sizeof first);
    return j->usage.answer_ns;
}

static void drafts_are_made_where_they_pay_and_few_elsewhere(void **state) {
    (void)state;
    static job    j;
    const int64_t off_free = run_predicted(&j, HL_SPECULATE_OFF, 10 * MS, 0);
    assert_int_equal(j.usage.drafted_tokens, 0);
    /* A pass takes the same for any number of rows: draft as much as there is. */
    const int64_t auto_free = run_predicted(&j, HL_SPECULATE_AUTO, 10 * MS, 0);
    const int32_t drafted = j.usage.drafted_tokens;
    assert_true(auto_free * 100 < off_free * 40);
    assert_true(j.usage.accepted_tokens > 60);
    /* Each row costs as much as a pass of its own: there is nothing to be had. */
    const int64_t off_dear = run_predicted(&j, HL_SPECULATE_OFF, 1, 10 * MS);
    const int64_t auto_dear = run_predicted(&j, HL_SPECULATE_AUTO, 1, 10 * MS);
    assert_true(auto_dear * 100 < off_dear * 140);
    assert_true(j.usage.drafted_tokens * 2 < drafted);
}

/* ---- times between tokens ---- */

/* Eight buckets for each doubling from 16 us on: a quantile is its bucket's middle, 4 % off at most. */
static void times_between_tokens_are_counted_by_size(void **state) {
    (void)state;
    uint64_t itl[HL_ITL_BUCKETS + 1] = {0};
    assert_true(hl_itl_quantile_ms(itl, 0.5) == 0);
    for (int i = 0; i < 90; i++) hl_itl_add(itl, 2 * MS);
    for (int i = 0; i < 10; i++) hl_itl_add(itl, 500 * (int64_t)MS);
    assert_true(fabs(hl_itl_quantile_ms(itl, 0.5) / 2 - 1) < 0.05);
    assert_true(fabs(hl_itl_quantile_ms(itl, 0.9) / 2 - 1) < 0.05);
    assert_true(fabs(hl_itl_quantile_ms(itl, 0.91) / 500 - 1) < 0.05);
    assert_true(fabs(hl_itl_quantile_ms(itl, 1) / 500 - 1) < 0.05);
    memset(itl, 0, sizeof itl);
    const int64_t odd[] = {0, -5, 1, 15999, 16000, 16001, 17500};
    for (size_t i = 0; i < sizeof odd / sizeof odd[0]; i++) hl_itl_add(itl, odd[i]);
    assert_int_equal(itl[0], 6);
    assert_int_equal(itl[1], 1);
    hl_itl_add(itl, INT64_MAX); /* 2^63 / 16000 is 49 doublings */
    assert_int_equal(itl[HL_ITL_BUCKETS], 0);
    uint64_t n = 0;
    for (int i = 0; i < HL_ITL_BUCKETS; i++) n += itl[i];
    assert_int_equal(n, 8);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_histogram_holds_any_time),
        cmocka_unit_test_teardown(times_between_tokens_are_told_as_they_were, use_real_clock),
        cmocka_unit_test_teardown(a_deadline_ends_an_answer_when_it_is_reached_and_not_before,
                                  use_real_clock),
        cmocka_unit_test_teardown(a_deadline_ends_a_request_that_waits_for_another, use_real_clock),
        cmocka_unit_test_teardown(a_deadline_ends_a_request_that_reads_its_prompt, use_real_clock),
        cmocka_unit_test_teardown(the_budget_of_prompts_follows_the_clock, use_real_clock),
        cmocka_unit_test_teardown(the_budget_of_a_prompt_alone_follows_the_clock, use_real_clock),
        cmocka_unit_test(cancelling_the_only_request_stops_the_pass),
        cmocka_unit_test_teardown(drafts_are_made_where_they_pay_and_few_elsewhere, use_real_clock),
        cmocka_unit_test(times_between_tokens_are_counted_by_size),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
