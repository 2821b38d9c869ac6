/* SPDX-License-Identifier: MIT
 *
 * gemv_bf16_avx2.c - y = W x, W in bf16, for CPUs with AVX2 + FMA + F16C (floats_avx2.h).
 *
 * exact?   yes: the bits of the scalar definition
 */
#include "engine/kernels/kernel_list.h"
#include "engine/kernels/x86/floats_avx2.h"

void hl_gemv_bf16_avx2(size_t n_rows, const void *w, size_t row_bytes, const hl_act *x, float *y,
                       size_t y_stride) {
    const float_kind kind = {2, 2, true, load_half_bf16, load_half_bf16};
    gemv_floats(n_rows, w, row_bytes, x, x->bf16, y, y_stride, &kind);
}
