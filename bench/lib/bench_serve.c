/* SPDX-License-Identifier: MIT
 *
 * bench_serve.c - clients are requests whose tokens are stamped with the time; figures come from the stamps.
 */
#include "bench/lib/bench_serve.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/base/clock.h"
#include "core/base/mem.h"
#include "core/base/stop.h"

enum { SPOIL_EVERY = 10 /* of a prediction: nine tokens of ten are right */ };

typedef struct client {
    hl_sched_request r;
    int32_t         *prompt;
    int64_t         *stamps; /* [n_cap] ns of each token */
    int32_t         *answer; /* [n_cap] */
    int32_t          n, n_cap;
    int64_t          sent_ns;
    uint64_t         id;
} client;

typedef struct bench {
    hl_model             *model;
    const hl_bench_serve *b;
    hl_model_info         info;
    hl_sched             *sched;
    hl_bench_report      *report;
} bench;

bool hl_bench_serve_wanted(const hl_bench_serve *b) {
    return b->n_clients > 0 || b->n_requests > 0 || b->n_shared_prefix > 0 || b->speculate;
}

static void add(const bench *x, const char *metric, int64_t n, double value, const char *unit) {
    if (x->report->n == HL_BENCH_MAX_RESULTS) return;
    x->report->rows[x->report->n++] =
        (hl_bench_value){.metric = metric, .n = n, .value = value, .unit = unit};
}

/* ---- clients ---- */

static uint32_t next_random(uint32_t *state) {
    *state = *state * 1664525 + 1013904223;
    return *state >> 8;
}

static hl_end stamp(void *user, const hl_sched_token *t) {
    client *c = user;
    if (c->n < c->n_cap) {
        c->stamps[c->n] = hl_clock_ns();
        c->answer[c->n++] = t->token;
    }
    return HL_END_NONE;
}

static void free_client(client *c) {
    hl_free(c->prompt);
    hl_free(c->stamps);
    hl_free(c->answer);
}

/* A prompt of n tokens of which the first n_shared are the same for every seed. */
static hl_status make_client(const bench *x, client *c, uint32_t seed, int32_t n, int32_t n_shared,
                             int32_t n_answer, hl_err *err) {
    uint32_t shared = 99, own = seed * 2654435761u;
    *c = (client){.n_cap = n_answer};
    c->prompt = hl_new((size_t)n, sizeof *c->prompt);
    c->stamps = hl_new((size_t)n_answer, sizeof *c->stamps);
    c->answer = hl_new((size_t)n_answer, sizeof *c->answer);
    if (!c->prompt || !c->stamps || !c->answer) {
        free_client(c);
        *c = (client){0};
        return hl_fail(err, HL_E_NOMEM, "bench: no memory");
    }
    for (int32_t i = 0; i < n; i++)
        c->prompt[i] = (int32_t)(next_random(i < n_shared ? &shared : &own) % (uint32_t)x->info.n_vocab);
    hl_sched_request_init(&c->r);
    c->r.tokens = c->prompt;
    c->r.n_tokens = (size_t)n;
    c->r.sampling.temperature = 0;
    c->r.max_tokens = n_answer;
    c->r.ignore_eog = true;
    c->r.speculate = HL_SPECULATE_OFF;
    c->r.owner = seed;
    c->r.on_token = stamp;
    c->r.user = c;
    return HL_OK;
}

static hl_status run_one(const bench *x, client *c, hl_usage *ret_usage, hl_err *err) {
    c->n = 0;
    c->r.user = c;
    return hl_sched_run(x->sched, &c->r, ret_usage, err);
}

static hl_status check_stop(hl_err *err) {
    return hl_stop_asked() ? hl_fail(err, HL_E_CANCEL, "stopped") : HL_OK;
}

/* How often the state of others is looked at: rarely, since looking takes time from those who compute. */
enum { POLL_NS = 20000000 };

/* Until so many requests ended since `before`. */
static hl_status wait_for(const bench *x, uint64_t before, uint64_t n, hl_err *err) {
    hl_sched_stats t;
    do {
        (void)nanosleep(&(struct timespec){.tv_nsec = POLL_NS}, NULL);
        hl_sched_get_stats(x->sched, &t);
        if (hl_stop_asked()) hl_sched_cancel_all(x->sched);
    } while (t.n_done + t.n_cancelled + t.n_failed < before + n);
    return check_stop(err);
}

