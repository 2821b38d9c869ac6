/* SPDX-License-Identifier: MIT
 *
 * mul_scalar.c - y = a * b.
 */
#include "engine/kernels/state.h"

void hl_mul_scalar(size_t n, const float *a, const float *b, float *ret_y) {
    for (size_t i = 0; i < n; i++) ret_y[i] = a[i] * b[i];
}
