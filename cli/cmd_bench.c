/* SPDX-License-Identifier: MIT
 *
 * cmd_bench.c - hyperlama bench MODEL: how fast it reads and writes on this machine, and how near to the
 * machine's limits.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/adapter_args.h"
#include "cli/args.h"
#include "cli/bench_print.h"
#include "cli/term/progress.h"
#include "gen/commit.h"

#ifdef __clang__
#define BUILD "hyperlama " HL_VERSION " clang " __clang_version__
#else
#define BUILD "hyperlama " HL_VERSION " gcc " __VERSION__
#endif

static const hl_bench_sizes usual_prefill = {.v = {16, 128, 512, 2048}, .n = 4};
static const hl_bench_sizes usual_rows = {.v = {1, 2, 4, 8, 16, 32, 64}, .n = 7};
static const hl_bench_sizes usual_depths = {.v = {0, 1024, 4096}, .n = 3};

static bool wants(const char *list, const char *metric) {
    if (!list) return true;
    const size_t n = strlen(metric);
    for (const char *at = list; (at = strstr(at, metric)); at += n)
        if ((at == list || at[-1] == ',') && (at[n] == ',' || at[n] == '\0')) return true;
    return false;
}

static hl_status check_metrics(const char *list, hl_err *err) {
    static const char *const known[] = {"prefill", "rows", "decode", "ttft"};
    while (list && *list) {
        const size_t n = strcspn(list, ",");
        bool         found = false;
        for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
            found |= strlen(known[i]) == n && strncmp(list, known[i], n) == 0;
        if (!found)
            return hl_fail(err, HL_E_ARG, "--metrics has '%.*s', expected some of prefill,rows,decode,ttft",
                           (int)n, list);
        list += n + (list[n] == ',');
    }
    return HL_OK;
}

/* The sizes of an option, or the usual ones; none when the metric is not wanted. */
static hl_status read_sizes(const hl_args *args, const char *option, const char *metric, int32_t least,
                            const hl_bench_sizes *usual, hl_bench_sizes *ret, hl_err *err) {
    const char *text = hl_args_text(args, option);
    if (!wants(hl_args_text(args, "metrics"), metric)) return HL_OK;
    if (text) return hl_bench_parse_sizes(option, text, least, ret, err);
    *ret = *usual;
    return HL_OK;
}

static hl_status make_plan(const hl_args *args, hl_bench_plan *ret, hl_err *err) {
    *ret = (hl_bench_plan){
        .n_decode = (int32_t)hl_args_int(args, "generate", 64),
        .n_runs = (int32_t)hl_args_int(args, "runs", 3),
        .limit_s = (double)hl_args_int(args, "limit", 30),
    };
    hl_status status = check_metrics(hl_args_text(args, "metrics"), err);
    if (status == HL_OK)
        status = read_sizes(args, "prompt", "prefill", 1, &usual_prefill, &ret->prefill, err);
    if (status == HL_OK) status = read_sizes(args, "rows", "rows", 1, &usual_rows, &ret->rows, err);
    if (status == HL_OK) status = read_sizes(args, "depth", "decode", 0, &usual_depths, &ret->depths, err);
    return status;
}

/* What is asked of the scheduler; the first of --prompt's lengths is a client's. */
static hl_status plan_serve(const hl_args *args, const hl_bench_plan *plan, hl_bench_serve *ret,
                            hl_err *err) {
    const char *per_s = hl_args_text(args, "arrivals");
    char       *end = NULL;
    *ret = (hl_bench_serve){
        .n_clients = (int32_t)hl_args_int(args, "clients", 0),
        .n_interfering = (int32_t)hl_args_int(args, "interfere", 0),
        .n_requests = (int32_t)hl_args_int(args, "requests", 0),
        .per_s = per_s ? strtod(per_s, &end) : 8,
        .n_shared_prefix = (int32_t)hl_args_int(args, "shared-prefix", 0),
        .speculate = hl_args_has(args, "speculate"),
        .n_runs = plan->n_runs,
        .n_prompt = plan->prefill.are_asked ? plan->prefill.v[0] : 64,
        .n_decode = plan->n_decode,
    };
    if (!(ret->per_s > 0 && ret->per_s < 1e6) || (end && *end))
        return hl_fail(err, HL_E_ARG, "--arrivals '%.40s': expected a number above 0", per_s);
    return HL_OK;
}

