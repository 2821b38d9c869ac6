/* SPDX-License-Identifier: MIT
 *
 * gemv_q6_k_i8mm.c - y = W x, W in q6_k, for arm64 CPUs with int8 matrix products: four rows at a time, a lane is a row.
 *
 * method   gemv_i8mm.h (SMMLA, one token by SDOT)
 * exact?   yes: the bits of the scalar definition
 */
#include "engine/kernels/arm/gemv_i8mm.h"
#include "engine/kernels/kernel_list.h"

void hl_gemv_q6_k_i8mm(size_t n_rows, const void *w, size_t row_bytes, const hl_act *x, float *y, size_t y_stride) {
    hl_gemv_blocks_i8mm(n_rows, w, row_bytes, x, y, y_stride, HL_ROWS4(q6_k, 8));
}
