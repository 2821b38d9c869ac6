/* SPDX-License-Identifier: MIT
 *
 * log.h - one event per line, for a person, for grep and for a dashboard.
 *
 * The sink of core/base/events.h that programs use: it formats an event as logfmt or JSON and writes
 * it to a file descriptor with a single write(2), so that lines of many threads never mix.
 */
#ifndef HL_CORE_BASE_LOG_H
#define HL_CORE_BASE_LOG_H

#include "core/base/events.h"
#include "core/base/str.h"

typedef enum hl_log_format { HL_LOG_LOGFMT, HL_LOG_JSON } hl_log_format;

typedef struct hl_log {
    int           fd; /* -1: nothing is written */
    hl_log_level  level;
    hl_log_format format;
} hl_log;

/* Where events go: pass the result to whatever takes hl_events. `log` must outlive it. */
hl_events hl_log_events(hl_log *log);

/* The sink itself; `log` is an hl_log. Never fails: a line that cannot be written is lost. */
void hl_log_write(void *log, hl_log_level level, const char *component, const char *event,
                  const char *fields);

/* Append one line without its newline. `fields` is cleaned as core/base/clean.h says. */
void hl_log_format_line(hl_log_format format, int64_t wall_ms, hl_log_level level, const char *component,
                        const char *event, const char *fields, hl_str *out);

/* Append an event in words, for somebody who does not read logs: what happened, the values, the reason, and
 * in brackets what was done about it. Keys that say no more than their value (path, name, model, what) are
 * left out; where a reason (why, reason) stands alone, it says it all. Cleaned like a line. */
void hl_log_format_words(const char *event, const char *fields, hl_str *out);

/* Append a logfmt value: as it is when it needs no quotes, else quoted and escaped. */
void hl_log_add_value(hl_str *out, hl_view value);

bool hl_log_level_parse(const char *text, hl_log_level *ret_level); /* "error" .. "trace", or 0..4 */

#endif
