/* SPDX-License-Identifier: MIT
 *
 * l2norm_scalar.c - a row over its length: the definition.
 */
#include "engine/kernels/state.h"

#include <math.h>

#include "engine/kernels/scalar/lanes_scalar.h"

void hl_l2norm_scalar(size_t n, const float *x, float eps, float *ret_y) {
    float lane[16] = {0};
    for (size_t i = 0; i < n; i++) lane[i % 16] = fmaf(x[i], x[i], lane[i % 16]);
    const float length = sqrtf(lanes_sum(lane));
    const float r = 1.0f / (length < eps ? eps : length);
    for (size_t i = 0; i < n; i++) ret_y[i] = x[i] * r;
}
