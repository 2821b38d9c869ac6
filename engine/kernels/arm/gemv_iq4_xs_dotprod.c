/* SPDX-License-Identifier: MIT
 *
 * gemv_iq4_xs_dotprod.c - y = W x, W in iq4_xs, for arm64 with dot products: four rows at a time, a lane is a
 * row.
 *
 * method   gemv_dotprod.h (SDOT)
 * exact?   yes: the bits of the scalar definition
 */
#include "engine/kernels/arm/gemv_dotprod.h"
#include "engine/kernels/kernel_list.h"

void hl_gemv_iq4_xs_dotprod(size_t n_rows, const void *w, size_t row_bytes, const hl_act *x, float *y,
                            size_t y_stride) {
    hl_gemv_blocks_dotprod(n_rows, w, row_bytes, x, y, y_stride, HL_ROWS4(iq4_xs, 8));
}