static uint64_t n_ended(const bench *x) {
    hl_sched_stats t;
    hl_sched_get_stats(x->sched, &t);
    return t.n_done + t.n_cancelled + t.n_failed;
}

/* ---- figures ---- */

static int by_value(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static void add_quantiles(const bench *x, double *ms, size_t n, int64_t size, const char *p50,
                          const char *p99, const char *max) {
    if (n == 0) return;
    qsort(ms, n, sizeof *ms, by_value);
    add(x, p50, size, ms[n / 2], "ms");
    if (p99) add(x, p99, size, ms[n * 99 / 100], "ms");
    if (max) add(x, max, size, ms[n - 1], "ms");
}

/* Gaps between tokens that fall between two times (0: any). */
static size_t gather_itl(const client *c, size_t n_clients, int64_t from_ns, int64_t to_ns, double *ret) {
    size_t n = 0;
    for (size_t i = 0; i < n_clients; i++)
        for (int32_t k = 1; k < c[i].n; k++)
            if (c[i].stamps[k] >= from_ns && (to_ns == 0 || c[i].stamps[k - 1] <= to_ns))
                ret[n++] = (double)(c[i].stamps[k] - c[i].stamps[k - 1]) / 1e6;
    return n;
}

static hl_status add_itl(const bench *x, const client *c, size_t n, int64_t size, int64_t from_ns,
                         int64_t to_ns, const char *p50, const char *p99, const char *max, hl_err *err) {
    size_t n_itl = 0;
    for (size_t i = 0; i < n; i++) n_itl += (size_t)c[i].n;
    double *itl = hl_new(n_itl, sizeof *itl);
    if (!itl) return hl_fail(err, HL_E_NOMEM, "bench: no memory");
    n_itl = gather_itl(c, n, from_ns, to_ns, itl);
    add_quantiles(x, itl, n_itl, size, p50, p99, max);
    hl_free(itl);
    return HL_OK;
}

/* Tokens per second while all were generating: from the last first token to the first last one. */
static double common_rate(const client *c, size_t n) {
    int64_t from = 0, to = INT64_MAX;
    size_t  tokens = 0;
    for (size_t i = 0; i < n; i++) {
        if (c[i].n < 2) return 0;
        if (c[i].stamps[0] > from) from = c[i].stamps[0];
        if (c[i].stamps[c[i].n - 1] < to) to = c[i].stamps[c[i].n - 1];
    }
    for (size_t i = 0; i < n; i++)
        for (int32_t k = 0; k < c[i].n; k++) tokens += c[i].stamps[k] > from && c[i].stamps[k] <= to;
    return to > from ? (double)tokens * 1e9 / (double)(to - from) : 0;
}

/* ---- measurements ---- */

static hl_status measure_clients(const bench *x, client *c, hl_err *err) {
    const hl_bench_serve *b = x->b;
    const size_t          n = (size_t)b->n_clients;
    const uint64_t        before = n_ended(x);
    hl_sched_stats        t0, t1;
    hl_status             status = HL_OK;
    hl_sched_get_stats(x->sched, &t0);
    for (size_t i = 0; i < n && status == HL_OK; i++) {
        status = make_client(x, &c[i], (uint32_t)i + 1, b->n_prompt, 0, b->n_decode, err);
        if (status == HL_OK) status = hl_sched_submit(x->sched, &c[i].r, &c[i].id, err);
    }
    if (status == HL_OK) status = wait_for(x, before, n, err);
    if (status != HL_OK) return status;
    hl_sched_get_stats(x->sched, &t1);
    add(x, "clients", b->n_clients, common_rate(c, n), "tokens/s");
    const double all_ns =
        (double)(t1.own_ns - t0.own_ns + t1.forward_ns - t0.forward_ns + t1.sample_ns - t0.sample_ns);
    if (all_ns > 0) add(x, "own", b->n_clients, 100 * (double)(t1.own_ns - t0.own_ns) / all_ns, "%");
    if (all_ns > 0) add(x, "sample", b->n_clients, 100 * (double)(t1.sample_ns - t0.sample_ns) / all_ns, "%");
    int64_t begin = 0; /* when the last prompt was read */
    for (size_t i = 0; i < n; i++)
        if (c[i].n > 0 && c[i].stamps[0] > begin) begin = c[i].stamps[0];
    return add_itl(x, c, n, b->n_clients, begin, 0, "itl_p50", "itl_p99", "itl_max", err);
}

/* A long prompt comes when all clients generate. */
static hl_status measure_interference(const bench *x, client *c, hl_err *err) {
    const hl_bench_serve *b = x->b;
    const size_t          n = (size_t)b->n_clients;
    const uint64_t        before = n_ended(x);
    client                long_prompt = {0};
    hl_usage              usage = {0};
    hl_status             status = make_client(x, &long_prompt, 777, b->n_interfering, 0, 4, err);
    for (size_t i = 0; i < n && status == HL_OK; i++) {
        c[i].n = 0;
        status = hl_sched_submit(x->sched, &c[i].r, &c[i].id, err);
    }
    for (bool all = false; !all && status == HL_OK; status = check_stop(err)) {
        hl_sched_stats t;
        (void)nanosleep(&(struct timespec){.tv_nsec = POLL_NS}, NULL);
        hl_sched_get_stats(x->sched, &t);
        all = n_ended(x) > before || (t.n_running == b->n_clients && c[n - 1].n > 2);
    }
    const int64_t from = hl_clock_ns();
    if (status == HL_OK) status = run_one(x, &long_prompt, &usage, err);
    const int64_t to = long_prompt.n > 0 ? long_prompt.stamps[0] : 0;
    for (size_t i = 0; i < n; i++) hl_sched_cancel(x->sched, c[i].id);
    if (status == HL_OK) status = wait_for(x, before, n + 1, err);
    if (status == HL_OK) {
        add(x, "interference", b->n_interfering, (double)usage.first_token_ns / 1e6, "ms");
        status = add_itl(x, c, n, b->n_interfering, from, to, "interference_itl_p50", "interference_itl_p99",
                         "interference_itl_max", err);
    }
    free_client(&long_prompt);
    return status;
}

/* Requests at random times, prompts of 16..512 and answers of 16..128 tokens. */
static hl_status measure_requests(const bench *x, hl_err *err) {
    const hl_bench_serve *b = x->b;
    const size_t          n = (size_t)b->n_requests;
    const uint64_t        before = n_ended(x);
    uint32_t              random = 4711;
    hl_status             status = HL_OK;
    client               *c = hl_new(n, sizeof *c);
    double               *first = hl_new(n, sizeof *first);
    if (!c || !first) status = hl_fail(err, HL_E_NOMEM, "bench: no memory");
    const int64_t began = hl_clock_ns();
    for (size_t i = 0; i < n && status == HL_OK; i++) {
        const int32_t n_prompt = 16 << next_random(&random) % 6;
        const int32_t n_answer = 16 << next_random(&random) % 4;
        status = make_client(x, &c[i], (uint32_t)i + 100, n_prompt, 0, n_answer, err);
        if (status != HL_OK) break;
        const double wait_s = -log((next_random(&random) % 65536 + 1) / 65537.0) / b->per_s;
        if (i > 0) (void)nanosleep(&(struct timespec){(time_t)wait_s, (long)(fmod(wait_s, 1) * 1e9)}, NULL);
        c[i].sent_ns = hl_clock_ns();
        status = hl_sched_submit(x->sched, &c[i].r, &c[i].id, err);
    }
    if (status == HL_OK) status = wait_for(x, before, n, err);
    const double s = (double)(hl_clock_ns() - began) / 1e9;
    int64_t      tokens = 0;
    for (size_t i = 0; i < n && status == HL_OK; i++) {
        tokens += c[i].n;
        first[i] = (double)(c[i].stamps[0] - c[i].sent_ns) / 1e6;
    }
    if (status == HL_OK) {
        add(x, "requests", b->n_requests, (double)tokens / s, "tokens/s");
        status = add_itl(x, c, n, b->n_requests, 0, 0, "requests_itl_p50", "requests_itl_p99",
                         "requests_itl_max", err);
        add_quantiles(x, first, n, b->n_requests, "requests_first_p50", NULL, "requests_first_max");
    }
    for (size_t i = 0; c && i < n; i++) free_client(&c[i]);
    hl_free(c);
    hl_free(first);
    return status;
}

/* The first token of a prompt whose begin was seen before, of its new part alone, and of a new prompt. */
static hl_status measure_prefix(const bench *x, hl_err *err) {
    enum { N_NEW = 32, N_RUNS = 5 };
    const int32_t n = x->b->n_shared_prefix;
    double        seen[N_RUNS], alone[N_RUNS],
        around[N_RUNS]; /* around: all but evaluating the new part at its place */
    client    c = {0};
    hl_usage  u = {0};
    hl_status status = make_client(x, &c, 1, n + N_NEW, n, 1, err);
    if (status == HL_OK) status = run_one(x, &c, &u, err);
    if (status == HL_OK) add(x, "prefix_new", n, (double)u.first_token_ns / 1e6, "ms");
    free_client(&c);
    for (uint32_t i = 0; i < N_RUNS && status == HL_OK; i++) {
        status = make_client(x, &c, 10 + i, n + N_NEW, n, 1, err);
        if (status == HL_OK) status = run_one(x, &c, &u, err);
        seen[i] = (double)u.first_token_ns / 1e6;
        around[i] = (double)(u.first_token_ns - u.prompt_ns) / 1e6;
        free_client(&c);
        if (status == HL_OK) status = make_client(x, &c, 20 + i, N_NEW, 0, 1, err);
        if (status == HL_OK) status = run_one(x, &c, &u, err);
        alone[i] = (double)u.first_token_ns / 1e6;
        free_client(&c);
        if (status == HL_OK) status = check_stop(err);
    }
    if (status != HL_OK) return status;
    add_quantiles(x, seen, N_RUNS, n, "prefix_seen", NULL, NULL);
    add_quantiles(x, around, N_RUNS, n, "prefix_around", NULL, NULL);
    add_quantiles(x, alone, N_RUNS, N_NEW, "prefix_alone", NULL, NULL);
    return HL_OK;
}

static double rate_of(const client *c) {
    return c->n > 1 ? (c->n - 1) * 1e9 / (double)(c->stamps[c->n - 1] - c->stamps[0]) : 0;
}

/* How much of an answer a prediction knows. */
typedef enum script { SCRIPT_OFF, SCRIPT_TEXT, SCRIPT_NINE_OF_TEN, SCRIPT_ALL, N_SCRIPTS } script;

static void predict(const bench *x, client *c, script how, int32_t *prediction) {
    const int32_t n = c->n_cap;
    c->r.speculate = how == SCRIPT_OFF ? HL_SPECULATE_OFF : HL_SPECULATE_AUTO;
    c->r.prediction = how < SCRIPT_NINE_OF_TEN ? NULL : prediction;
    c->r.n_prediction = how < SCRIPT_NINE_OF_TEN ? 0 : (size_t)n;
    if (how == SCRIPT_OFF) return;
    memcpy(prediction, c->answer, (size_t)n * sizeof *prediction);
    for (int32_t k = 0; how == SCRIPT_NINE_OF_TEN && k < n; k++) /* wrong ones at no regular distance */
        if ((uint32_t)(k + 1) * 2654435761u >> 16 < 65536 / SPOIL_EVERY)
            prediction[k] = (prediction[k] + 1) % x->info.n_vocab;
}

static void add_drafts(const bench *x, int32_t n, const hl_usage *sum) {
    if (sum->drafted_tokens > 0)
        add(x, "drafts_accepted", n, 100.0 * sum->accepted_tokens / sum->drafted_tokens, "%");
    add(x, "branches", n, sum->drafted_branches, "tried");
    if (sum->drafted_branches > 0)
        add(x, "branches_accepted", n, 100.0 * sum->accepted_branches / sum->drafted_branches, "%");
}

/* The same answer without drafts, with drafts from the text, and with a prediction that is right in nine
 * tokens of ten or in all (a passage that is quoted). */
static hl_status measure_speculation(const bench *x, hl_err *err) {
    static const char *const names[N_SCRIPTS] = {"spec_off", "spec_auto", "spec_predicted", "spec_quoted"};
    enum { MAX_RUNS = 9 };
    const int32_t n = x->b->n_decode > 1 ? x->b->n_decode : 64;
    const int32_t n_runs = x->b->n_runs < 1 ? 1 : x->b->n_runs > MAX_RUNS ? MAX_RUNS : x->b->n_runs;
    double        rates[N_SCRIPTS][MAX_RUNS];
    client        c = {0};
    hl_usage      sum = {0};
    hl_status     status = make_client(x, &c, 5, x->b->n_prompt, 0, n, err);
    int32_t      *prediction = hl_new((size_t)n, sizeof *prediction);
    if (status == HL_OK && !prediction) status = hl_fail(err, HL_E_NOMEM, "bench: no memory");
    for (int i = 0; i < n_runs; i++) {
        for (script how = 0; how < N_SCRIPTS && status == HL_OK; how++) {
            hl_usage u = {0};
            predict(x, &c, how, prediction);
            status = run_one(x, &c, &u, err);
            if (status == HL_OK) status = check_stop(err);
            rates[how][i] = rate_of(&c);
            sum.drafted_tokens += u.drafted_tokens;
            sum.accepted_tokens += u.accepted_tokens;
            sum.drafted_branches += u.drafted_branches;
            sum.accepted_branches += u.accepted_branches;
        }
    }
    for (script how = 0; how < N_SCRIPTS && status == HL_OK; how++) {
        add_quantiles(x, rates[how], (size_t)n_runs, n, names[how], NULL, NULL);
        x->report->rows[x->report->n - 1].unit = "tokens/s";
    }
    if (status == HL_OK) add_drafts(x, n, &sum);
    hl_free(prediction);
    free_client(&c);
    return status;
}

/* A prompt that was read by another run of the program, back from files. */
static hl_status measure_disk(bench *x, hl_sched_params p, hl_err *err) {
    const int32_t n = x->b->n_shared_prefix;
    client        c = {0};
    hl_usage      u = {0};
    p.cache_dir = x->b->cache_dir;
    p.cache_key = "bench";
    hl_status status = make_client(x, &c, 1, n + 1, n + 1, 1, err);
    for (int i = 0; i < 2 && status == HL_OK; i++) { /* the second one finds the first one's files */
        status = hl_sched_new(x->model, &p, &x->sched, err);
        if (status == HL_OK) status = run_one(x, &c, &u, err);
        hl_sched_free(x->sched);
        x->sched = NULL;
    }
    if (status == HL_OK) add(x, "prefix_disk", u.cached_tokens, (double)u.first_token_ns / 1e6, "ms");
    free_client(&c);
    return status;
}

/* Room for a whole context of each request that runs. */
static hl_status plan_budget(const hl_model *model, hl_sched_params *p, hl_err *err) {
    hl_memory_plan          plan;
    const hl_session_params one = {.n_ctx = p->n_ctx, .kv_type = p->kv_type};
    const hl_status         status = hl_session_plan(model, &one, &plan, err);
    if (status == HL_OK) p->kv_budget_bytes = plan.kv_bytes * (uint64_t)p->n_running_cap;
    return status;
}

static int32_t max_i32(int32_t a, int32_t b) { return a > b ? a : b; }

hl_status hl_bench_measure_serve(hl_model *model, const hl_bench_serve *b, hl_bench_report *r, hl_err *err) {
    bench        x = {.model = model, .b = b, .report = r};
    const size_t n = (size_t)(b->n_clients > 0 ? b->n_clients : 1);
    hl_model_get_info(model, &x.info);
    r->info = x.info;
    int32_t n_ctx =
        max_i32(b->n_prompt + b->n_decode, max_i32(b->n_interfering, b->n_shared_prefix) + 64) + 1;
    n_ctx = max_i32(max_i32(n_ctx, b->n_ctx), b->n_requests > 0 ? 1024 : 0);
    hl_sched_params p = {
        .n_ctx = n_ctx, .n_running_cap = max_i32(b->n_clients + 1, 16), .kv_type = b->kv_type};
    client   *c = hl_new(n, sizeof *c);
    hl_status status = c ? plan_budget(model, &p, err) : hl_fail(err, HL_E_NOMEM, "bench: no memory");
    if (status == HL_OK) status = hl_sched_new(model, &p, &x.sched, err);
    if (status == HL_OK && b->n_clients > 0) status = measure_clients(&x, c, err);
    if (status == HL_OK && b->n_clients > 0 && b->n_interfering > 0)
        status = measure_interference(&x, c, err);
    if (status == HL_OK && b->n_requests > 0) status = measure_requests(&x, err);
    if (status == HL_OK && b->n_shared_prefix > 0) status = measure_prefix(&x, err);
    if (status == HL_OK && b->speculate) status = measure_speculation(&x, err);
    hl_sched_free(x.sched);
    x.sched = NULL;
    if (status == HL_OK && b->n_shared_prefix > 0 && b->cache_dir) status = measure_disk(&x, p, err);
    for (size_t i = 0; c && i < n; i++) free_client(&c[i]);
    hl_free(c);
    return status;
}
