/* SPDX-License-Identifier: MIT
 *
 * bench_plan.c - run measurements, take medians, compare with the machine's limits.
 */
#include "cli/bench_plan.h"

#include <stdlib.h>
#include <string.h>

#include "cli/term/progress.h"
#include "core/base/clock.h"
#include "core/base/mem.h"

typedef struct bench {
    const hl_app *app;
    const hl_bench_plan *plan;
    hl_session *session;
    int32_t *tokens; /* [n_tokens] */
    int32_t n_tokens;
    hl_progress bar;
    uint64_t n_done, n_all;
} bench;

static void add(hl_bench_report *r, const char *metric, int64_t n, double value, const char *unit) {
    if (r->n < HL_BENCH_MAX_RESULTS)
        r->rows[r->n++] = (hl_bench_value){.metric = metric, .n = n, .value = value, .unit = unit};
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

static hl_status go_to(bench *b, int32_t depth, hl_err *err) {
    hl_session_truncate(b->session, depth);
    const int32_t pos = hl_session_pos(b->session);
    return pos < depth ? hl_session_eval(b->session, b->tokens + pos, (size_t)(depth - pos), err) : HL_OK;
}

typedef enum kind { PREFILL, DECODE, ROWS } kind;

/* Seconds of one run from `depth` on. */
static hl_status time_once(bench *b, kind k, int32_t n, int32_t depth, double *ret_s, hl_err *err) {
    hl_status status = go_to(b, depth, err);
    if (status != HL_OK) return status;
    const int32_t *at = b->tokens + depth;
    const int64_t start_ns = hl_clock_ns();
    if (k == ROWS)
        status = hl_session_eval_rows(b->session, at, (size_t)n, (size_t)n, err);
    else if (k == PREFILL)
        status = hl_session_eval(b->session, at, (size_t)n, err);
    for (int32_t i = 0; k == DECODE && i < n && status == HL_OK; i++) {
        if (hl_signal.stop) return hl_fail(err, HL_E_CANCEL, "stopped");
        status = hl_session_eval(b->session, at + i, 1, err);
    }
    *ret_s = (double)(hl_clock_ns() - start_ns + 1) * 1e-9;
    return hl_signal.stop && status == HL_OK ? hl_fail(err, HL_E_CANCEL, "stopped") : status;
}

static hl_status measure(bench *b, hl_bench_report *r, const char *metric, kind k, int32_t n, int32_t depth,
                         hl_err *err) {
    double rate[HL_BENCH_MAX_RUNS];
    double s = 0;
    hl_status status = time_once(b, k, k == DECODE && n > 4 ? 4 : n, depth, &s, err); /* warms caches */
    for (int32_t i = 0; i < b->plan->n_runs && status == HL_OK; i++) {
        status = time_once(b, k, n, depth, &s, err);
        rate[i] = n / s;
        hl_progress_show(&b->bar, ++b->n_done, b->n_all);
    }
    if (status == HL_OK) add(r, metric, k == DECODE ? depth : n, median(rate, b->plan->n_runs), "tokens/s");
    return status;
}

static int32_t need_tokens(const hl_bench_plan *p, uint64_t *ret_n) {
    int32_t most = 16;
    *ret_n = 0;
    for (const int32_t *n = p->prefill; *n > 0; n++, ++*ret_n)
        if (*n > most) most = *n;
    for (const int32_t *n = p->rows; *n > 0; n++, ++*ret_n)
        if (*n > most) most = *n;
    for (const int32_t *d = p->depths; *d >= 0; d++, ++*ret_n)
        if (*d + p->n_decode > most) most = *d + p->n_decode;
    *ret_n *= (uint64_t)p->n_runs;
    return most;
}

static void fill_tokens(bench *b, int32_t n_vocab) {
    uint64_t state = 1;
    for (int32_t i = 0; i < b->n_tokens; i++) {
        state = state * 6364136223846793005u + 1442695040888963407u; /* Knuth's MMIX generator */
        b->tokens[i] = (int32_t)((state >> 33) % (uint64_t)n_vocab);
    }
}

static hl_status run_all(bench *b, hl_bench_report *r, hl_err *err) {
    hl_status status = HL_OK;
    for (const int32_t *n = b->plan->prefill; *n > 0 && status == HL_OK; n++)
        status = measure(b, r, "prefill", PREFILL, *n, 0, err);
    for (const int32_t *n = b->plan->rows; *n > 0 && status == HL_OK; n++)
        status = measure(b, r, "rows", ROWS, *n, 0, err);
    for (const int32_t *d = b->plan->depths; *d >= 0 && status == HL_OK; d++)
        status = measure(b, r, "decode", DECODE, b->plan->n_decode, *d, err);
    return status;
}

/* Shares of the limits: a decoding step reads all weights once, a prompt multiplies them with every token. */
static void add_shares(hl_bench_report *r, const hl_machine_limits *limits) {
    for (size_t i = 0; i < r->n; i++) {
        hl_bench_value *v = &r->rows[i];
        const double bytes = v->value * (double)r->info.weight_bytes_per_token;
        const double macs = v->value * (double)r->info.macs_per_token;
        if (strcmp(v->metric, "decode") == 0) v->share = bytes / limits->read_bytes_per_s;
        if (strcmp(v->metric, "prefill") == 0) v->share = macs / limits->int8_macs_per_s;
        if (strcmp(v->metric, "rows") == 0) {
            const double memory = bytes / (double)v->n / limits->read_bytes_per_s;
            const double compute = macs / limits->int8_macs_per_s;
            v->share = memory > compute ? memory : compute;
        }
    }
    add(r, "read", 0, limits->read_bytes_per_s / 1e9, "GB/s");
    add(r, "int8", 0, limits->int8_macs_per_s / 1e9, "GMAC/s");
}

hl_status hl_bench_measure(const hl_app *app, hl_model *model, hl_session_params params,
                           const hl_bench_plan *plan, hl_bench_report *r, hl_err *err) {
    bench b = {.app = app, .plan = plan};
    hl_model_get_info(model, &r->info);
    b.n_tokens = need_tokens(plan, &b.n_all);
    if (params.n_ctx < b.n_tokens) params.n_ctx = b.n_tokens;
    for (const int32_t *n = plan->rows; *n > 0; n++)
        if (*n > params.n_rows_cap) params.n_rows_cap = *n;
    b.tokens = hl_new((size_t)b.n_tokens, sizeof *b.tokens);
    if (!b.tokens) return hl_fail(err, HL_E_NOMEM, "bench: no memory");
    fill_tokens(&b, r->info.n_vocab);
    hl_status status = hl_session_new(model, &params, &b.session, err);
    if (status == HL_OK) {
        hl_progress_begin(&b.bar, app, "measuring");
        status = run_all(&b, r, err);
        hl_progress_end(&b.bar);
    }
    hl_session_free(b.session);
    hl_free(b.tokens);
    return status;
}

hl_status hl_bench_add_limits(hl_engine *engine, hl_bench_report *r, hl_err *err) {
    hl_machine_limits limits = {0};
    const hl_status status = hl_engine_measure(engine, &limits, err);
    if (status == HL_OK) add_shares(r, &limits);
    return status;
}

hl_status hl_bench_measure_load(hl_engine *engine, const char *const *paths, size_t n_paths,
                                hl_session_params params, int32_t n_runs, hl_bench_report *r, hl_err *err) {
    double ms[HL_BENCH_MAX_RUNS];
    const int32_t tokens[16] = {0};
    for (int32_t i = 0; i < n_runs; i++) {
        hl_model *m = NULL;
        hl_session *s = NULL;
        const int64_t start_ns = hl_clock_ns();
        hl_status status = hl_model_open(engine, paths, n_paths, NULL, &m, err);
        if (status == HL_OK) status = hl_session_new(m, &params, &s, err);
        if (status == HL_OK) status = hl_session_eval(s, tokens, 16, err);
        ms[i] = (double)(hl_clock_ns() - start_ns) * 1e-6;
        hl_session_free(s);
        hl_model_close(m);
        if (status != HL_OK) return status;
    }
    add(r, "load", 16, median(ms, n_runs), "ms");
    return HL_OK;
}

uint64_t hl_bench_peak_bytes(void) {
    char line[256];
    uint64_t kib = 0;
    FILE *f = fopen("/proc/self/status", "re");
    if (!f) return 0;
    while (fgets(line, sizeof line, f))
        if (strncmp(line, "VmHWM:", 6) == 0) kib = strtoull(line + 6, NULL, 10);
    (void)fclose(f);
    return kib * 1024;
}

void hl_bench_add_peak(hl_bench_report *r, uint64_t base_bytes) {
    const uint64_t peak = hl_bench_peak_bytes();
    if (peak > base_bytes) add(r, "peak", 0, (double)(peak - base_bytes) / (1 << 20), "MiB");
}
