/* SPDX-License-Identifier: MIT
 *
 * quantize_act_neon.c - a row of activations to int8 with a scale and sums, 32 columns at a time.
 */
#include "engine/kernels/arm/vec_arm.h"

/* 4 codes as 32-bit integers. */
HL_INLINE int32x4_t codes_4(float32x4_t x, float32x4_t d) {
    const float32x4_t y = vmaxq_f32(vdivq_f32(x, d), vdupq_n_f32(-127.0f));
    return vcvtnq_s32_f32(vminq_f32(y, vdupq_n_f32(127.0f)));
}

void hl_quantize_act_neon(size_t n, const float *x, int8_t *ret_q, float *ret_d, int16_t *ret_sum16) {
    for (size_t i = 0; i < n / 32; i++) {
        float32x4_t v[8];
        uint32x4_t  max = vdupq_n_u32(0);
        for (size_t j = 0; j < 8; j++) {
            v[j] = vld1q_f32(x + i * 32 + j * 4);
            max = vmaxq_u32(max, abs_bits_4(v[j]));
        }
        float d = vmaxvq_f32(vreinterpretq_f32_u32(max)) / 127.0f;
        if (!are_finite_4(max)) {
            d = NAN;
            for (size_t j = 0; j < 8; j++) v[j] = vdupq_n_f32(0);
        }
        /* Codes of a group of zeros: 0 / infinity. */
        const float32x4_t d4 = vdupq_n_f32(d > 0.0f ? d : INFINITY);
        for (size_t j = 0; j < 2; j++) {
            const int16x8_t a =
                vcombine_s16(vmovn_s32(codes_4(v[j * 4], d4)), vmovn_s32(codes_4(v[j * 4 + 1], d4)));
            const int16x8_t b =
                vcombine_s16(vmovn_s32(codes_4(v[j * 4 + 2], d4)), vmovn_s32(codes_4(v[j * 4 + 3], d4)));
            vst1q_s8(ret_q + i * 32 + j * 16, vcombine_s8(vmovn_s16(a), vmovn_s16(b)));
            ret_sum16[i * 2 + j] = vaddvq_s16(vaddq_s16(a, b));
        }
        ret_d[i] = d;
    }
}
