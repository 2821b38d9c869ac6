/* SPDX-License-Identifier: MIT
 *
 * layernorm_scalar.c - layer norm of a row: the definition.
 */
#include "engine/kernels/kernel_list.h"

#include <math.h>

#include "engine/kernels/scalar/lanes_scalar.h"

void hl_layernorm_scalar(size_t n, const float *x, const float *weight, const float *bias, float eps,
                         float *ret_y) {
    float sums[16] = {0}, squares[16] = {0};
    for (size_t i = 0; i < n; i++) sums[i % 16] += x[i];
    const float mean = lanes_sum(sums) / (float)n;
    for (size_t i = 0; i < n; i++) {
        const float d = x[i] - mean;
        squares[i % 16] = fmaf(d, d, squares[i % 16]);
    }
    const float r = 1.0f / sqrtf(lanes_sum(squares) / (float)n + eps);
    for (size_t i = 0; i < n; i++) {
        const float y = (x[i] - mean) * r;
        ret_y[i] = bias ? fmaf(y, weight[i], bias[i]) : y * weight[i];
    }
}
