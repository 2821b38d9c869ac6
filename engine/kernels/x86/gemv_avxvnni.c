/* SPDX-License-Identifier: MIT
 *
 * gemv_avxvnni.c - y = W x for few tokens: eight rows side by side, 256-bit vpdpbusd. Compiled once per
 * weight type.
 *
 * method   gemv_dot_avx2.h
 * exact?   yes: the bits of the scalar definition
 * limit    memory
 */
#define HL_DOT(acc, w, x) _mm256_dpbusd_avx_epi32(acc, w, x)
#include "engine/kernels/wtype.h"
#include "engine/kernels/x86/gemv_dot_avx2.h"

void HL_KERNEL_NAME(gemv, avxvnni)(size_t n_rows, const void *w, size_t row_bytes, const hl_act *x, float *y,
                                   size_t y_stride) {
    const hl_code_format f = HL_WTYPE_FORMAT;
    const kind8          kind = {0, f.group, f.has_min, HL_TYPED(HL_BLOCK_BYTES), HL_TYPED(HL_BLOCK_GROUPS)};
    if (x->n_tokens == 1 && HL_TYPED(ONE_BY_AVX2))
        HL_KERNEL_NAME(gemv, avx2)(n_rows, w, row_bytes, x, y, y_stride);
    else
        gemv_dot(kind, f.offset, HL_TYPED(decode8), HL_KERNEL_NAME(gemv, scalar), n_rows, w, row_bytes, x, y,
                 y_stride);
}
