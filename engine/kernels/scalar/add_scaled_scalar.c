/* SPDX-License-Identifier: MIT
 *
 * add_scaled_scalar.c - y = b * s + a, rounded once.
 */
#include <math.h>

#include "engine/kernels/kernel_list.h"

void hl_add_scaled_scalar(size_t n, const float *a, const float *b, float s, float *ret_y) {
    for (size_t i = 0; i < n; i++) ret_y[i] = fmaf(b[i], s, a[i]);
}
