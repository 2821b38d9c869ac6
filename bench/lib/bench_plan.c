/* SPDX-License-Identifier: MIT
 *
 * bench_plan.c - run measurements, take medians, compare with the machine's limits.
 *
 * Every time is the wall clock's around a call of the engine; what a run needs beforehand (the context it
 * stands behind) is not counted. Sizes go from cheap to dear, so that the rates of the first say what the
 * others will take.
 */
#include "bench/lib/bench_plan.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/lib/page_cache.h"
#include "core/base/clock.h"
#include "core/base/mem.h"
#include "core/base/stop.h"

enum { TTFT_TOKENS = 16, MAX_SIZE = 1 << 20 };

typedef struct bench {
    const hl_bench_watch *watch;
    const hl_bench_plan  *plan;
    hl_bench_report      *report;
    hl_model             *model;
    hl_session           *session;
    hl_session_params     params;
    int32_t              *tokens; /* [n_tokens] */
    int32_t               n_tokens;
    double                prefill_per_s, decode_per_s; /* the latest rates; 0: not known yet */
    uint64_t              n_done, n_all;
} bench;

static hl_bench_value *add(hl_bench_report *r, const char *metric, int64_t n, double value,
                           const char *unit) {
    static hl_bench_value none;
    if (r->n == HL_BENCH_MAX_RESULTS) return &none;
    r->rows[r->n] = (hl_bench_value){.metric = metric, .n = n, .value = value, .unit = unit};
    return &r->rows[r->n++];
}

static void tell(const hl_bench_watch *w, const char *fmt, ...) HL_PRINTF(2, 3);
static void tell(const hl_bench_watch *w, const char *fmt, ...) {
    char    text[256];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    w->note(w->user, text);
}

