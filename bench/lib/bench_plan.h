/* SPDX-License-Identifier: MIT
 *
 * bench_plan.h - what `bench` measures, and the measuring.
 *
 * A measurement is a metric at a size: prefill of n tokens, decoding at depth n, n rows in one pass, the
 * first token after opening the file. Each is repeated, and the median counts. Token ids are pseudo-random
 * but always the same.
 */
#ifndef HL_BENCH_LIB_BENCH_PLAN_H
#define HL_BENCH_LIB_BENCH_PLAN_H

#include "hyperlama/engine.h"

enum { HL_BENCH_MAX_RESULTS = 64, HL_BENCH_MAX_RUNS = 100, HL_BENCH_MAX_SIZES = 16 };

typedef struct hl_bench_value {
    const char
           *metric; /* "prefill" "decode" "rows" "ttft_cold" "ttft_warm" "peak" "file" "kv" "read" "int8" */
    int64_t n;
    double  value; /* median */
    const char *unit;
    double share;    /* of what the machine can do: memory for decode, arithmetic for prefill; 0: not known */
    double kv_bytes; /* keys and values read by one step, beside the weights */
} hl_bench_value;

typedef struct hl_bench_sizes {
    int32_t v[HL_BENCH_MAX_SIZES];
    size_t  n;
    bool    are_asked; /* by the user: measured even when that takes longer than the limit */
} hl_bench_sizes;

typedef struct hl_bench_plan {
    hl_bench_sizes prefill, rows, depths; /* empty: not wanted */
    int32_t        n_decode;              /* tokens per decode measurement */
    int32_t        n_runs;
    double         limit_s; /* for one measurement with all its runs */
} hl_bench_plan;

typedef struct hl_bench_report {
    hl_bench_value rows[HL_BENCH_MAX_RESULTS];
    size_t         n;
    hl_model_info  info;                    /* texts live as long as the model */
    char           arch[64], file_type[64]; /* of a model that is closed */
} hl_bench_report;

/* Who is told how it goes on. A wish to stop is heard through hl_stop_watch(). */
typedef struct hl_bench_watch {
    void (*note)(void *user, const char *text);                    /* what is left out, and why */
    void (*progress)(void *user, uint64_t n_done, uint64_t n_all); /* n_all 0: it begins */
    void *user;
} hl_bench_watch;

/* "16,128,512" as sizes from `least` to 2^20. fails HL_E_ARG with the option's name, what was found, what was
 * expected */
HL_MUST_CHECK hl_status hl_bench_parse_sizes(const char *option, const char *text, int32_t least,
                                             hl_bench_sizes *ret, hl_err *err);

/* Measure everything of the plan on `model`; params.n_ctx grows to what the plan needs. A measurement that
 * would take longer than the limit gets fewer runs, or is left out with a remark.
 * fails as hl_session_new(), HL_E_CANCEL when it was stopped */
HL_MUST_CHECK hl_status hl_bench_measure(const hl_bench_watch *w, hl_model *model, hl_session_params params,
                                         const hl_bench_plan *plan, hl_bench_report *r, hl_err *err);
/* Measure the machine's limits with the engine's threads, and how near to them each value is. */
HL_MUST_CHECK hl_status hl_bench_add_limits(hl_engine *engine, hl_bench_report *r, hl_err *err);

/* Milliseconds from opening the files to the logits of 16 tokens, once with the files dropped from the page
 * cache ("ttft_cold"; left out with a remark where the system keeps them), then with the files in it
 * ("ttft_warm"). */
HL_MUST_CHECK hl_status hl_bench_measure_ttft(const hl_bench_watch *w, hl_engine *engine,
                                              const char *const *paths, size_t n_paths,
                                              hl_session_params params, int32_t n_runs, hl_bench_report *r,
                                              hl_err *err);
/* Resident memory at its highest less `base_bytes` ("peak"), what of it the file can be, and the cache when
 * full. */
void     hl_bench_add_memory(hl_bench_report *r, uint64_t base_bytes);
uint64_t hl_bench_peak_bytes(void); /* of this process; 0: unknown */

#endif