/* ---- How it goes on ---- */

typedef struct listener {
    const hl_app *app;
    hl_progress   bar;
} listener;

static void take_note(void *user, const char *text) {
    const listener *l = user;
    hl_app_note(l->app, "%s", text);
}

static void show_progress(void *user, uint64_t n_done, uint64_t n_all) {
    listener *l = user;
    if (n_all == 0)
        hl_progress_begin(&l->bar, l->app, "measuring");
    else
        hl_progress_show(&l->bar, n_done, n_all);
    if (n_all > 0 && n_done >= n_all) hl_progress_end(&l->bar);
}

/* Measure, keep and print. */
static hl_status run_bench(hl_app *app, const hl_args *args, hl_host *host, const hl_source *source,
                           const hl_bench_plan *plan, hl_err *err) {
    const bool           wants_ttft = wants(hl_args_text(args, "metrics"), "ttft");
    char                 folder[4096];
    hl_bench_report      r;
    hl_bench_setup       s;
    listener             l = {.app = app};
    const hl_bench_watch watch = {.note = take_note, .progress = show_progress, .user = &l};
    hl_bench_job         job = {.source = source,
                                .plan = *plan,
                                .wants_ttft = source->n_added == 0 && wants_ttft,
                                .build = BUILD,
                                .commit = HL_COMMIT};
    hl_status            status = plan_serve(args, plan, &job.serve, err);
    if (snprintf(folder, sizeof folder, "%s/bench", app->paths.cache) < (int)sizeof folder)
        job.serve.cache_dir = folder;
    if (status == HL_OK) status = hl_bench_run_job(host, &job, &watch, &r, &s, err);
    hl_progress_end(&l.bar);
    if (status == HL_OK && source->n_added > 0 && !hl_args_has(args, "no-save"))
        hl_app_note(app, "note: the results are not kept: they are of the model with --adapter");
    else if (status == HL_OK && !hl_args_has(args, "no-save")) {
        hl_err why = {0};
        if (hl_bench_save(host, source, &r, &s, &why) != HL_OK)
            hl_app_warn(app, "the results are not kept: %s", why.text);
    }
    return status == HL_OK ? hl_bench_print_report(app, &r, &s, args, err) : status;
}

/* What is measured from the start of a process on is the file alone. */
static hl_status add_adapters(const hl_args *args, hl_source *source, hl_err *err) {
    const char     *metrics = hl_args_text(args, "metrics");
    const hl_status status = hl_adapter_args_add(args, source, err);
    if (status == HL_OK && source->n_added > 0 && metrics && wants(metrics, "ttft"))
        return hl_fail(err, HL_E_ARG, "--adapter and --metrics ttft: that one is measured without adapters");
    return status;
}

hl_status hl_cmd_bench(hl_app *app, const hl_args *args, hl_err *err) {
    hl_host      *host = NULL;
    hl_source    *source = NULL;
    hl_store     *store = NULL;
    hl_bench_plan plan;
    const bool    wants_history = hl_args_has(args, "history");
    hl_status     status = make_plan(args, &plan, err);
    if (status != HL_OK) return status;
    status = hl_host_new(app->config, &app->paths, &app->events, &host, err);
    if (status == HL_OK)
        status = hl_host_find(host, hl_args_at(args, 0), wants_history ? HL_OPEN_FOR_SHOW : HL_OPEN_FOR_LOAD,
                              &source, err);
    if (status == HL_OK && wants_history) {
        status = hl_host_store(host, &store, err);
        if (status == HL_OK)
            status = hl_bench_print_history(app, store, hl_bench_file_under(source), args, err);
    } else if (status == HL_OK) {
        status = add_adapters(args, source, err);
        if (status == HL_OK) status = run_bench(app, args, host, source, &plan, err);
    }
    hl_source_free(source);
    hl_host_free(host);
    return status;
}
