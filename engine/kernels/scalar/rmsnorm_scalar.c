/* SPDX-License-Identifier: MIT
 *
 * rmsnorm_scalar.c - root mean square norm of a row: the definition.
 */
#include "engine/kernels/kernel_list.h"

#include <math.h>

#include "engine/kernels/scalar/lanes_scalar.h"

void hl_rmsnorm_scalar(size_t n, const float *x, const float *weight, float eps, float *ret_y) {
    float lane[16] = {0};
    for (size_t i = 0; i < n; i++) lane[i % 16] = fmaf(x[i], x[i], lane[i % 16]);
    const float r = 1.0f / sqrtf(lanes_sum(lane) / (float)n + eps);
    for (size_t i = 0; i < n; i++) {
        const float y = x[i] * r;
        ret_y[i] = weight ? y * weight[i] : y;
    }
}
