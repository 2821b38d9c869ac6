/* SPDX-License-Identifier: MIT
 *
 * bench_history.c - runs are columns, measurements are lines.
 */
#include "cli/bench_history.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "cli/json_out.h"
#include "cli/machine.h"
#include "cli/term/say.h"

enum { COLUMNS = 5, MAX_RUNS = 100, DATE_BYTES = 24 };

/* The rows of a run lie side by side in the history. */
typedef struct run {
    const hl_bench_result *rows; /* [n], n > 0 */
    size_t                 n;
} run;

typedef struct runs {
    run    v[MAX_RUNS];
    size_t n;
} runs;

static void split(const hl_bench_history *h, runs *ret) {
    ret->n = 0;
    for (size_t i = 0; i < h->n; i++) {
        if (i == 0 || h->results[i].date_ms != h->results[i - 1].date_ms) {
            if (ret->n == MAX_RUNS) return;
            ret->v[ret->n++] = (run){.rows = &h->results[i], .n = 0};
        }
        ret->v[ret->n - 1].n++;
    }
}

static const hl_bench_result *find(const run *r, const char *metric, int64_t n) {
    for (size_t i = 0; i < r->n; i++)
        if (r->rows[i].n == n && strcmp(r->rows[i].metric, metric) == 0) return &r->rows[i];
    return NULL;
}

static bool has_same_setup(const hl_bench_result *a, const hl_bench_result *b) {
    return a->n_threads == b->n_threads && strcmp(a->isa, b->isa) == 0 && strcmp(a->kv_type, b->kv_type) == 0;
}

/* The value over that of the latest run before number `at` with the same setup; 0: there is none. */
static double ratio(const runs *all, size_t at, const hl_bench_result *row) {
    while (at-- > 0) {
        const hl_bench_result *before =
            has_same_setup(all->v[at].rows, row) ? find(&all->v[at], row->metric, row->n) : NULL;
        if (before) return before->value > 0 ? row->value / before->value : 0;
    }
    return 0;
}

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
static void print_line(const hl_app *app, const runs *all, size_t first, const hl_bench_result *like) {
    fprintf(app->out, "%-9s %6" PRId64 " %-8s", like->metric, like->n, like->unit);
    for (size_t i = first; i < all->n; i++) {
        const hl_bench_result *row = find(&all->v[i], like->metric, like->n);
        char                   change[16] = "";
        const double           x = row ? ratio(all, i, row) : 0;
        if (x > 0) (void)snprintf(change, sizeof change, "x%.2f", x);
        if (row)
            fprintf(app->out, " %9.1f %-6s", row->value, change);
        else
            fprintf(app->out, " %9s %-6s", "-", "");
    }
    fputc('\n', app->out);
}

/* Is this the first time that the measurement appears in the runs from `first` on? */
static bool is_new(const runs *all, size_t first, size_t at, const hl_bench_result *row) {
    for (size_t i = first; i < at; i++)
        if (find(&all->v[i], row->metric, row->n)) return false;
    return find(&all->v[at], row->metric, row->n) == row;
}

static void print_table(const hl_app *app, const runs *all, const char *model, const hl_machine *m) {
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
            if (is_new(all, first, i, &all->v[i].rows[k])) print_line(app, all, first, &all->v[i].rows[k]);
    fprintf(app->out,
            "\nx: against the run before with the same threads, instruction sets and cache; times are UTC\n");
}

static void print_tsv(const hl_app *app, const runs *all) {
    char date[DATE_BYTES];
    fprintf(app->out, "date\tbuild\tcommit\tthreads\tisa\tkv_type\tmetric\tn\tvalue\tunit\tshare\tratio\n");
    for (size_t i = 0; i < all->n; i++)
        for (size_t k = 0; k < all->v[i].n; k++) {
            const hl_bench_result *r = &all->v[i].rows[k];
            format_date(r->date_ms, "%Y-%m-%dT%H:%M:%SZ", date);
            fprintf(app->out, "%s\t%s\t%s\t%d\t%s\t%s\t%s\t%" PRId64 "\t%.3f\t%s\t%.3f\t%.3f\n", date,
                    r->build, r->commit, (int)r->n_threads, r->isa, r->kv_type, r->metric, r->n, r->value,
                    r->unit, r->share, ratio(all, i, r));
        }
}

static void add_json_run(hl_json_out *j, const runs *all, size_t at) {
    const run *one = &all->v[at];
    char       date[DATE_BYTES];
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
        const double x = ratio(all, at, &one->rows[k]);
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

static hl_status print_json(const hl_app *app, const runs *all, const char *model, const hl_machine *m,
                            hl_err *err) {
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
    runs              all;
    hl_machine_init(&m);
    hl_status status = hl_store_list_results(store, model, m.host, MAX_RUNS, &h, err);
    if (status != HL_OK) return status;
    split(h, &all);
    if (hl_args_has(args, "json"))
        status = print_json(app, &all, model, &m, err);
    else if (hl_args_has(args, "tsv"))
        print_tsv(app, &all);
    else if (all.n)
        print_table(app, &all, model, &m);
    else
        hl_app_note(app, "no results of '%s' on %s yet: hyperlama bench %s", model, m.host, model);
    hl_bench_history_free(h);
    return status;
}
