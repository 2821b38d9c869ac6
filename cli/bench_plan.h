/* SPDX-License-Identifier: MIT
 *
 * bench_plan.h - what `bench` measures, and the measuring.
 *
 * A measurement is a metric at a size: prefill of n tokens, decoding at depth n, n rows in one pass, loading. Each is
 * repeated, and the median counts. Token ids are pseudo-random but always the same.
 */
#ifndef HL_CLI_BENCH_PLAN_H
#define HL_CLI_BENCH_PLAN_H

#include "cli/app.h"
#include "hyperlama/engine.h"

enum { HL_BENCH_MAX_RESULTS = 64, HL_BENCH_MAX_RUNS = 100 };

typedef struct hl_bench_value {
    const char *metric; /* "prefill" "decode" "rows" "load" "first" "peak" "read" "int8" */
    int64_t n;
    double value; /* median */
    const char *unit;
    double
        share; /* of what the machine can do: memory for decode, int8 arithmetic for prefill; 0: not known */
} hl_bench_value;

typedef struct hl_bench_plan {
    const int32_t *prefill, *depths, *rows; /* each ends with 0, but a depth list ends with -1 */
    int32_t n_decode;                       /* tokens per decode measurement */
    int32_t n_runs;
} hl_bench_plan;

typedef struct hl_bench_report {
    hl_bench_value rows[HL_BENCH_MAX_RESULTS];
    size_t n;
    hl_model_info info; /* texts live as long as the model */
} hl_bench_report;

/* Measure everything of the plan on `model`; params.n_ctx grows to what the plan needs.
 * fails as hl_session_new(), HL_E_CANCEL after Ctrl-C */
HL_MUST_CHECK hl_status hl_bench_measure(const hl_app *app, hl_model *model, hl_session_params params,
                                         const hl_bench_plan *plan, hl_bench_report *r, hl_err *err);
/* Measure the machine's limits with the engine's threads, and how near to them each value is. */
HL_MUST_CHECK hl_status hl_bench_add_limits(hl_engine *engine, hl_bench_report *r, hl_err *err);

/* Milliseconds from opening the files to the logits of 16 tokens ("load"), and resident memory at its highest less
 * `base_bytes` ("peak"), appended to the report. */
HL_MUST_CHECK hl_status hl_bench_measure_load(hl_engine *engine, const char *const *paths, size_t n_paths,
                                              hl_session_params params, int32_t n_runs, hl_bench_report *r,
                                              hl_err *err);
void hl_bench_add_peak(hl_bench_report *r, uint64_t base_bytes);
uint64_t hl_bench_peak_bytes(void); /* of this process; 0: unknown */

#endif
