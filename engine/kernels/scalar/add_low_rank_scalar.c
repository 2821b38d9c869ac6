/* SPDX-License-Identifier: MIT
 *
 * add_low_rank_scalar.c - an adapter's share of some results, one inner value after the other.
 */
#include <math.h>

#include "engine/kernels/kernel_list.h"

void hl_add_low_rank_scalar(size_t n, size_t rank, const float *b, size_t b_stride, const float *u, float s,
                            float *y) {
    for (size_t k = 0; k < rank; k++) {
        const float share = u[k] * s;
        for (size_t i = 0; i < n; i++) y[i] = fmaf(b[k * b_stride + i], share, y[i]);
    }
}
