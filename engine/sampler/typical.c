/* SPDX-License-Identifier: MIT
 *
 * typical.c - the candidates whose surprise is nearest to the expected one, up to probability p.
 * from: Meister et al., "Locally Typical Sampling", 2022
 */
#include <math.h>

#include "engine/sampler/filters.h"

size_t hl_filter_typical(hl_candidate *c, size_t n, hl_filter_ctx *x) {
    const float p = x->p->typical_p;
    if (p >= 1 || n <= 1) return n;
    const double sum = hl_weigh(c, n, 1);
    if (!(sum > 0)) return n;
    float  max = -INFINITY;
    double expected = 0; /* of the logit below the largest: surprise, but for the same constant everywhere */
    for (size_t i = 0; i < n; i++)
        if (c[i].logit > max) max = c[i].logit;
    for (size_t i = 0; i < n; i++)
        if (c[i].weight > 0) expected += (double)c[i].weight * (max - c[i].logit);
    expected /= sum;
    for (size_t i = 0; i < n; i++)
        c[i].key = c[i].weight > 0 ? -fabsf(max - c[i].logit - (float)expected) : -INFINITY;
    return hl_keep_mass(c, n, p * sum);
}
