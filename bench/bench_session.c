/* SPDX-License-Identifier: MIT
 *
 * bench_session.c - tokens per second of one model through the session API.
 *
 *   bench_session MODEL.gguf [n_threads] [what ...]     what: pp512 tg64 tg64@4096 rows8 ...
 *
 * One line per measurement, tab separated: what, median ms, tokens/s, GB/s of weights.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "hyperlama/engine.h"

enum { RUNS = 3, MAX_TOKENS = 8192 };

static int32_t tokens[MAX_TOKENS];

static int by_value(const void *a, const void *b) {
    const double x = *(const double *)a;
    const double y = *(const double *)b;
    return (x > y) - (x < y);
}

static void check(hl_status status, const hl_err *err) {
    if (status == HL_OK) return;
    fprintf(stderr, "bench_session: %s\n", err->text);
    exit(1);
}

/* Milliseconds of one measurement. */
static double run_once(hl_session *s, const char *what, int n, int depth) {
    hl_err err;
    hl_session_truncate(s, depth);
    if (hl_session_pos(s) < depth)
        check(hl_session_eval(s, tokens, (size_t)(depth - hl_session_pos(s)), &err), &err);
    const int64_t t = hl_clock_ns();
    if (what[0] == 't')
        for (int i = 0; i < n; i++) check(hl_session_eval(s, tokens + i, 1, &err), &err);
    else if (what[0] == 'r')
        check(hl_session_eval_rows(s, tokens, (size_t)n, (size_t)n, &err), &err);
    else
        check(hl_session_eval(s, tokens, (size_t)n, &err), &err);
    return (double)(hl_clock_ns() - t) * 1e-6;
}

static void measure(hl_session *s, const hl_model_info *info, const char *what) {
    const char *digits = what + strcspn(what, "0123456789");
    const char *at = strchr(what, '@');
    const int   n = atoi(digits);
    const int   depth = at ? atoi(at + 1) : 0;
    double      ms[RUNS];
    if (n < 1 || n > MAX_TOKENS) return;
    (void)run_once(s, what, n > 16 && what[0] == 't' ? 4 : n, depth); /* warm up */
    for (int i = 0; i < RUNS; i++) ms[i] = run_once(s, what, n, depth);
    qsort(ms, RUNS, sizeof *ms, by_value);
    const double rate = n / ms[RUNS / 2] * 1e3;
    const double passes = what[0] == 't' ? rate : rate / n;
    printf("%s\t%.2f ms\t%.1f tok/s\t%.1f GB/s\t%.0f GMAC/s\n", what, ms[RUNS / 2], rate,
           passes * (double)info->weight_bytes_per_token * 1e-9, rate * (double)info->macs_per_token * 1e-9);
    fflush(stdout);
}

int main(int argc, char **argv) {
    static const char *const usual[] = {"pp512", "tg64",   "rows2",  "rows4",
                                        "rows8", "rows16", "rows32", "tg16@4096"};
    if (argc < 2) return 2;
    hl_err      err;
    hl_engine  *e = NULL;
    hl_model   *m = NULL;
    hl_session *s = NULL;
    const char *path = argv[1];
    check(hl_engine_new(
              &(hl_engine_params){.n_threads = argc > 2 ? atoi(argv[2]) : 0, .cpu = getenv("BENCH_CPU")}, &e,
              &err),
          &err);
    check(hl_model_open(e, &path, 1, NULL, &m, &err), &err);
    check(hl_session_new(
              m,
              &(hl_session_params){.n_ctx = MAX_TOKENS,
                                   .n_rows_cap = 64,
                                   .kv_type = getenv("BENCH_Q8KV") ? HL_KV_CACHE_Q8_0 : HL_KV_CACHE_F16},
              &s, &err),
          &err);
    hl_model_info info;
    hl_model_get_info(m, &info);
    for (int i = 0; i < MAX_TOKENS; i++)
        tokens[i] = (int32_t)((uint32_t)i * 2654435761u % (uint32_t)info.n_vocab);
    if (argc > 3)
        for (int i = 3; i < argc; i++) measure(s, &info, argv[i]);
    else
        for (size_t i = 0; i < sizeof usual / sizeof usual[0]; i++) measure(s, &info, usual[i]);
    hl_session_free(s);
    hl_model_close(m);
    hl_engine_free(e);
    return 0;
}
