/* SPDX-License-Identifier: MIT
 *
 * stop.c - which flag this thread watches.
 */
#include "core/base/stop.h"

static _Thread_local const volatile int *watched;

const volatile int *hl_stop_watch(const volatile int *flag) {
    const volatile int *before = watched;
    watched = flag;
    return before;
}

const volatile int *hl_stop_watched(void) { return watched; }
bool                hl_stop_asked(void) { return hl_stop_is_set(watched); }

hl_status hl_stop_check(const char *doing, hl_err *err) {
    return hl_stop_asked() ? hl_fail(err, HL_E_CANCEL, "%s: stopped", doing) : HL_OK;
}
