/* SPDX-License-Identifier: MIT
 *
 * gemv_q4_k_neon.c - y = W x, W in q4_k, for any arm64 CPU: four rows at a time, a lane is a row.
 *
 * method   gemv_neon.h (widening multiplications)
 * exact?   yes: the bits of the scalar definition
 */
#include "engine/kernels/arm/gemv_neon.h"
#include "engine/kernels/kernel_list.h"

void hl_gemv_q4_k_neon(size_t n_rows, const void *w, size_t row_bytes, const hl_act *x, float *y,
                       size_t y_stride) {
    hl_gemv_blocks_neon(n_rows, w, row_bytes, x, y, y_stride, HL_ROWS4(q4_k, 8));
}
