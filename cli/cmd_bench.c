/* SPDX-License-Identifier: MIT
 *
 * cmd_bench.c - hyperlama bench MODEL: how fast it reads and writes on this machine, and how near to the machine's limits.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli/args.h"
#include "cli/bench_plan.h"
#include "cli/json_out.h"
#include "cli/machine.h"
#include "cli/term/progress.h"
#include "core/base/clock.h"

enum { MAX_SIZES = 16 };

static const int32_t usual_prefill[] = {16, 128, 512, 0};
static const int32_t usual_rows[] = {1, 2, 4, 8, 16, 32, 0};
static const int32_t usual_depths[] = {0, 1024, 4096, -1};
static const int32_t no_sizes[] = {0};
static const int32_t no_depths[] = {-1};

typedef struct sizes {
    int32_t prefill[2], depths[MAX_SIZES + 1];
} sizes;

static bool wants(const char *list, const char *metric) {
    if (!list) return true;
    const size_t n = strlen(metric);
    for (const char *at = list; (at = strstr(at, metric)); at += n)
        if ((at == list || at[-1] == ',') && (at[n] == ',' || at[n] == '\0')) return true;
    return false;
}

static hl_status check_metrics(const char *list, hl_err *err) {
    static const char *const known[] = {"prefill", "decode", "rows", "depth", "load"};
    while (list && *list) {
        const size_t n = strcspn(list, ",");
        bool found = false;
        for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
            found |= strlen(known[i]) == n && strncmp(list, known[i], n) == 0;
        if (!found)
            return hl_fail(err, HL_E_ARG,
                           "--metrics has '%.*s', expected some of prefill,decode,rows,depth,load", (int)n,
                           list);
        list += n + (list[n] == ',');
    }
    return HL_OK;
}

/* The plan from the options; `s` keeps the lists that are not the usual ones. */
static void make_plan(const hl_args *args, sizes *s, hl_bench_plan *ret) {
    const char *list = hl_args_text(args, "metrics");
    *ret = (hl_bench_plan){
        .prefill = wants(list, "prefill") ? usual_prefill : no_sizes,
        .rows = wants(list, "rows") ? usual_rows : no_sizes,
        .depths = usual_depths,
        .n_decode = (int32_t)hl_args_int(args, "generate", 64),
        .n_runs = (int32_t)hl_args_int(args, "runs", 3),
    };
    if (hl_args_has(args, "prompt") && wants(list, "prefill")) {
        s->prefill[0] = (int32_t)hl_args_int(args, "prompt", 512);
        s->prefill[1] = 0;
        ret->prefill = s->prefill;
    }
    if (list || hl_args_has(args, "depth")) {
        size_t n = 0;
        if (wants(list, "decode")) s->depths[n++] = 0;
        if (wants(list, "depth")) s->depths[n++] = (int32_t)hl_args_int(args, "depth", 4096);
        s->depths[n] = -1;
        ret->depths = s->depths;
    }
    if (ret->n_decode < 1) ret->depths = no_depths;
}

static void print_tsv(const hl_app *app, const hl_bench_report *r) {
    fprintf(app->out, "metric\tn\tvalue\tunit\n");
    for (size_t i = 0; i < r->n; i++)
        fprintf(app->out, "%s\t%" PRId64 "\t%.3f\t%s\n", r->rows[i].metric, r->rows[i].n, r->rows[i].value,
                r->rows[i].unit);
}

static const char *share_text(const hl_bench_value *v) {
    return strcmp(v->metric, "decode") == 0    ? "of memory bandwidth"
           : strcmp(v->metric, "prefill") == 0 ? "of int8 arithmetic"
                                               : "of the nearer limit";
}

static void print_text(const hl_app *app, const hl_bench_report *r, const char *label,
                       const hl_bench_plan *plan, int32_t n_threads) {
    char size[16];
    hl_format_bytes(r->info.file_bytes, size);
    fprintf(app->out, "%s (%s, %s, %s), %d threads, median of %d\n\n", label, r->info.arch, r->info.file_type,
            size, (int)n_threads, (int)plan->n_runs);
    for (size_t i = 0; i < r->n; i++) {
        const hl_bench_value *v = &r->rows[i];
        fprintf(app->out, "%-8s %6" PRId64 "  %10.1f %-9s", v->metric, v->n, v->value, v->unit);
        if (v->share > 0) fprintf(app->out, "  %3.0f %% %s", v->share * 100, share_text(v));
        fputc('\n', app->out);
    }
    fprintf(
        app->out,
        "\nprefill N: a prompt of N tokens; rows N: N tokens in one pass, logits of all; decode N: at depth "
        "N;\n"
        "load 16: from opening the file to the logits of 16 tokens; peak: memory, mapped file included.\n");
}

