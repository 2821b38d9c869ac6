/* SPDX-License-Identifier: MIT
 *
 * top_p.c - nucleus: the most likely candidates that together have probability p.
 * from: Holtzman et al., "The Curious Case of Neural Text Degeneration", 2019
 */
#include "engine/sampler/filters.h"

size_t hl_filter_top_p(hl_candidate *c, size_t n, hl_filter_ctx *x) {
    const float p = x->p->top_p;
    if (p >= 1 || n <= 1) return n;
    const double sum = hl_weigh(c, n, 1);
    for (size_t i = 0; i < n; i++) c[i].key = c[i].logit;
    return hl_keep_mass(c, n, p * sum);
}
