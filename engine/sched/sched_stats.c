/* SPDX-License-Identifier: MIT
 *
 * sched_stats.c - a histogram of the times between two tokens: eight buckets for each doubling, from 16 us on.
 */
#include <math.h>

#include "engine/sched/sched_priv.h"

enum { FIRST_NS = 16000, PER_DOUBLING = 8 };

void hl_gap_add(uint64_t *gaps, int64_t ns) {
    const double at = ns > FIRST_NS ? log2((double)ns / FIRST_NS) * PER_DOUBLING : 0;
    gaps[at < HL_GAP_BUCKETS - 1 ? (int)at : HL_GAP_BUCKETS - 1]++;
}

double hl_gap_quantile_ms(const uint64_t *gaps, double share) {
    uint64_t n = 0, below = 0;
    for (int i = 0; i < HL_GAP_BUCKETS; i++) n += gaps[i];
    if (n == 0) return 0;
    int i = 0;
    while (i < HL_GAP_BUCKETS - 1 && (double)(below += gaps[i]) < share * (double)n) i++;
    return FIRST_NS * exp2((i + 0.5) / PER_DOUBLING) / 1e6;
}
