/* SPDX-License-Identifier: MIT
 *
 * top_n_sigma.c - the candidates whose logit is within n standard deviations of the largest; noise has a
 * bell's shape.
 * from: Tang et al., "Top-nσ: Not All Logits Are You Need", 2024
 */
#include <math.h>

#include "engine/sampler/filters.h"

/* Of all logits that are numbers; those that are banned do not count. */
static float lower_bound(const hl_filter_ctx *x) {
    double  sum = 0, squares = 0, max = -INFINITY;
    int32_t n = 0;
    for (int32_t i = 0; i < x->n_vocab; i++) {
        const double v = hl_clean_logit(x->logits[i]);
        if (!(v > -INFINITY)) continue;
        if (v > max) max = v;
        sum += v;
        n++;
    }
    const double mean = n > 0 ? sum / n : 0;
    for (int32_t i = 0; i < x->n_vocab; i++) {
        const double v = hl_clean_logit(x->logits[i]);
        if (v > -INFINITY) squares += (v - mean) * (v - mean);
    }
    return (float)(max - (double)x->p->top_n_sigma * sqrt(n > 0 ? squares / n : 0));
}

size_t hl_filter_top_n_sigma(hl_candidate *c, size_t n, hl_filter_ctx *x) {
    if (x->p->top_n_sigma <= 0 || n <= 1) return n;
    const float least = lower_bound(x);
    size_t      kept = 0;
    for (size_t i = 0; i < n; i++)
        if (c[i].logit >= least) c[kept++] = c[i];
    return kept > 0 ? kept : n; /* infinities: there is no deviation */
}
