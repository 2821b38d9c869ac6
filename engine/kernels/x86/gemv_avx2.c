/* SPDX-License-Identifier: MIT
 *
 * gemv_avx2.c - y = W x for CPUs with AVX2 + FMA + F16C: eight rows at a time, a lane is a row. Compiled once
 * per weight type.
 *
 * method   strips8_avx2.h, blocks8_avx2.h
 * exact?   yes: the bits of the scalar definition
 */
#include "engine/kernels/wtype.h"
#include "engine/kernels/x86/blocks8_avx2.h"

void HL_KERNEL_NAME(gemv, avx2)(size_t n_rows, const void *w, size_t row_bytes, const hl_act *x, float *y,
                                size_t y_stride) {
    const strips8 type = {HL_TYPED(HL_BLOCK_BYTES), HL_TYPED(HL_BLOCK_GROUPS), HL_KERNEL_NAME(gemv, scalar)};
    gemv_strips8(n_rows, w, row_bytes, x, y, y_stride, &type, HL_TYPED(block8));
}
