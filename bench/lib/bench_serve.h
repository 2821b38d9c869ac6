/* SPDX-License-Identifier: MIT
 *
 * bench_serve.h - `bench` with many requests: what the scheduler makes of them.
 */
#ifndef HL_BENCH_LIB_BENCH_SERVE_H
#define HL_BENCH_LIB_BENCH_SERVE_H

#include "bench/lib/bench_plan.h"
#include "hyperlama/sched.h"

typedef struct hl_bench_serve {
    int32_t          n_clients;       /* answers made at the same time; 0: not wanted; likewise below */
    int32_t          n_interfering;   /* tokens of a prompt that comes among them */
    int32_t          n_requests;      /* that come at random times ... */
    double           per_s;           /* ... so many a second */
    int32_t          n_shared_prefix; /* tokens of a prompt that was seen before, with another end */
    bool             speculate;
    int32_t          n_runs;             /* with speculation; the median counts */
    int32_t          n_prompt, n_decode; /* of a client */
    int32_t          n_ctx;              /* at least; 0: what is needed */
    hl_kv_cache_type kv_type;
    const char      *cache_dir; /* for restoring from disk; NULL: not measured */
} hl_bench_serve;

bool hl_bench_serve_wanted(const hl_bench_serve *b);

/* Rows "clients" (tokens/s of all together), "itl_p50" "itl_p99" "itl_max" (inter-token latency, ms), "own"
 * (the scheduler's own share of the time), "interference", "requests" and their latencies and "first_p50",
 * "prefix_new" "prefix_seen"
 * "prefix_disk" (ms to the first token), "spec_off" "spec_auto" "spec_predicted" "spec_quoted" (tokens/s),
 * "drafts_accepted" "branches" "branches_accepted" (of all runs with drafts) to the report.
 * fails as hl_sched_new(), HL_E_CANCEL when it was stopped */
HL_MUST_CHECK hl_status hl_bench_measure_serve(hl_model *model, const hl_bench_serve *b, hl_bench_report *r,
                                               hl_err *err);

#endif
