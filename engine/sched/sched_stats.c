/* SPDX-License-Identifier: MIT
 *
 * sched_stats.c - a histogram of the times between two tokens: eight buckets for each doubling, from 16 us
 * on.
 */
#include <math.h>

#include "engine/sched/sched_priv.h"

enum { FIRST_NS = 16000, PER_DOUBLING = 8 };

void hl_itl_add(uint64_t *itl, int64_t ns) {
    const double at = ns > FIRST_NS ? log2((double)ns / FIRST_NS) * PER_DOUBLING : 0;
    itl[at < HL_ITL_BUCKETS - 1 ? (int)at : HL_ITL_BUCKETS - 1]++;
}

double hl_itl_quantile_ms(const uint64_t *itl, double share) {
    uint64_t n = 0, below = 0;
    for (int i = 0; i < HL_ITL_BUCKETS; i++) n += itl[i];
    if (n == 0) return 0;
    int i = 0;
    while (i < HL_ITL_BUCKETS - 1 && (double)(below += itl[i]) < share * (double)n) i++;
    return FIRST_NS * exp2((i + 0.5) / PER_DOUBLING) / 1e6;
}
