/* SPDX-License-Identifier: MIT
 *
 * gemv_q2_k_avx2.c - y = W x, W in q2_k, for CPUs with AVX2 + FMA + F16C: eight rows at a time, a lane is a
 * row.
 *
 * method   strips8_avx2.h; sums of 16 products stay within 16 bits (codes up to 3)
 * exact?   yes: the bits of the scalar definition
 */
#include "engine/kernels/kernel_list.h"
#include "engine/kernels/x86/blocks8_avx2.h"
#include "engine/quant/q2_k.h"

void hl_gemv_q2_k_avx2(size_t n_rows, const void *w, size_t row_bytes, const hl_act *x, float *y,
                       size_t y_stride) {
    const hl_strips8 type = {sizeof(hl_block_q2_k), 8, hl_gemv_q2_k_scalar};
    hl_gemv_strips8(n_rows, w, row_bytes, x, y, y_stride, &type, hl_block8_q2_k);
}