static int by_value(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Sorts them. */
static double median(double *values, int32_t n) {
    qsort(values, (size_t)n, sizeof *values, by_value);
    return n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

hl_status hl_bench_parse_sizes(const char *option, const char *text, int32_t least, hl_bench_sizes *ret,
                               hl_err *err) {
    hl_bench_sizes sizes = {.are_asked = true};
    const char    *at = text;
    for (;;) {
        char           *end = NULL;
        const long long n = *at >= '0' && *at <= '9' ? strtoll(at, &end, 10) : -1;
        if (n < least || n > MAX_SIZE || (*end != ',' && *end != '\0'))
            return hl_fail(err, HL_E_ARG,
                           "--%s has '%s', expected numbers from %d to %d, separated by commas", option, text,
                           (int)least, (int)MAX_SIZE);
        if (sizes.n == HL_BENCH_MAX_SIZES)
            return hl_fail(err, HL_E_ARG, "--%s has '%s', expected at most %d numbers", option, text,
                           (int)HL_BENCH_MAX_SIZES);
        sizes.v[sizes.n++] = (int32_t)n;
        if (*end == '\0') break;
        at = end + 1;
    }
    *ret = sizes;
    return HL_OK;
}

static hl_status go_to(bench *b, int32_t depth, hl_err *err) {
    hl_session_truncate(b->session, depth);
    const int32_t pos = hl_session_pos(b->session);
    if (pos >= depth) return HL_OK;
    const int64_t   start_ns = hl_clock_ns();
    const hl_status status = hl_session_eval(b->session, b->tokens + pos, (size_t)(depth - pos), err);
    if (depth - pos >= 64) b->prefill_per_s = (depth - pos) / ((double)(hl_clock_ns() - start_ns + 1) * 1e-9);
    return status;
}

typedef enum kind { PREFILL, DECODE, ROWS } kind;

/* Seconds of one run from `depth` on. */
static hl_status time_once(bench *b, kind k, int32_t n, int32_t depth, double *ret_s, hl_err *err) {
    hl_status status = go_to(b, depth, err);
    if (status != HL_OK) return status;
    const int32_t *at = b->tokens + depth;
    const int64_t  start_ns = hl_clock_ns();
    if (k == ROWS)
        status = hl_session_eval_rows(b->session, at, (size_t)n, (size_t)n, err);
    else if (k == PREFILL)
        status = hl_session_eval(b->session, at, (size_t)n, err);
    for (int32_t i = 0; k == DECODE && i < n && status == HL_OK; i++) {
        if (hl_stop_asked()) return hl_fail(err, HL_E_CANCEL, "stopped");
        status = hl_session_eval(b->session, at + i, 1, err);
    }
    *ret_s = (double)(hl_clock_ns() - start_ns + 1) * 1e-9;
    return hl_stop_asked() && status == HL_OK ? hl_fail(err, HL_E_CANCEL, "stopped") : status;
}

/* Seconds that reaching `depth` and one run will take, by the rates seen so far; 0: not known. */
static double estimate_s(const bench *b, kind k, int32_t n, int32_t depth, double *ret_run_s) {
    const int32_t ahead = depth - hl_session_pos(b->session);
    const double  fill_s = ahead > 0 && b->prefill_per_s > 0 ? ahead / b->prefill_per_s : 0;
    *ret_run_s = 0;
    if (k == PREFILL && b->prefill_per_s > 0) *ret_run_s = n / b->prefill_per_s;
    if (k == DECODE && b->decode_per_s > 0) *ret_run_s = n / b->decode_per_s;
    return fill_s + *ret_run_s;
}

/* How many runs fit the limit, the first to warm up; 0: not even one, and nobody asked for it. */
static int32_t plan_runs(const bench *b, kind k, int32_t n, int32_t depth, bool is_asked, bool *ret_warm_up) {
    double       run_s = 0;
    const double first_s = estimate_s(b, k, n, depth, &run_s), limit_s = b->plan->limit_s;
    *ret_warm_up = first_s + run_s * b->plan->n_runs <= limit_s;
    if (*ret_warm_up) return b->plan->n_runs;
    if (first_s > limit_s) return is_asked ? 1 : 0;
    const int32_t n_runs = 1 + (int32_t)((limit_s - first_s) / (run_s > 0 ? run_s : limit_s));
    return n_runs < b->plan->n_runs ? n_runs : b->plan->n_runs;
}

static hl_status measure(bench *b, const char *metric, kind k, int32_t n, int32_t depth, bool is_asked,
                         hl_err *err) {
    double        rate[HL_BENCH_MAX_RUNS];
    double        s = 0;
    bool          warm_up = false;
    hl_status     status = HL_OK;
    const int32_t size = k == DECODE ? depth : n;
    const int32_t n_runs = plan_runs(b, k, n, depth, is_asked, &warm_up);
    b->n_done += (uint64_t)(b->plan->n_runs - n_runs);
    if (n_runs == 0) {
        tell(b->watch, "%s %d is left out: it would take more than %.0f s (--limit)", metric, (int)size,
             b->plan->limit_s);
        return HL_OK;
    }
    if (k == DECODE) /* also after a long fill: the first tokens find other things in the caches */
        status = time_once(b, k, n > 4 ? 4 : n, depth, &s, err);
    else if (warm_up)
        status = time_once(b, k, n, depth, &s, err);
    for (int32_t i = 0; i < n_runs && status == HL_OK; i++) {
        status = time_once(b, k, n, depth, &s, err);
        rate[i] = n / s;
        b->watch->progress(b->watch->user, ++b->n_done, b->n_all);
    }
    if (status != HL_OK) return status;
    const double    middle = median(rate, n_runs);
    hl_bench_value *v = add(b->report, metric, size, middle, "tokens/s");
    if (k == PREFILL) b->prefill_per_s = middle;
    if (k != DECODE) return HL_OK;
    b->decode_per_s = middle;
    hl_memory_plan    m = {0};
    hl_session_params p = b->params;
    p.n_ctx = depth;
    if (depth > 0) status = hl_session_plan(b->model, &p, &m, err);
    v->kv_bytes = (double)m.kv_bytes;
    return status;
}

static int32_t most_of(const hl_bench_sizes *s, int32_t most) {
    for (size_t i = 0; i < s->n; i++)
        if (s->v[i] > most) most = s->v[i];
    return most;
}

static void fill_tokens(bench *b, int32_t n_vocab) {
    uint64_t state = 1;
    for (int32_t i = 0; i < b->n_tokens; i++) {
        state = state * 6364136223846793005u + 1442695040888963407u; /* Knuth's MMIX generator */
        b->tokens[i] = (int32_t)((state >> 33) % (uint64_t)n_vocab);
    }
}

static hl_status run_all(bench *b, hl_err *err) {
    const hl_bench_plan *p = b->plan;
    hl_status            status = HL_OK;
    for (size_t i = 0; i < p->prefill.n && status == HL_OK; i++)
        status = measure(b, "prefill", PREFILL, p->prefill.v[i], 0, p->prefill.are_asked, err);
    for (size_t i = 0; i < p->rows.n && status == HL_OK; i++)
        status = measure(b, "rows", ROWS, p->rows.v[i], 0, p->rows.are_asked, err);
    for (size_t i = 0; i < p->depths.n && status == HL_OK; i++)
        status = measure(b, "decode", DECODE, p->n_decode, p->depths.v[i], p->depths.are_asked, err);
    return status;
}

/* Shares of the limits: a decoding step reads all weights and the context's keys and values once, a prompt
 * multiplies the weights with every token, but those that make logits only with its last. */
static void add_shares(hl_bench_report *r, const hl_machine_limits *limits) {
    for (size_t i = 0; i < r->n; i++) {
        hl_bench_value *v = &r->rows[i];
        const double    bytes = v->value * ((double)r->info.weight_bytes_per_token + v->kv_bytes);
        const double    macs = v->value * (double)r->info.macs_per_token;
        if (strcmp(v->metric, "decode") == 0) v->share = bytes / limits->read_bytes_per_s;
        if (strcmp(v->metric, "prefill") == 0) {
            const double no_logits = v->value * (1.0 - 1.0 / (double)v->n) * (double)r->info.macs_of_logits;
            v->share = (macs - no_logits) / limits->int8_macs_per_s;
        }
        if (strcmp(v->metric, "rows") == 0) {
            const double memory = bytes / (double)v->n / limits->read_bytes_per_s;
            const double compute = macs / limits->int8_macs_per_s;
            v->share = memory > compute ? memory : compute;
        }
    }
    (void)add(r, "read", 0, limits->read_bytes_per_s / 1e9, "GB/s");
    (void)add(r, "int8", 0, limits->int8_macs_per_s / 1e9, "GMAC/s");
}

hl_status hl_bench_measure(const hl_bench_watch *w, hl_model *model, hl_session_params params,
                           const hl_bench_plan *plan, hl_bench_report *r, hl_err *err) {
    bench          b = {.watch = w, .plan = plan, .report = r, .model = model};
    hl_memory_plan memory = {0};
    hl_model_get_info(model, &r->info);
    b.n_all = (plan->prefill.n + plan->rows.n + plan->depths.n) * (uint64_t)plan->n_runs;
    b.n_tokens = most_of(&plan->prefill, most_of(&plan->rows, TTFT_TOKENS));
    if (plan->depths.n && most_of(&plan->depths, 0) + plan->n_decode > b.n_tokens)
        b.n_tokens = most_of(&plan->depths, 0) + plan->n_decode;
    if (params.n_ctx < b.n_tokens) params.n_ctx = b.n_tokens;
    params.n_rows_cap = most_of(&plan->rows, params.n_rows_cap);
    b.params = params;
    b.tokens = hl_new((size_t)b.n_tokens, sizeof *b.tokens);
    if (!b.tokens) return hl_fail(err, HL_E_NOMEM, "bench: no memory");
    fill_tokens(&b, r->info.n_vocab);
    hl_status status = hl_session_plan(model, &params, &memory, err);
    if (status == HL_OK) status = hl_session_new(model, &params, &b.session, err);
    if (status == HL_OK) {
        w->progress(w->user, 0, 0);
        status = run_all(&b, err);
    }
    if (status == HL_OK) (void)add(r, "kv", params.n_ctx, (double)memory.kv_bytes / (1 << 20), "MiB");
    hl_session_free(b.session);
    hl_free(b.tokens);
    return status;
}

hl_status hl_bench_add_limits(hl_engine *engine, hl_bench_report *r, hl_err *err) {
    hl_machine_limits limits = {0};
    const hl_status   status = hl_engine_measure(engine, &limits, err);
    if (status == HL_OK) add_shares(r, &limits);
    return status;
}

/* Milliseconds from opening the files to the logits of some tokens. */
static hl_status open_and_eval(hl_engine *engine, const char *const *paths, size_t n_paths,
                               const hl_session_params *params, double *ret_ms, hl_err *err) {
    static const int32_t tokens[TTFT_TOKENS];
    hl_model            *m = NULL;
    hl_session          *s = NULL;
    const int64_t        start_ns = hl_clock_ns();
    hl_status            status = hl_model_open(engine, paths, n_paths, NULL, &m, err);
    if (status == HL_OK) status = hl_session_new(m, params, &s, err);
    if (status == HL_OK) status = hl_session_eval(s, tokens, TTFT_TOKENS, err);
    *ret_ms = (double)(hl_clock_ns() - start_ns) * 1e-6;
    hl_session_free(s);
    hl_model_close(m);
    return status;
}

hl_status hl_bench_measure_ttft(const hl_bench_watch *w, hl_engine *engine, const char *const *paths,
                                size_t n_paths, hl_session_params params, int32_t n_runs, hl_bench_report *r,
                                hl_err *err) {
    double       ms[HL_BENCH_MAX_RUNS];
    const double left = hl_page_cache_drop(paths, n_paths);
    hl_status    status =
        open_and_eval(engine, paths, n_paths, &params, ms, err); /* reads the files in any case */
    if (status == HL_OK && left < 0.01)
        (void)add(r, "ttft_cold", TTFT_TOKENS, ms[0], "ms");
    else if (status == HL_OK)
        tell(w, "ttft_cold is left out: %.0f %% of the file stayed in the page cache", left * 100);
    for (int32_t i = 0; i < n_runs && status == HL_OK; i++)
        status = open_and_eval(engine, paths, n_paths, &params, &ms[i], err);
    if (status == HL_OK) (void)add(r, "ttft_warm", TTFT_TOKENS, median(ms, n_runs), "ms");
    return status;
}

uint64_t hl_bench_peak_bytes(void) {
    char     line[256];
    uint64_t kib = 0;
    FILE    *f = fopen("/proc/self/status", "re");
    if (!f) return 0;
    while (fgets(line, sizeof line, f))
        if (strncmp(line, "VmHWM:", 6) == 0) kib = strtoull(line + 6, NULL, 10);
    (void)fclose(f);
    return kib * 1024;
}

void hl_bench_add_memory(hl_bench_report *r, uint64_t base_bytes) {
    const uint64_t peak = hl_bench_peak_bytes();
    if (peak > base_bytes) (void)add(r, "peak", 0, (double)(peak - base_bytes) / (1 << 20), "MiB");
    (void)add(r, "file", 0, (double)r->info.file_bytes / (1 << 20), "MiB");
}
