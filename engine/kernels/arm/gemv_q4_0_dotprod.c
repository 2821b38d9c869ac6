/* SPDX-License-Identifier: MIT
 *
 * gemv_q4_0_dotprod.c - y = W x, W in q4_0, for arm64 with dot products: four rows at a time, a lane is a
 * row.
 *
 * method   gemv_dotprod.h (SDOT)
 * exact?   yes: the bits of the scalar definition
 */
#include "engine/kernels/arm/gemv_dotprod.h"
#include "engine/kernels/kernel_list.h"

void hl_gemv_q4_0_dotprod(size_t n_rows, const void *w, size_t row_bytes, const hl_act *x, float *y,
                          size_t y_stride) {
    hl_gemv_blocks_dotprod(n_rows, w, row_bytes, x, y, y_stride, HL_ROWS4(q4_0, 1));
}
