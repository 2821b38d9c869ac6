/* SPDX-License-Identifier: MIT
 *
 * softmax_scalar.c - x = softmax(x * s + bias), in place: the definition.
 */
#include "engine/kernels/kernel_list.h"

#include "engine/kernels/exp_approx.h"
#include "engine/kernels/scalar/lanes_scalar.h"

void hl_softmax_scalar(size_t n, float *x, float s, const float *bias) {
    float max = -INFINITY;
    for (size_t i = 0; i < n; i++) {
        x[i] = bias ? fmaf(x[i], s, bias[i]) : x[i] * s;
        max = fmaxf(max, x[i]);
    }
    if (max == -INFINITY) max = 0.0f; /* everything masked: zeros below instead of NaN */

    float lane[16] = {0};
    for (size_t i = 0; i < n; i++) {
        x[i] = hl_exp_approx(x[i] - max);
        lane[i % 16] += x[i];
    }
    const float sum = lanes_sum(lane);
    const float inverse = sum > 0.0f ? 1.0f / sum : 0.0f;
    for (size_t i = 0; i < n; i++) x[i] *= inverse;
}
