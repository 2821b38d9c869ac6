/* SPDX-License-Identifier: MIT
 *
 * log.c - format events as lines and write them.
 *
 * Fields arrive as logfmt (key=value key="two words"); the JSON form takes them apart again, so that
 * who emits an event writes it once. Values stay strings in JSON: a dashboard knows its own types.
 */
#include "core/base/log.h"

#include <errno.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/base/clean.h"
#include "core/base/clock.h"

enum { MAX_LINE_BYTES = 8192 };

static const char *const level_names[] = {"error", "warn", "info", "debug", "trace"};
static const char        level_letters[] = "EWIDT";

hl_events hl_log_events(hl_log *log) {
    return (hl_events){.fn = hl_log_write, .user = log, .level = log->level};
}

static const char *level_name(hl_log_level level) {
    return (unsigned)level <= HL_LOG_TRACE ? level_names[level] : "?";
}

bool hl_log_level_parse(const char *text, hl_log_level *ret_level) {
    for (int i = HL_LOG_ERROR; i <= HL_LOG_TRACE; i++) {
        const bool is_digit = text[0] == '0' + i && text[1] == '\0';
        if (!is_digit && strcmp(text, level_names[i]) != 0) continue;
        *ret_level = (hl_log_level)i;
        return true;
    }
    return false;
}

static void add_time(hl_str *out, int64_t wall_ms) {
    const time_t s = (time_t)(wall_ms / 1000);
    struct tm    t;
    if (!gmtime_r(&s, &t)) memset(&t, 0, sizeof t);
    hl_str_add_format(out, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", t.tm_year + 1900, t.tm_mon + 1, t.tm_mday,
                      t.tm_hour, t.tm_min, t.tm_sec, (int)(wall_ms % 1000));
}

void hl_log_add_value(hl_str *out, hl_view value) {
    bool plain = value.len > 0 && hl_view_is_clean(value, HL_CLEAN_LINE);
    for (size_t i = 0; i < value.len && plain; i++) {
        const char c = value.ptr[i];
        plain = c != ' ' && c != '"' && c != '=' && c != '\\';
    }
    if (plain) {
        hl_str_add_view(out, value);
        return;
    }
    hl_str_add_char(out, '"');
    for (size_t i = 0, run = 0; i < value.len; i += run) { /* up to what needs a backslash, and that */
        run = 0;
        while (i + run < value.len && value.ptr[i + run] != '"' && value.ptr[i + run] != '\\') run++;
        hl_str_add_clean(out, (hl_view){value.ptr + i, run}, HL_CLEAN_LINE);
        if (i + run == value.len) break;
        hl_str_add_char(out, '\\');
        hl_str_add_char(out, value.ptr[i + run++]);
    }
    hl_str_add_char(out, '"');
}

/* Read one value at p (quoted or up to a space) into `value`, return what is behind it. Quotes that somebody
 * forgot to escape do not end it: an end is followed by a space or nothing. */
static const char *read_value(const char *p, hl_str *value) {
    if (*p != '"') {
        const size_t n = strcspn(p, " ");
        hl_str_add(value, p, n);
        return p + n;
    }
    for (p++; *p && !(*p == '"' && (p[1] == ' ' || !p[1])); p++) {
        if (*p == '\\' && (p[1] == '"' || p[1] == '\\')) p++;
        hl_str_add_char(value, *p);
    }
    return *p ? p + 1 : p;
}

static void add_json_fields(hl_str *out, const char *fields) {
    hl_str value;
    hl_str_init(&value, MAX_LINE_BYTES);
    const char *p = fields;
    while (*(p += strspn(p, " "))) {
        const size_t  n_key = strcspn(p, "= ");
        const hl_view key = {p, n_key};
        p += n_key;
        hl_str_clear(&value);
        if (*p == '=') p = read_value(p + 1, &value);
        hl_str_add_char(out, ',');
        hl_str_add_json(out, key);
        hl_str_add_char(out, ':');
        hl_str_add_json(out, hl_str_view(&value));
    }
    hl_str_done(&value);
}

static bool is_one_of(hl_view key, const char *const *words) {
    for (; *words; words++) {
        if (hl_view_is(key, *words)) return true;
    }
    return false;
}

