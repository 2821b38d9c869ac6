/* SPDX-License-Identifier: MIT
 *
 * f32_to_f16_neon.c - a row of f32 to f16, 4 at a time.
 */
#include "engine/kernels/arm/vec_arm.h"

void hl_f32_to_f16_neon(size_t n, const float *x, uint16_t *ret_y) {
    size_t i = 0;
    for (; i + 4 <= n; i += 4) vst1_u16(ret_y + i, vreinterpret_u16_f16(vcvt_f16_f32(vld1q_f32(x + i))));
    for (; i < n; i++) ret_y[i] = hl_f16_of_f32(x[i]);
}
