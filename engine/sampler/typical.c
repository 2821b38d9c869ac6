/* SPDX-License-Identifier: MIT
 *
 * typical.c - the candidates whose surprise is nearest to the expected one, up to probability p.
 * from: Meister et al., "Locally Typical Sampling", 2022
 */
#include <math.h>

#include "engine/sampler/filters.h"

size_t hl_typical(hl_candidate *c, size_t n, float p) {
    if (p >= 1 || n <= 1) return n;
    const double sum = hl_weigh(c, n, 1);
    if (!(sum > 0)) return n;
    double entropy = 0;
    for (size_t i = 0; i < n; i++) {
        const double q = c[i].weight / sum;
        if (q > 0) entropy -= q * log(q);
    }
    for (size_t i = 0; i < n; i++) {
        const double q = c[i].weight / sum;
        c[i].key = q > 0 ? (float)-fabs(-log(q) - entropy) : -INFINITY;
    }
    return hl_keep_mass(c, n, p * sum);
}
