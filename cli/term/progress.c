/* SPDX-License-Identifier: MIT
 *
 * progress.c - one line on standard error, redrawn ten times a second, erased at the end.
 */
#include "cli/term/progress.h"

#include <inttypes.h>
#include <string.h>

#include "cli/term/answer.h"
#include "core/base/clock.h"

static const int64_t redraw_ns = 100 * 1000 * 1000;
static const int64_t patience_ns = 300 * 1000 * 1000; /* what ends sooner needs no bar */

void hl_progress_begin(hl_progress *p, const hl_app *app, const char *label) {
    const char *term = hl_env_get(app->envp, "TERM");
    *p = (hl_progress){.is_on = app->err_is_tty && term && strcmp(term, "dumb") != 0,
                       .start_ns = hl_clock_ns()};
    (void)snprintf(p->label, sizeof p->label, "%s", label);
}

void hl_progress_show(hl_progress *p, uint64_t done, uint64_t total) {
    const int64_t now = hl_clock_ns();
    if (!p->is_on || now - p->start_ns < patience_ns || now - p->last_ns < redraw_ns) return;
    p->last_ns = now;
    p->is_shown = true;
    const double seconds = (double)(now - p->start_ns) / 1e9, rate = (double)done / seconds;
    char         done_text[16], total_text[16], rate_text[16];
    hl_format_bytes(done, done_text);
    hl_format_bytes(total, total_text);
    hl_format_bytes((uint64_t)rate, rate_text);
    if (total == 0 || done > total) {
        fprintf(stderr, "\r\033[K%s %s  %s/s", p->label, done_text, rate_text);
        return;
    }
    const double part = (double)done / (double)total;
    const int width = hl_term_columns(stderr) - (int)strlen(p->label) - 50, n_bar = width > 40 ? 40 : width;
    fprintf(stderr, "\r\033[K%s %3d%% ", p->label, (int)(part * 100));
    if (n_bar >= 8) {
        fputc('[', stderr);
        for (int i = 0; i < n_bar; i++) fputc(i < (int)(part * n_bar) ? '=' : ' ', stderr);
        fputs("] ", stderr);
    }
    const int64_t left_s = rate > 0 ? (int64_t)((double)(total - done) / rate + 0.5) : 0;
    fprintf(stderr, "%s/%s  %s/s  %" PRId64 "m%02" PRId64 "s", done_text, total_text, rate_text, left_s / 60,
            left_s % 60);
}

void hl_progress_end(hl_progress *p) {
    if (p->is_shown) fputs("\r\033[K", stderr);
    p->is_shown = false;
}

/* Digits of x with up to six places, zeros at the end left out. */
static void format_trimmed(double x, char *buf, size_t cap) {
    (void)snprintf(buf, cap, "%.6f", x);
    size_t n = strlen(buf);
    while (n && buf[n - 1] == '0') buf[--n] = '\0';
    if (n && buf[n - 1] == '.') buf[n - 1] = '\0';
}

void hl_format_duration(int64_t ns, char buf[32]) {
    char number[24];
    if (ns < 1000000) {
        format_trimmed((double)ns / 1e3, number, sizeof number);
        (void)snprintf(buf, 32, "%s\xC2\xB5s", number);
    } else if (ns < 1000000000) {
        format_trimmed((double)ns / 1e6, number, sizeof number);
        (void)snprintf(buf, 32, "%sms", number);
    } else {
        const int64_t minutes = ns / 60000000000, hours = minutes / 60;
        format_trimmed((double)(ns % 60000000000) / 1e9, number, sizeof number);
        if (hours > 0)
            (void)snprintf(buf, 32, "%" PRId64 "h%" PRId64 "m%.10ss", hours, minutes % 60, number);
        else if (minutes > 0)
            (void)snprintf(buf, 32, "%" PRId64 "m%ss", minutes, number);
        else
            (void)snprintf(buf, 32, "%ss", number);
    }
}

void hl_format_age(int64_t then_ms, int64_t now_ms, char buf[32]) {
    static const struct {
        int64_t     s;
        const char *one;
    } steps[] = {{31557600, "year"}, {2629800, "month"}, {604800, "week"}, {86400, "day"},
                 {3600, "hour"},     {60, "minute"},     {1, "second"}};
    const int64_t age_s = (now_ms - then_ms) / 1000;
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        const int64_t n = age_s / steps[i].s;
        if (n < 1) continue;
        (void)snprintf(buf, 32, "%" PRId64 " %s%s ago", n, steps[i].one, n == 1 ? "" : "s");
        return;
    }
    (void)snprintf(buf, 32, "just now");
}
