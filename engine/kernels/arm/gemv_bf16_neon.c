/* SPDX-License-Identifier: MIT
 *
 * gemv_bf16_neon.c - y = W x, W in bf16, for any arm64 CPU (floats_neon.h).
 *
 * exact?   yes: the bits of the scalar definition
 */
#include "engine/kernels/arm/floats_neon.h"

void hl_gemv_bf16_neon(size_t n_rows, const void *w, size_t row_bytes, const hl_act *x, float *y,
                       size_t y_stride) {
    const float_kind kind = {2, 2, load8_bf16, load8_bf16};
    gemv_floats(n_rows, w, row_bytes, x, x->bf16, y, y_stride, &kind);
}
