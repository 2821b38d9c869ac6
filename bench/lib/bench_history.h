/* SPDX-License-Identifier: MIT
 *
 * bench_history.h - earlier benchmark results of a model on this machine, as runs that can be compared.
 */
#ifndef HL_BENCH_LIB_BENCH_HISTORY_H
#define HL_BENCH_LIB_BENCH_HISTORY_H

#include "models/models.h"

enum { HL_BENCH_MAX_HISTORY = 100 /* runs */ };

/* What was measured at the same time. */
typedef struct hl_bench_run {
    const hl_bench_result *rows; /* [n], n > 0, of the history */
    size_t                 n;
} hl_bench_run;

typedef struct hl_bench_runs {
    hl_bench_run v[HL_BENCH_MAX_HISTORY]; /* [n], oldest first */
    size_t       n;
} hl_bench_runs;

/* in     h  must outlive the runs */
void hl_bench_runs_split(const hl_bench_history *h, hl_bench_runs *ret);

/* NULL: the run has no such row. */
const hl_bench_result *hl_bench_run_find(const hl_bench_run *r, const char *metric, int64_t n);

/* The value over that of the latest run before number `at` with the same threads, instruction sets and cache
 * type; 0: there is none. */
double hl_bench_runs_ratio(const hl_bench_runs *all, size_t at, const hl_bench_result *row);

/* Is this the first time that the measurement appears in the runs from `first` on? */
bool hl_bench_runs_is_new(const hl_bench_runs *all, size_t first, size_t at, const hl_bench_result *row);

#endif
