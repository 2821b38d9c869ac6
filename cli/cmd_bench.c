/* SPDX-License-Identifier: MIT
 *
 * cmd_bench.c - hyperlama bench MODEL: how fast it reads and writes on this machine, and how near to the
 * machine's limits.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli/args.h"
#include "cli/bench_history.h"
#include "cli/bench_plan.h"
#include "cli/bench_serve.h"
#include "cli/json_out.h"
#include "cli/machine.h"
#include "cli/term/progress.h"
#include "cli/term/say.h"
#include "core/base/clock.h"
#include "gen/commit.h"

#ifdef __clang__
#define BUILD "hyperlama " HL_VERSION " clang " __clang_version__
#else
#define BUILD "hyperlama " HL_VERSION " gcc " __VERSION__
#endif

static const hl_bench_sizes usual_prefill = {.v = {16, 128, 512, 2048}, .n = 4};
static const hl_bench_sizes usual_rows = {.v = {1, 2, 4, 8, 16, 32, 64}, .n = 7};
static const hl_bench_sizes usual_depths = {.v = {0, 1024, 4096}, .n = 3};

/* What the results were measured with. */
typedef struct setup {
    hl_machine  machine;
    const char *label, *isa, *kv_type;
    int32_t     n_threads, n_runs;
} setup;

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

static void print_tsv(const hl_app *app, const hl_bench_report *r) {
    fprintf(app->out, "metric\tn\tvalue\tunit\tshare\n");
    for (size_t i = 0; i < r->n; i++)
        fprintf(app->out, "%s\t%" PRId64 "\t%.3f\t%s\t%.3f\n", r->rows[i].metric, r->rows[i].n,
                r->rows[i].value, r->rows[i].unit, r->rows[i].share);
}

static const char *share_text(const hl_bench_value *v) {
    return strcmp(v->metric, "decode") == 0    ? "of memory bandwidth"
           : strcmp(v->metric, "prefill") == 0 ? "of int8 arithmetic"
                                               : "of the nearer limit";
}

static void print_text(const hl_app *app, const hl_bench_report *r, const setup *s) {
    char size[16];
    hl_format_bytes(r->info.file_bytes, size);
    hl_say_line(app->out, "%s (%s, %s, %s), %d threads, %s cache, median of %d", s->label, r->info.arch,
                r->info.file_type, size, (int)s->n_threads, s->kv_type, (int)s->n_runs);
    fputc('\n', app->out);
    for (size_t i = 0; i < r->n; i++) {
        const hl_bench_value *v = &r->rows[i];
        fprintf(app->out, "%-9s %6" PRId64 "  %10.1f %-9s", v->metric, v->n, v->value, v->unit);
        if (v->share > 0) fprintf(app->out, "  %3.0f %% %s", v->share * 100, share_text(v));
        fputc('\n', app->out);
    }
    fprintf(app->out, "\nprefill N: a prompt of N tokens; rows N: N tokens in one pass, logits of all; "
                      "decode N: at depth N;\n"
                      "ttft N: from opening the file to the logits of N tokens, with the file dropped from "
                      "the page cache or in\n"
                      "it; peak: memory, mapped file included; kv: the cache for N tokens when full; read, "
                      "int8: this machine's\n"
                      "limits, measured now.\n");
}

static hl_status print_json(const hl_app *app, const hl_bench_report *r, const setup *s, hl_err *err) {
    hl_json_out j;
    hl_json_init(&j);
    hl_json_open(&j, NULL, '{');
    hl_json_add_text(&j, "model", s->label);
    hl_json_add_text(&j, "architecture", r->info.arch);
    hl_json_add_text(&j, "quantization", r->info.file_type);
    hl_json_add_int(&j, "file_bytes", (int64_t)r->info.file_bytes);
    hl_json_add_text(&j, "machine", s->machine.host);
    hl_json_add_text(&j, "cpu", s->machine.cpu);
    hl_json_add_text(&j, "instructions", s->isa);
    hl_json_add_text(&j, "build", BUILD);
    hl_json_add_text(&j, "commit", HL_COMMIT);
    hl_json_add_text(&j, "kv_type", s->kv_type);
    hl_json_add_int(&j, "threads", s->n_threads);
    hl_json_open(&j, "results", '[');
    for (size_t i = 0; i < r->n; i++) {
        const hl_bench_value *v = &r->rows[i];
        hl_json_open(&j, NULL, '{');
        hl_json_add_text(&j, "metric", v->metric);
        hl_json_add_int(&j, "n", v->n);
        hl_json_add_real(&j, "value", v->value);
        hl_json_add_text(&j, "unit", v->unit);
        if (v->share > 0) hl_json_add_real(&j, "share_of_limit", v->share);
        hl_json_close(&j, '}');
    }
    hl_json_close(&j, ']');
    hl_json_close(&j, '}');
    return hl_json_print(&j, app->out, err);
}

