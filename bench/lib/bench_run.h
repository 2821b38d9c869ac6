/* SPDX-License-Identifier: MIT
 *
 * bench_run.h - a whole benchmark: measure a model, say what with, keep the results.
 */
#ifndef HL_BENCH_LIB_BENCH_RUN_H
#define HL_BENCH_LIB_BENCH_RUN_H

#include "bench/lib/bench_plan.h"
#include "bench/lib/bench_serve.h"
#include "bench/lib/machine.h"
#include "host/host.h"

typedef struct hl_bench_job {
    const hl_source *source;
    hl_bench_plan    plan;
    hl_bench_serve   serve; /* measured instead of the plan where something of it is wanted */
    bool             wants_ttft;
    const char      *build, *commit; /* name what is measured */
} hl_bench_job;

/* What the results were measured with. */
typedef struct hl_bench_setup {
    hl_machine  machine;
    const char *label, *isa, *kv_type, *build, *commit; /* live as long as source, host and job */
    int32_t     n_threads, n_runs;
} hl_bench_setup;

/* Measure a model of the host under its settings.
 *
 * out    ret_report  its model is closed
 * fails  as hl_host_open_model(), hl_bench_measure(), hl_bench_measure_serve() */
HL_MUST_CHECK hl_status hl_bench_run_job(hl_host *h, const hl_bench_job *job, const hl_bench_watch *w,
                                         hl_bench_report *ret_report, hl_bench_setup *ret_setup, hl_err *err);

/* What results are filed under: a stored model's name, or the name of the file without its folder. */
const char *hl_bench_file_under(const hl_source *source);

/* fails as hl_host_store(), hl_store_add_results() */
HL_MUST_CHECK hl_status hl_bench_save(hl_host *h, const hl_source *source, const hl_bench_report *r,
                                      const hl_bench_setup *s, hl_err *err);

#endif
