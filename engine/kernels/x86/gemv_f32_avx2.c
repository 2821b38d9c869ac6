/* SPDX-License-Identifier: MIT
 *
 * gemv_f32_avx2.c - y = W x, W in f32, for CPUs with AVX2 + FMA + F16C (floats_avx2.h).
 *
 * exact?   yes: the bits of the scalar definition
 */
#include "engine/kernels/kernel_list.h"
#include "engine/kernels/x86/floats_avx2.h"

void hl_gemv_f32_avx2(size_t n_rows, const void *w, size_t row_bytes, const hl_act *x, float *y,
                      size_t y_stride) {
    const float_kind kind = {4, 4, false, load_half_f32, load_half_f32};
    gemv_floats(n_rows, w, row_bytes, x, x->f32, y, y_stride, &kind);
}
