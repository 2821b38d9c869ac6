/* SPDX-License-Identifier: MIT
 *
 * bench_run.c - opens what is measured, in an order that lets no measurement pay for another.
 */
#include "bench/lib/bench_run.h"

#include <stdio.h>
#include <string.h>

#include "core/base/clock.h"

/* The model goes, and its texts with it. */
static void keep_texts(hl_bench_report *r) {
    (void)snprintf(r->arch, sizeof r->arch, "%s", r->info.arch ? r->info.arch : "");
    (void)snprintf(r->file_type, sizeof r->file_type, "%s", r->info.file_type ? r->info.file_type : "");
    r->info.arch = r->info.name = r->info.file_type = NULL;
}

static hl_status measure(hl_model *model, const hl_bench_job *job, const hl_session_params *params,
                         const hl_bench_watch *w, hl_bench_report *r, hl_err *err) {
    if (!hl_bench_serve_wanted(&job->serve)) return hl_bench_measure(w, model, *params, &job->plan, r, err);
    hl_bench_serve serve = job->serve;
    serve.n_ctx = params->n_ctx;
    serve.kv_type = params->kv_type;
    return hl_bench_measure_serve(model, &serve, r, err);
}

hl_status hl_bench_run_job(hl_host *h, const hl_bench_job *job, const hl_bench_watch *w,
                           hl_bench_report *ret_report, hl_bench_setup *ret_setup, hl_err *err) {
    const uint64_t    base_bytes = hl_bench_peak_bytes();
    const hl_source  *source = job->source;
    hl_engine        *engine = NULL;
    hl_model         *model = NULL;
    hl_session_params params;
    hl_bench_report  *r = ret_report;
    hl_status         status = hl_host_engine(h, -1, &engine, err);
    if (status != HL_OK) return status;
    hl_host_session_params(h, NULL, &params);
    r->n = 0;
    *ret_setup = (hl_bench_setup){.label = source->label,
                                  .isa = hl_engine_setup_text(engine),
                                  .kv_type = hl_host_kv_type(h),
                                  .build = job->build,
                                  .commit = job->commit,
                                  .n_threads = hl_engine_n_threads(engine),
                                  .n_runs = job->plan.n_runs};
    hl_machine_init(&ret_setup->machine);
    if (job->wants_ttft && !hl_bench_serve_wanted(&job->serve))
        status = hl_bench_measure_ttft(w, engine, source->paths, source->n_paths, params, job->plan.n_runs, r,
                                       err);
    if (status == HL_OK) status = hl_host_open_model(h, source, false, &model, err);
    if (status == HL_OK) {
        status = measure(model, job, &params, w, r, err);
        hl_bench_add_memory(r, base_bytes); /* before the limits: their memory is not the model's */
    }
    if (status == HL_OK) status = hl_bench_add_limits(engine, r, err);
    if (status == HL_OK) keep_texts(r);
    hl_model_close(model);
    return status;
}

const char *hl_bench_file_under(const hl_source *source) {
    const char *slash = strrchr(source->label, '/');
    return !source->stored && slash ? slash + 1 : source->label;
}

hl_status hl_bench_save(hl_host *h, const hl_source *source, const hl_bench_report *r,
                        const hl_bench_setup *s, hl_err *err) {
    hl_bench_result rows[HL_BENCH_MAX_RESULTS];
    hl_store       *store = NULL;
    const int64_t   now_ms = hl_clock_wall_ms();
    const hl_status status = hl_host_store(h, &store, err);
    if (status != HL_OK) return status;
    for (size_t i = 0; i < r->n; i++)
        rows[i] = (hl_bench_result){.machine = s->machine.host,
                                    .cpu = s->machine.cpu,
                                    .build = s->build,
                                    .commit = s->commit,
                                    .isa = s->isa,
                                    .kv_type = s->kv_type,
                                    .n_threads = s->n_threads,
                                    .date_ms = now_ms,
                                    .model = hl_bench_file_under(source),
                                    .digest = source->stored ? source->stored->entry.digest : "",
                                    .metric = r->rows[i].metric,
                                    .n = r->rows[i].n,
                                    .value = r->rows[i].value,
                                    .unit = r->rows[i].unit,
                                    .share = r->rows[i].share};
    return hl_store_add_results(store, rows, r->n, err);
}
