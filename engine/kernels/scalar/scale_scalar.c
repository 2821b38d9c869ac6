/* SPDX-License-Identifier: MIT
 *
 * scale_scalar.c - y = x * s.
 */
#include "engine/kernels/kernel_list.h"

void hl_scale_scalar(size_t n, const float *x, float s, float *ret_y) {
    for (size_t i = 0; i < n; i++) ret_y[i] = x[i] * s;
}
