/* SPDX-License-Identifier: MIT
 *
 * min_p.c - drop what is less than p times as likely as the most likely candidate.
 * from: Nguyen et al., "Turning Up the Heat: Min-p Sampling", 2024
 */
#include <math.h>

#include "engine/sampler/filters.h"

size_t hl_filter_min_p(hl_candidate *c, size_t n, hl_filter_ctx *x) {
    const float p = x->p->min_p;
    if (p <= 0 || n <= 1) return n;
    float max = -INFINITY;
    for (size_t i = 0; i < n; i++)
        if (c[i].logit > max) max = c[i].logit;
    const double bar = (double)max + log((double)p);
    size_t       kept = 0;
    for (size_t i = 0; i < n; i++)
        if (c[i].logit >= bar) c[kept++] = c[i];
    return kept;
}
