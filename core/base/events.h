/* SPDX-License-Identifier: MIT
 *
 * events.h - how libraries say what happens without printing it.
 *
 * core, engine, models and host emit events to a sink that was given at init; NULL means silence.
 * Only programs format and print (core/base/log.h is the formatter they use).
 */
#ifndef HL_CORE_BASE_EVENTS_H
#define HL_CORE_BASE_EVENTS_H

#include "hyperlama/base.h"

typedef enum hl_log_level { HL_LOG_ERROR, HL_LOG_WARN, HL_LOG_INFO, HL_LOG_DEBUG, HL_LOG_TRACE } hl_log_level;

/* component "engine", event "model-loaded", fields "layers=30 ms=12" (logfmt). Called from any thread. */
typedef void hl_event_fn(void *user, hl_log_level level, const char *component, const char *event,
                         const char *fields);

typedef struct hl_events {
    hl_event_fn *fn; /* NULL: silence */
    void        *user;
    hl_log_level level; /* events above it are not even formatted; may change at any time, atomically */
} hl_events;

/* Format and send one event; `ev` may be NULL. */
void hl_event(const hl_events *ev, hl_log_level level, const char *component, const char *event,
              const char *fmt, ...) HL_PRINTF(5, 6);

#endif
