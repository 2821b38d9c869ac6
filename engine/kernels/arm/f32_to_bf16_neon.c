/* SPDX-License-Identifier: MIT
 *
 * f32_to_bf16_neon.c - a row of f32 to bf16, 4 at a time.
 */
#include "engine/kernels/arm/vec_arm.h"

void hl_f32_to_bf16_neon(size_t n, const float *x, uint16_t *ret_y) {
    size_t i = 0;
    for (; i + 4 <= n; i += 4) {
        const float32x4_t f = vld1q_f32(x + i);
        const uint32x4_t  u = vreinterpretq_u32_f32(f), high = vshrq_n_u32(u, 16);
        const uint32x4_t  odd = vandq_u32(high, vdupq_n_u32(1));
        const uint32x4_t  y = vshrq_n_u32(vaddq_u32(vaddq_u32(u, vdupq_n_u32(0x7fff)), odd), 16);
        const uint32x4_t  quiet = vorrq_u32(high, vdupq_n_u32(0x40));
        vst1_u16(ret_y + i, vmovn_u32(vbslq_u32(vceqq_f32(f, f), y, quiet)));
    }
    for (; i < n; i++) ret_y[i] = hl_bf16_of_f32(x[i]);
}