void hl_log_format_words(const char *event, const char *fields, hl_str *out) {
    static const char *const mute[] = {"path", "name", "model", "what", NULL}, *const reasons[] = {
                                                                                   "why", "reason", NULL};
    hl_str       value, reason, action;
    size_t       n_values = 0;
    const size_t start = out->len;
    hl_str_init(&value, MAX_LINE_BYTES);
    hl_str_init(&reason, MAX_LINE_BYTES);
    hl_str_init(&action, MAX_LINE_BYTES);
    for (const char *p = event; *p; p++) hl_str_add_char(out, *p == '-' ? ' ' : *p);
    for (const char *p = fields ? fields : ""; *(p += strspn(p, " "));) {
        const hl_view key = {p, strcspn(p, "= ")};
        p += key.len;
        hl_str_clear(&value);
        if (*p == '=') p = read_value(p + 1, &value);
        hl_str *to = is_one_of(key, reasons) ? &reason : hl_view_is(key, "action") ? &action : NULL;
        if (to) {
            hl_str_clear(to);
            hl_str_add_view(to, hl_str_view(&value));
            continue;
        }
        hl_str_add_text(out, n_values++ ? ", " : ": ");
        if (!is_one_of(key, mute)) {
            hl_str_add_clean(out, key, HL_CLEAN_LINE);
            hl_str_add_char(out, ' ');
        }
        hl_str_add_clean(out, hl_str_view(&value), HL_CLEAN_LINE);
    }
    if (reason.len > 0 && n_values == 0 && !out->failed) {
        out->len = start;
        out->ptr[start] = '\0';
    } else if (reason.len > 0) {
        hl_str_add_text(out, ": ");
    }
    hl_str_add_clean(out, hl_str_view(&reason), HL_CLEAN_LINE);
    if (action.len > 0) {
        hl_str_add_text(out, " (");
        hl_str_add_clean(out, hl_str_view(&action), HL_CLEAN_LINE);
        hl_str_add_char(out, ')');
    }
    hl_str_done(&value);
    hl_str_done(&reason);
    hl_str_done(&action);
}

void hl_log_format_line(hl_log_format format, int64_t wall_ms, hl_log_level level, const char *component,
                        const char *event, const char *fields, hl_str *out) {
    if (format == HL_LOG_JSON) {
        hl_str_add_text(out, "{\"time\":\"");
        add_time(out, wall_ms);
        hl_str_add_format(out, "\",\"level\":\"%s\",\"component\":", level_name(level));
        hl_str_add_json(out, hl_view_of(component));
        hl_str_add_text(out, ",\"event\":");
        hl_str_add_json(out, hl_view_of(event));
        add_json_fields(out, fields ? fields : "");
        hl_str_add_char(out, '}');
        return;
    }
    add_time(out, wall_ms);
    hl_str_add_format(out, " %c %s %s", (unsigned)level <= HL_LOG_TRACE ? level_letters[level] : '?',
                      component, event);
    if (!fields || !*fields) return;
    hl_str_add_char(out, ' ');
    hl_str_add_clean(out, hl_view_of(fields), HL_CLEAN_LINE);
}

void hl_log_write(void *user, hl_log_level level, const char *component, const char *event,
                  const char *fields) {
    const hl_log *log = user;
    if (!log || log->fd < 0 || level > __atomic_load_n(&log->level, __ATOMIC_RELAXED)) return;
    hl_str line;
    hl_str_init(&line, MAX_LINE_BYTES);
    hl_log_format_line(log->format, hl_clock_wall_ms(), level, component, event, fields, &line);
    if (line.failed) { /* too long, or no memory: say at least what happened */
        hl_str_clear(&line);
        hl_log_format_line(log->format, hl_clock_wall_ms(), level, component, event, "cut=true", &line);
    }
    hl_str_add_char(&line, '\n');
    const int   saved = errno;
    const char *p = hl_str_text(&line);
    size_t      left = line.len;
    while (left > 0) {
        const ssize_t n = write(log->fd, p, left);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) break;
        p += n;
        left -= (size_t)n;
    }
    errno = saved;
    hl_str_done(&line);
}
