/* SPDX-License-Identifier: MIT
 *
 * dynatemp.c - a temperature that follows the entropy: cool where the model is sure, warm where it is not.
 * from: kalomaze, "Dynamic temperature sampling", 2023 (as in llama.cpp's temp_ext)
 */
#include <math.h>

#include "engine/sampler/filters.h"

float hl_dynamic_temperature(hl_candidate *c, size_t n, const hl_sampler_params *p) {
    if (p->dynatemp_range <= 0 || n <= 1) return p->temperature;
    const float  least = p->temperature > p->dynatemp_range ? p->temperature - p->dynatemp_range : 0;
    const float  most = p->temperature + p->dynatemp_range;
    const double sum = hl_weigh(c, n, 1);
    double       entropy = 0;
    if (!(sum > 0)) return p->temperature;
    for (size_t i = 0; i < n; i++) {
        const double q = c[i].weight / sum;
        if (q > 0) entropy -= q * log(q);
    }
    const double share = entropy / log((double)n); /* of the entropy of candidates that are all as likely */
    return least + (most - least) * (float)pow(share, (double)p->dynatemp_exponent);
}
