/* SPDX-License-Identifier: MIT
 *
 * transfer_show.c - lines of files that are written over as they grow.
 */
#include "cli/transfer_show.h"

#include <inttypes.h>
#include <string.h>

#include "cli/term/answer.h"
#include "cli/term/progress.h"
#include "cli/term/say.h"
#include "core/base/clock.h"
#include "core/base/mem.h"
#include "core/data/json_out.h"

enum {
    MOST_ROWS = 20, /* more files are not shown one by one */
    REDRAW_MS = 100,
    RATE_MS = 3000, /* what the rate is the mean of */
    BAR_COLUMNS = 30,
};

typedef struct row {
    char     status[128];
    uint64_t done, total;
    bool     is_file, is_waiting, is_over;
    int64_t  start_ns, mean_ns; /* of the mean below */
    uint64_t mean_from;
    double   rate;
} row;

struct hl_transfer_show {
    const hl_app *app;
    bool          as_json, is_quiet, is_live;
    row           rows[MOST_ROWS];
    size_t        n_rows, n_drawn;
    int64_t       drawn_ns;
    hl_json_out   j;
};

hl_status hl_transfer_show_new(const hl_app *app, bool as_json, bool is_quiet, hl_transfer_show **ret_show,
                               hl_err *err) {
    hl_transfer_show *s = hl_new(1, sizeof *s);
    const char       *term = hl_env_get(app->envp, "TERM");
    if (!s) return hl_fail(err, HL_E_NOMEM, "no memory");
    s->app = app;
    s->as_json = as_json;
    s->is_quiet = is_quiet;
    s->is_live = app->err_is_tty && !as_json && !is_quiet && term && strcmp(term, "dumb") != 0;
    hl_json_init(&s->j);
    *ret_show = s;
    return HL_OK;
}

void hl_transfer_show_free(hl_transfer_show *s) {
    if (!s) return;
    hl_json_done(&s->j);
    hl_free(s);
}

/* ---- JSON ---- */

static bool print_json(hl_transfer_show *s, const hl_transfer_progress *p) {
    hl_json_out *j = &s->j;
    hl_json_clear(j);
    hl_json_open(j, NULL, '{');
    hl_json_add_text(j, "status", p->status);
    if (*p->digest) hl_json_add_text(j, "digest", p->digest);
    if (p->total_bytes > 0) hl_json_add_int(j, "total", (int64_t)p->total_bytes);
    if (p->done_bytes > 0) hl_json_add_int(j, "completed", (int64_t)p->done_bytes);
    hl_json_close(j, '}');
    fprintf(s->app->out, "%s\n", hl_str_text(&j->text));
    return fflush(s->app->out) == 0;
}

/* ---- rows ---- */

static row *find_row(hl_transfer_show *s, const hl_transfer_progress *p) {
    const bool is_file = p->total_bytes > 0 || *p->digest;
    for (size_t i = 0; i < s->n_rows; i++)
        if (strcmp(s->rows[i].status, p->status) == 0) return &s->rows[i];
    if (s->n_rows == MOST_ROWS) return NULL;
    row *r = &s->rows[s->n_rows++];
    *r = (row){.is_file = is_file, .start_ns = hl_clock_ns()};
    r->mean_ns = r->start_ns;
    r->mean_from = p->done_bytes; /* what an earlier download left is no rate */
    (void)snprintf(r->status, sizeof r->status, "%s", p->status);
    return r;
}

static void measure(row *r, int64_t now) {
    const int64_t passed = now - r->mean_ns;
    if (passed < 300 * 1000000LL || r->done < r->mean_from) return;
    r->rate = (double)(r->done - r->mean_from) * 1e9 / (double)passed;
    if (passed < (int64_t)RATE_MS * 1000000) return;
    r->mean_ns = now;
    r->mean_from = r->done;
}

static void draw_file(const row *r, int n_columns) {
    char         done[16], total[16], rate[16];
    const double part = r->total > 0 ? (double)r->done / (double)r->total : 0;
    hl_format_bytes(r->done, done);
    hl_format_bytes(r->total, total);
    hl_format_bytes((uint64_t)r->rate, rate);
    if (r->total == 0) {
        hl_say(stderr, "%s  %s", r->status, done);
        return;
    }
    hl_say(stderr, "%s %3d%% ", r->status, (int)(part * 100));
    const int room = n_columns - (int)strlen(r->status) - 48, width = room > BAR_COLUMNS ? BAR_COLUMNS : room;
    if (width >= 8) {
        fputc('[', stderr);
        for (int i = 0; i < width; i++) fputc(i < (int)(part * width) ? '=' : ' ', stderr);
        fputs("] ", stderr);
    }
    if (r->done >= r->total)
        fprintf(stderr, "%s", total);
    else if (r->is_waiting)
        fprintf(stderr, "%s/%s  another process fetches it", done, total);
    else if (r->rate > 0) {
        const int64_t left = (int64_t)((double)(r->total - r->done) / r->rate + 0.5);
        fprintf(stderr, "%s/%s  %s/s  %" PRId64 "m%02" PRId64 "s", done, total, rate, left / 60, left % 60);
    } else
        fprintf(stderr, "%s/%s", done, total);
}

static void draw(hl_transfer_show *s) {
    const int n_columns = hl_term_columns(stderr);
    if (s->n_drawn > 0) fprintf(stderr, "\033[%zuA", s->n_drawn);
    for (size_t i = 0; i < s->n_rows; i++) {
        fputs("\r\033[K", stderr);
        if (s->rows[i].is_file)
            draw_file(&s->rows[i], n_columns);
        else
            hl_say(stderr, "%s", s->rows[i].status);
        fputc('\n', stderr);
    }
    (void)fflush(stderr);
    s->n_drawn = s->n_rows;
}

/* A line when a file begins and when it is there: what a log is to hold. */
static void print_plain(row *r, const hl_transfer_progress *p, bool is_new) {
    char total[16];
    hl_format_bytes(p->total_bytes, total);
    const bool is_over = r->is_file && p->total_bytes > 0 && p->done_bytes >= p->total_bytes;
    if (is_new && !r->is_file) hl_say_line(stderr, "%s", p->status);
    if (is_new && r->is_file && !is_over) hl_say_line(stderr, "%s (%s)", p->status, total);
    if (is_over && !r->is_over) hl_say_line(stderr, "%s (%s): complete", p->status, total);
    r->is_over |= is_over;
}

bool hl_transfer_show_step(void *user, const hl_transfer_progress *p) {
    hl_transfer_show *s = user;
    const int64_t     now = hl_clock_ns();
    const size_t      n_before = s->n_rows;
    if (s->as_json) return print_json(s, p);
    if (s->is_quiet) return true;
    row *r = find_row(s, p);
    if (!r) return true;
    r->done = p->done_bytes;
    r->total = p->total_bytes;
    r->is_waiting = p->is_waiting;
    measure(r, now);
    if (!s->is_live) {
        print_plain(r, p, s->n_rows > n_before);
        return true;
    }
    if (s->n_rows == n_before && now - s->drawn_ns < (int64_t)REDRAW_MS * 1000000 && r->done < r->total)
        return true;
    s->drawn_ns = now;
    draw(s);
    return true;
}

void hl_transfer_show_end(hl_transfer_show *s) {
    if (s->is_live && s->n_rows > 0) draw(s);
    s->n_rows = s->n_drawn = 0;
}
