/* SPDX-License-Identifier: MIT
 *
 * tmpl_time.c - strftime in English, whatever the program's locale is.
 *
 * from: Python 3.11 datetime.strftime over glibc, conversions of C99 plus %-d and friends
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "engine/template/tmpl_builtins.h"

static const char *const days[] = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                   "Thursday", "Friday", "Saturday"};
static const char *const months[] = {"January", "February", "March",     "April",   "May",      "June",
                                     "July",    "August",   "September", "October", "November", "December"};

static void add_number(hl_tmpl_out *to, int value, int width, char flag, char pad) {
    if (flag == '-')
        hl_tmpl_out_format(to, false, "%d", value);
    else if (flag == '_' || (pad == ' ' && flag != '0'))
        hl_tmpl_out_format(to, false, "%*d", width, value);
    else
        hl_tmpl_out_format(to, false, "%0*d", width, value);
}

/* Week of the year by ISO 8601, and the year it belongs to. */
static int iso_week(const struct tm *t, int *ret_year) {
    const int monday_based = (t->tm_wday + 6) % 7;
    int       week = (t->tm_yday - monday_based + 10) / 7, year = t->tm_year + 1900;
    const int y = week < 1 ? year - 1 : year;
    const int p = (y + y / 4 - y / 100 + y / 400) % 7,
              q = (y - 1 + (y - 1) / 4 - (y - 1) / 100 + (y - 1) / 400) % 7;
    const int n_weeks = p == 4 || q == 3 ? 53 : 52;
    if (week < 1) {
        week = n_weeks;
        year--;
    } else if (week > n_weeks) {
        week = 1;
        year++;
    }
    *ret_year = year;
    return week;
}

static void add_text(hl_tmpl_out *to, const char *s, size_t n, char flag) {
    for (size_t i = 0; i < n && s[i]; i++)
        hl_tmpl_out_char(to, (char)(flag == '^' && s[i] >= 'a' && s[i] <= 'z' ? s[i] - 32 : s[i]), false);
}

static void add_format(hl_tmpl_out *to, const struct tm *t, int64_t now_ms, const char *format);

static bool add_number_field(hl_tmpl_out *to, const struct tm *t, int64_t now_ms, char c, char flag) {
    const int hour12 = t->tm_hour % 12 ? t->tm_hour % 12 : 12, year = t->tm_year + 1900;
    int       iso_year = 0;
    switch (c) {
    case 'd': add_number(to, t->tm_mday, 2, flag, '0'); return true;
    case 'e': add_number(to, t->tm_mday, 2, flag, ' '); return true;
    case 'm': add_number(to, t->tm_mon + 1, 2, flag, '0'); return true;
    case 'y': add_number(to, year % 100, 2, flag, '0'); return true;
    case 'Y': hl_tmpl_out_format(to, false, "%d", year); return true;
    case 'C': add_number(to, year / 100, 2, flag, '0'); return true;
    case 'H': add_number(to, t->tm_hour, 2, flag, '0'); return true;
    case 'k': add_number(to, t->tm_hour, 2, flag, ' '); return true;
    case 'I': add_number(to, hour12, 2, flag, '0'); return true;
    case 'l': add_number(to, hour12, 2, flag, ' '); return true;
    case 'M': add_number(to, t->tm_min, 2, flag, '0'); return true;
    case 'S': add_number(to, t->tm_sec, 2, flag, '0'); return true;
    case 'j': add_number(to, t->tm_yday + 1, 3, flag, '0'); return true;
    case 'w': hl_tmpl_out_format(to, false, "%d", t->tm_wday); return true;
    case 'u': hl_tmpl_out_format(to, false, "%d", t->tm_wday ? t->tm_wday : 7); return true;
    case 'U': add_number(to, (t->tm_yday + 7 - t->tm_wday) / 7, 2, flag, '0'); return true;
    case 'W': add_number(to, (t->tm_yday + 7 - (t->tm_wday + 6) % 7) / 7, 2, flag, '0'); return true;
    case 'V': add_number(to, iso_week(t, &iso_year), 2, flag, '0'); return true;
    case 'G':
        (void)iso_week(t, &iso_year);
        hl_tmpl_out_format(to, false, "%d", iso_year);
        return true;
    case 'f':
        hl_tmpl_out_format(to, false, "%06d", (int)(((now_ms % 1000) + 1000) % 1000) * 1000);
        return true;
    case 's': hl_tmpl_out_format(to, false, "%lld", (long long)(now_ms / 1000)); return true;
    default: return false;
    }
}

