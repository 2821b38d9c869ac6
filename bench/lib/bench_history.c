/* SPDX-License-Identifier: MIT
 *
 * bench_history.c - results that lie side by side are a run.
 */
#include "bench/lib/bench_history.h"

#include <string.h>

void hl_bench_runs_split(const hl_bench_history *h, hl_bench_runs *ret) {
    ret->n = 0;
    for (size_t i = 0; i < h->n; i++) {
        if (i == 0 || h->results[i].date_ms != h->results[i - 1].date_ms) {
            if (ret->n == HL_BENCH_MAX_HISTORY) return;
            ret->v[ret->n++] = (hl_bench_run){.rows = &h->results[i], .n = 0};
        }
        ret->v[ret->n - 1].n++;
    }
}

const hl_bench_result *hl_bench_run_find(const hl_bench_run *r, const char *metric, int64_t n) {
    for (size_t i = 0; i < r->n; i++)
        if (r->rows[i].n == n && strcmp(r->rows[i].metric, metric) == 0) return &r->rows[i];
    return NULL;
}

static bool has_same_setup(const hl_bench_result *a, const hl_bench_result *b) {
    return a->n_threads == b->n_threads && strcmp(a->isa, b->isa) == 0 && strcmp(a->kv_type, b->kv_type) == 0;
}

double hl_bench_runs_ratio(const hl_bench_runs *all, size_t at, const hl_bench_result *row) {
    while (at-- > 0) {
        const hl_bench_result *before =
            has_same_setup(all->v[at].rows, row) ? hl_bench_run_find(&all->v[at], row->metric, row->n) : NULL;
        if (before) return before->value > 0 ? row->value / before->value : 0;
    }
    return 0;
}

bool hl_bench_runs_is_new(const hl_bench_runs *all, size_t first, size_t at, const hl_bench_result *row) {
    for (size_t i = first; i < at; i++)
        if (hl_bench_run_find(&all->v[i], row->metric, row->n)) return false;
    return hl_bench_run_find(&all->v[at], row->metric, row->n) == row;
}
