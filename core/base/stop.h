/* SPDX-License-Identifier: MIT
 *
 * stop.h - asked to stop? For every loop whose length a file or a text decides.
 *
 * Whoever calls the library says once per thread which flag counts (hl_stop_watch() in hyperlama/base.h); the
 * program's signal handler sets that flag. Code deep inside looks with hl_stop_asked() and fails with
 * HL_E_CANCEL; nobody passes the flag through. A look costs two reads, so one per few microseconds of work
 * (some hundred tokens, nodes, words, a block of a file) is free, and whoever looks at least every 100 ms
 * keeps the promise: a signal ends any work within a second. Threads of the library's own (pool, scheduler)
 * watch no flag: they are stopped through hl_runner_stop() and hl_session_stop().
 */
#ifndef HL_CORE_BASE_STOP_H
#define HL_CORE_BASE_STOP_H

#include "hyperlama/base.h"

/* Has this thread's caller asked to stop? False without a flag. */
bool hl_stop_asked(void);

/* The flag itself, for work that is handed to other threads; NULL: none is watched. */
const volatile int *hl_stop_watched(void);
static inline bool  hl_stop_is_set(const volatile int *flag) {
     return flag && __atomic_load_n(flag, __ATOMIC_RELAXED) != 0;
}

/* HL_OK, or HL_E_CANCEL with the text "DOING: stopped", when it has.
 *
 *     for (size_t i = 0; i < n; i++) {
 *         if (i % 1024 == 0 && (status = hl_stop_check("read the vocabulary", err)) != HL_OK) return status;
 */
HL_MUST_CHECK hl_status hl_stop_check(const char *doing, hl_err *err);

#endif