/* What is no number or name of the clock's is the format's: `outside` if that is. */
static void add_field(hl_tmpl_out *to, const struct tm *t, int64_t now_ms, char c, char flag, bool outside) {
    if (add_number_field(to, t, now_ms, c, flag)) return;
    switch (c) {
    case 'a': add_text(to, days[t->tm_wday], 3, flag); break;
    case 'A': add_text(to, days[t->tm_wday], 99, flag); break;
    case 'b':
    case 'h': add_text(to, months[t->tm_mon], 3, flag); break;
    case 'B': add_text(to, months[t->tm_mon], 99, flag); break;
    case 'p': hl_tmpl_out_text(to, t->tm_hour < 12 ? "AM" : "PM", false); break;
    case 'P': hl_tmpl_out_text(to, t->tm_hour < 12 ? "am" : "pm", false); break;
    case 'c': add_format(to, t, now_ms, "%a %b %e %H:%M:%S %Y"); break;
    case 'x':
    case 'D': add_format(to, t, now_ms, "%m/%d/%y"); break;
    case 'F': add_format(to, t, now_ms, "%Y-%m-%d"); break;
    case 'X':
    case 'T': add_format(to, t, now_ms, "%H:%M:%S"); break;
    case 'R': add_format(to, t, now_ms, "%H:%M"); break;
    case 'r': add_format(to, t, now_ms, "%I:%M:%S %p"); break;
    case 'n': hl_tmpl_out_char(to, '\n', outside); break;
    case 't': hl_tmpl_out_char(to, '\t', outside); break;
    case 'z':
    case 'Z': break; /* the reference's clock carries no zone */
    case '%': hl_tmpl_out_char(to, '%', outside); break;
    default:
        hl_tmpl_out_char(to, '%', outside);
        if (flag) hl_tmpl_out_char(to, flag, outside);
        hl_tmpl_out_char(to, c, outside);
    }
}

static void add_view(hl_tmpl_out *to, const struct tm *t, int64_t now_ms, hl_view f, hl_tmpl_origin from) {
    for (size_t i = 0; i < f.len; i++) {
        if (f.ptr[i] != '%' || i + 1 == f.len) {
            hl_tmpl_out_char(to, f.ptr[i], hl_tmpl_origin_at(from, i));
            continue;
        }
        char flag = f.ptr[++i];
        if (i + 1 < f.len && (flag == '-' || flag == '_' || flag == '0' || flag == '^'))
            i++;
        else
            flag = 0;
        add_field(to, t, now_ms, f.ptr[i], flag, hl_tmpl_origin_at(from, i));
    }
}

static void add_format(hl_tmpl_out *to, const struct tm *t, int64_t now_ms, const char *format) {
    add_view(to, t, now_ms, hl_view_of(format), (hl_tmpl_origin){NULL, false});
}

bool hl_tmpl_strftime(hl_tmpl_run *r, hl_view format, hl_tmpl_value *ret) {
    const time_t now = (time_t)((r->now_ms - ((r->now_ms % 1000) + 1000) % 1000) / 1000);
    struct tm    t;
    if (!localtime_r(&now, &t)) return hl_tmpl_run_fail(r, "strftime_now(): the time is out of range");
    const size_t mark = hl_tmpl_run_begin(r);
    add_view(&r->scratch, &t, r->now_ms, format, hl_tmpl_run_origin(r, format.ptr));
    return hl_tmpl_run_end(r, mark, ret);
}