/* What results are filed under: a stored model's name, or the name of the file without its folder. */
static const char *history_name(const hl_source *source) {
    const char *slash = strrchr(source->label, '/');
    return !source->stored && slash ? slash + 1 : source->label;
}

static hl_status save(const hl_bench_report *r, const setup *s, hl_store *store, const hl_source *source,
                      hl_err *err) {
    hl_bench_result rows[HL_BENCH_MAX_RESULTS];
    const int64_t   now_ms = hl_clock_wall_ms();
    for (size_t i = 0; i < r->n; i++)
        rows[i] = (hl_bench_result){.machine = s->machine.host,
                                    .cpu = s->machine.cpu,
                                    .build = BUILD,
                                    .commit = HL_COMMIT,
                                    .isa = s->isa,
                                    .kv_type = s->kv_type,
                                    .n_threads = s->n_threads,
                                    .date_ms = now_ms,
                                    .model = history_name(source),
                                    .digest = source->stored ? source->stored->entry.digest : "",
                                    .metric = r->rows[i].metric,
                                    .n = r->rows[i].n,
                                    .value = r->rows[i].value,
                                    .unit = r->rows[i].unit,
                                    .share = r->rows[i].share};
    return hl_store_add_results(store, rows, r->n, err);
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

static hl_status measure_serve(hl_app *app, hl_model *model, const hl_session_params *params,
                               hl_bench_serve serve, hl_bench_report *r, hl_err *err) {
    char folder[4096];
    serve.n_ctx = params->n_ctx;
    serve.kv_type = params->kv_type;
    if (snprintf(folder, sizeof folder, "%s/bench", app->paths.cache) < (int)sizeof folder)
        serve.cache_dir = folder;
    return hl_bench_measure_serve(app, model, &serve, r, err);
}

/* Measure, keep and print. */
static hl_status run_bench(hl_app *app, const hl_args *args, hl_host *host, const hl_source *source,
                           const hl_bench_plan *plan, hl_err *err) {
    const uint64_t    base_bytes = hl_bench_peak_bytes();
    hl_engine        *engine = NULL;
    hl_model         *model = NULL;
    hl_store         *store = NULL;
    hl_session_params params;
    hl_bench_serve    serve;
    hl_bench_report   r = {.n = 0};
    setup             s = {.label = source->label,
                           .kv_type = hl_config_text(app->config, HL_SETTING_engine_kv_type),
                           .n_runs = plan->n_runs};
    hl_machine_init(&s.machine);
    hl_status status = plan_serve(args, plan, &serve, err);
    if (status == HL_OK) status = hl_host_engine(host, -1, &engine, err);
    if (status != HL_OK) return status;
    const bool serves = hl_bench_serve_wanted(&serve);
    hl_host_session_params(host, NULL, &params);
    s.isa = hl_engine_setup_text(engine);
    s.n_threads = hl_engine_n_threads(engine);
    if (!serves && wants(hl_args_text(args, "metrics"), "ttft"))
        status =
            hl_bench_measure_ttft(app, engine, source->paths, source->n_paths, params, plan->n_runs, &r, err);
    if (status == HL_OK) status = hl_host_open_model(host, source, false, &model, err);
    if (status == HL_OK) {
        status = serves ? measure_serve(app, model, &params, serve, &r, err)
                        : hl_bench_measure(app, model, params, plan, &r, err);
        hl_bench_add_memory(&r, base_bytes); /* before the limits: their memory is not the model's */
    }
    if (status == HL_OK) status = hl_bench_add_limits(engine, &r, err);
    if (status == HL_OK && !hl_args_has(args, "no-save")) {
        hl_err    why = {0};
        hl_status kept = hl_host_store(host, &store, &why);
        if (kept == HL_OK) kept = save(&r, &s, store, source, &why);
        if (kept != HL_OK) hl_app_warn(app, "the results are not kept: %s", why.text);
    }
    if (status == HL_OK) {
        if (hl_args_has(args, "json"))
            status = print_json(app, &r, &s, err);
        else if (hl_args_has(args, "tsv"))
            print_tsv(app, &r);
        else
            print_text(app, &r, &s);
    }
    hl_model_close(model);
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
        if (status == HL_OK) status = hl_bench_print_history(app, store, history_name(source), args, err);
    } else if (status == HL_OK) {
        status = run_bench(app, args, host, source, &plan, err);
    }
    hl_source_free(source);
    hl_host_free(host);
    return status;
}
