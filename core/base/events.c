/* SPDX-License-Identifier: MIT
 *
 * events.c - format one event and hand it to the sink.
 */
#include "core/base/events.h"

#include <stdio.h>

enum { MAX_FIELDS_BYTES = 2048 }; /* a longer line is cut: events are for people and grep, not for data */

void hl_event(const hl_events *ev, hl_log_level level, const char *component, const char *event,
              const char *fmt, ...) {
    if (!ev || !ev->fn || level > __atomic_load_n(&ev->level, __ATOMIC_RELAXED)) return;
    char    fields[MAX_FIELDS_BYTES];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(fields, sizeof fields, fmt, args);
    va_end(args);
    ev->fn(ev->user, level, component, event, fields);
}
