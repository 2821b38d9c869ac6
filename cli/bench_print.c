/* SPDX-License-Identifier: MIT
 *
 * bench_print.c - measurements are lines; of a history, runs are columns.
 */
#include "cli/bench_print.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "bench/lib/bench_history.h"
#include "cli/json_print.h"
#include "cli/term/progress.h"
#include "cli/term/say.h"

enum { COLUMNS = 5, DATE_BYTES = 24 };

/* ---- What was measured now ---- */

static void print_report_tsv(const hl_app *app, const hl_bench_report *r) {
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

static void print_report_text(const hl_app *app, const hl_bench_report *r, const hl_bench_setup *s) {
    char size[16];
    hl_format_bytes(r->info.file_bytes, size);
    hl_say_line(app->out, "%s (%s, %s, %s), %d threads, %s cache, median of %d", s->label, r->arch,
                r->file_type, size, (int)s->n_threads, s->kv_type, (int)s->n_runs);
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

static hl_status print_report_json(const hl_app *app, const hl_bench_report *r, const hl_bench_setup *s,
                                   hl_err *err) {
    hl_json_out j;
    hl_json_init(&j);
    hl_json_open(&j, NULL, '{');
    hl_json_add_text(&j, "model", s->label);
    hl_json_add_text(&j, "architecture", r->arch);
    hl_json_add_text(&j, "quantization", r->file_type);
    hl_json_add_int(&j, "file_bytes", (int64_t)r->info.file_bytes);
    hl_json_add_text(&j, "machine", s->machine.host);
    hl_json_add_text(&j, "cpu", s->machine.cpu);
    hl_json_add_text(&j, "instructions", s->isa);
    hl_json_add_text(&j, "build", s->build);
    hl_json_add_text(&j, "commit", s->commit);
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

hl_status hl_bench_print_report(const hl_app *app, const hl_bench_report *r, const hl_bench_setup *s,
                                const hl_args *args, hl_err *err) {
    if (hl_args_has(args, "json")) return print_report_json(app, r, s, err);
    if (hl_args_has(args, "tsv"))
        print_report_tsv(app, r);
    else
        print_report_text(app, r, s);
    return HL_OK;
}

/* ---- What was measured before ---- */

static void format_date(int64_t ms, const char *format, char ret[DATE_BYTES]) {
    const time_t s = (time_t)(ms / 1000);
    struct tm    tm;
    ret[0] = '\0';
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    if (gmtime_r(&s, &tm)) (void)strftime(ret, DATE_BYTES, format, &tm);
#pragma GCC diagnostic pop
}

/* One line: a measurement in the runs from `first` on. */
static void print_line(const hl_app *app, const hl_bench_runs *all, size_t first,
                       const hl_bench_result *like) {
    fprintf(app->out, "%-9s %6" PRId64 " %-8s", like->metric, like->n, like->unit);
    for (size_t i = first; i < all->n; i++) {
        const hl_bench_result *row = hl_bench_run_find(&all->v[i], like->metric, like->n);
        char                   change[16] = "";
        const double           x = row ? hl_bench_runs_ratio(all, i, row) : 0;
        if (x > 0) (void)snprintf(change, sizeof change, "x%.2f", x);
        if (row)
            fprintf(app->out, " %9.1f %-6s", row->value, change);
        else
            fprintf(app->out, " %9s %-6s", "-", "");
    }
    fputc('\n', app->out);
}

static void print_history_table(const hl_app *app, const hl_bench_runs *all, const char *model,
                                const hl_machine *m) {
    const size_t first = all->n > COLUMNS ? all->n - COLUMNS : 0;
    char         date[DATE_BYTES];
    hl_say_line(app->out, "%s on %s (%s)", model, m->host, m->cpu);
    for (size_t i = first; i < all->n; i++) {
        const hl_bench_result *r = all->v[i].rows;
        format_date(r->date_ms, "%Y-%m-%d %H:%M", date);
        hl_say_line(app->out, "%s  %s %s, %d threads, %s, %s", date, r->build, r->commit, (int)r->n_threads,
                    r->isa, r->kv_type);
    }
    fprintf(app->out, "\n%-9s %6s %-8s", "metric", "n", "unit");
    for (size_t i = first; i < all->n; i++) {
        format_date(all->v[i].rows->date_ms, "%m-%d %H:%M", date);
        fprintf(app->out, " %16s", date);
    }
    fputc('\n', app->out);
    for (size_t i = first; i < all->n; i++)
        for (size_t k = 0; k < all->v[i].n; k++)
            if (hl_bench_runs_is_new(all, first, i, &all->v[i].rows[k]))
                print_line(app, all, first, &all->v[i].rows[k]);
    fprintf(app->out,
            "\nx: against the run before with the same threads, instruction sets and cache; times are UTC\n");
}

static void print_history_tsv(const hl_app *app, const hl_bench_runs *all) {
    char date[DATE_BYTES];
    fprintf(app->out, "date\tbuild\tcommit\tthreads\tisa\tkv_type\tmetric\tn\tvalue\tunit\tshare\tratio\n");
    for (size_t i = 0; i < all->n; i++)
        for (size_t k = 0; k < all->v[i].n; k++) {
            const hl_bench_result *r = &all->v[i].rows[k];
            format_date(r->date_ms, "%Y-%m-%dT%H:%M:%SZ", date);
            fprintf(app->out, "%s\t%s\t%s\t%d\t%s\t%s\t%s\t%" PRId64 "\t%.3f\t%s\t%.3f\t%.3f\n", date,
                    r->build, r->commit, (int)r->n_threads, r->isa, r->kv_type, r->metric, r->n, r->value,
                    r->unit, r->share, hl_bench_runs_ratio(all, i, r));
        }
}

static void add_json_run(hl_json_out *j, const hl_bench_runs *all, size_t at) {
    const hl_bench_run *one = &all->v[at];
    char                date[DATE_BYTES];
    format_date(one->rows->date_ms, "%Y-%m-%dT%H:%M:%SZ", date);
    hl_json_open(j, NULL, '{');
    hl_json_add_text(j, "date", date);
    hl_json_add_text(j, "build", one->rows->build);
    hl_json_add_text(j, "commit", one->rows->commit);
    hl_json_add_int(j, "threads", one->rows->n_threads);
    hl_json_add_text(j, "instructions", one->rows->isa);
    hl_json_add_text(j, "kv_type", one->rows->kv_type);
    hl_json_open(j, "results", '[');
    for (size_t k = 0; k < one->n; k++) {
        const double x = hl_bench_runs_ratio(all, at, &one->rows[k]);
        hl_json_open(j, NULL, '{');
        hl_json_add_text(j, "metric", one->rows[k].metric);
        hl_json_add_int(j, "n", one->rows[k].n);
        hl_json_add_real(j, "value", one->rows[k].value);
        hl_json_add_text(j, "unit", one->rows[k].unit);
        if (one->rows[k].share > 0) hl_json_add_real(j, "share_of_limit", one->rows[k].share);
        if (x > 0) hl_json_add_real(j, "ratio_to_previous", x);
        hl_json_close(j, '}');
    }
    hl_json_close(j, ']');
    hl_json_close(j, '}');
}

static hl_status print_history_json(const hl_app *app, const hl_bench_runs *all, const char *model,
                                    const hl_machine *m, hl_err *err) {
    hl_json_out j;
    hl_json_init(&j);
    hl_json_open(&j, NULL, '{');
    hl_json_add_text(&j, "model", model);
    hl_json_add_text(&j, "machine", m->host);
    hl_json_add_text(&j, "cpu", m->cpu);
    hl_json_open(&j, "runs", '[');
    for (size_t i = 0; i < all->n; i++) add_json_run(&j, all, i);
    hl_json_close(&j, ']');
    hl_json_close(&j, '}');
    return hl_json_print(&j, app->out, err);
}

hl_status hl_bench_print_history(const hl_app *app, hl_store *store, const char *model, const hl_args *args,
                                 hl_err *err) {
    hl_machine        m;
    hl_bench_history *h = NULL;
    hl_bench_runs     all;
    hl_machine_init(&m);
    hl_status status = hl_store_list_results(store, model, m.host, HL_BENCH_MAX_HISTORY, &h, err);
    if (status != HL_OK) return status;
    hl_bench_runs_split(h, &all);
    if (hl_args_has(args, "json"))
        status = print_history_json(app, &all, model, &m, err);
    else if (hl_args_has(args, "tsv"))
        print_history_tsv(app, &all);
    else if (all.n)
        print_history_table(app, &all, model, &m);
    else
        hl_app_note(app, "no results of '%s' on %s yet: hyperlama bench %s", model, m.host, model);
    hl_bench_history_free(h);
    return status;
}