static hl_status print_json(const hl_app *app, const hl_bench_report *r, const char *label, int32_t n_threads,
                            hl_err *err) {
    hl_machine m;
    hl_json_out j;
    hl_machine_init(&m);
    hl_json_init(&j);
    hl_json_open(&j, NULL, '{');
    hl_json_add_text(&j, "model", label);
    hl_json_add_text(&j, "architecture", r->info.arch);
    hl_json_add_text(&j, "quantization", r->info.file_type);
    hl_json_add_int(&j, "file_bytes", (int64_t)r->info.file_bytes);
    hl_json_add_text(&j, "machine", m.host);
    hl_json_add_text(&j, "cpu", m.cpu);
    hl_json_add_text(&j, "build", "hyperlama " HL_VERSION);
    hl_json_add_int(&j, "threads", n_threads);
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

static hl_status save(const hl_bench_report *r, hl_host *host, const hl_source *source, hl_err *err) {
    hl_machine m;
    hl_store *store = NULL;
    hl_bench_result rows[HL_BENCH_MAX_RESULTS];
    hl_machine_init(&m);
    for (size_t i = 0; i < r->n; i++)
        rows[i] = (hl_bench_result){.machine = m.host,
                                    .cpu = m.cpu,
                                    .build = "hyperlama " HL_VERSION,
                                    .commit = "",
                                    .date_ms = hl_clock_wall_ms(),
                                    .model = source->label,
                                    .digest = source->stored ? source->stored->entry.digest : "",
                                    .metric = r->rows[i].metric,
                                    .n = r->rows[i].n,
                                    .value = r->rows[i].value,
                                    .unit = r->rows[i].unit};
    const hl_status status = hl_host_store(host, &store, err);
    return status == HL_OK ? hl_store_add_results(store, rows, r->n, err) : status;
}

hl_status hl_cmd_bench(hl_app *app, const hl_args *args, hl_err *err) {
    const uint64_t base_bytes = hl_bench_peak_bytes();
    hl_host *host = NULL;
    hl_source *source = NULL;
    hl_engine *engine = NULL;
    hl_model *model = NULL;
    hl_session_params params;
    hl_bench_plan plan;
    sizes s;
    hl_bench_report r = {.n = 0};
    const char *metrics = hl_args_text(args, "metrics");
    hl_status status = check_metrics(metrics, err);
    if (status != HL_OK) return status;
    make_plan(args, &s, &plan);
    status = hl_host_new(app->config, &app->paths, &app->events, &host, err);
    if (status == HL_OK) status = hl_host_find(host, hl_args_at(args, 0), HL_OPEN_FOR_LOAD, &source, err);
    if (status == HL_OK) status = hl_host_engine(host, -1, &engine, err);
    if (status == HL_OK) hl_host_session_params(host, NULL, &params);
    if (status == HL_OK && (!metrics || wants(metrics, "load")))
        status = hl_bench_measure_load(engine, source->paths, source->n_paths, params, plan.n_runs, &r, err);
    if (status == HL_OK) status = hl_model_open(engine, source->paths, source->n_paths, NULL, &model, err);
    if (status == HL_OK) {
        status = hl_bench_measure(app, model, params, &plan, &r, err);
        hl_bench_add_peak(&r, base_bytes); /* before the limits: their memory is not the model's */
    }
    if (status == HL_OK) status = hl_bench_add_limits(engine, &r, err);
    if (status == HL_OK && hl_args_has(args, "save")) status = save(&r, host, source, err);
    if (status == HL_OK) {
        if (hl_args_has(args, "json"))
            status = print_json(app, &r, source->label, hl_engine_n_threads(engine), err);
        else if (hl_args_has(args, "tsv"))
            print_tsv(app, &r);
        else
            print_text(app, &r, source->label, &plan, hl_engine_n_threads(engine));
    }
    hl_model_close(model);
    hl_source_free(source);
    hl_host_free(host);
    return status;
}
