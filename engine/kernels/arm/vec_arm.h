/* SPDX-License-Identifier: MIT
 *
 * vec_arm.h - exp_approx.h and act_approx.h for vectors of 4, the same bits; loads and stores of the last few
 * elements of a row; and sums in the lane order of kernels.h.
 *
 * n_left is the number of elements from p on; lanes past it read as 0 and are not written.
 */
#ifndef HL_ENGINE_KERNELS_ARM_VEC_ARM_H
#define HL_ENGINE_KERNELS_ARM_VEC_ARM_H

#include <arm_neon.h>

#include "engine/kernels/act_approx.h"
#include "engine/kernels/kernel_list.h"
#include "engine/kernels/unroll.h"

HL_INLINE float32x4_t load_part_4(const float *p, size_t n_left) {
    if (n_left >= 4) return vld1q_f32(p);
    float x[4] = {0};
    for (size_t i = 0; i < n_left; i++) x[i] = p[i];
    return vld1q_f32(x);
}

HL_INLINE void store_part_4(float *p, size_t n_left, float32x4_t x) {
    if (n_left >= 4) {
        vst1q_f32(p, x);
        return;
    }
    float y[4];
    vst1q_f32(y, x);
    for (size_t i = 0; i < n_left; i++) p[i] = y[i];
}

/* Lanes below n_left, as all ones. */
HL_INLINE uint32x4_t mask_4(size_t n_left) {
    static const uint32_t index[4] = {0, 1, 2, 3};
    return vcltq_u32(vld1q_u32(index), vdupq_n_u32(n_left < 4 ? (uint32_t)n_left : 4));
}

/* exp(r) - 1 of the reduced argument; n as integers. */
HL_INLINE float32x4_t exp_reduce_4(float32x4_t x, int32x4_t *ret_n) {
    const float32x4_t round = vdupq_n_f32(HL_EXP_ROUND);
    const float32x4_t t = vfmaq_f32(round, x, vdupq_n_f32(HL_EXP_LOG2E));
    *ret_n = vsubq_s32(vreinterpretq_s32_f32(t), vreinterpretq_s32_f32(round));
    const float32x4_t n = vsubq_f32(t, round);
    float32x4_t       r = vfmaq_f32(x, n, vdupq_n_f32(-HL_EXP_LN2_HI));
    r = vfmaq_f32(r, n, vdupq_n_f32(-HL_EXP_LN2_LO));
    float32x4_t p = vfmaq_f32(vdupq_n_f32(HL_EXP_P3), vdupq_n_f32(HL_EXP_P4), r);
    p = vfmaq_f32(vdupq_n_f32(HL_EXP_P2), p, r);
    p = vfmaq_f32(vdupq_n_f32(HL_EXP_P1), p, r);
    p = vfmaq_f32(vdupq_n_f32(HL_EXP_P0), p, r);
    return vfmaq_f32(r, p, vmulq_f32(r, r));
}

HL_INLINE float32x4_t exp_pow2_4(int32x4_t n) {
    return vreinterpretq_f32_s32(vshlq_n_s32(vaddq_s32(n, vdupq_n_s32(127)), 23));
}

HL_INLINE float32x4_t exp_4(float32x4_t x) {
    x = vmaxq_f32(vminq_f32(x, vdupq_n_f32(HL_EXP_HI)), vdupq_n_f32(HL_EXP_LO)); /* NaN stays */
    int32x4_t         n;
    const float32x4_t m = exp_reduce_4(x, &n);
    const int32x4_t   half = vshrq_n_s32(n, 1);
    const float32x4_t e = vmulq_f32(vaddq_f32(m, vdupq_n_f32(1.0f)), exp_pow2_4(half));
    return vmulq_f32(e, exp_pow2_4(vsubq_s32(n, half)));
}

HL_INLINE float32x4_t tanh_4(float32x4_t x) {
    const float32x4_t one = vdupq_n_f32(1.0f);
    const float32x4_t a = vminq_f32(vabsq_f32(x), vdupq_n_f32(HL_TANH_MAX));
    int32x4_t         n;
    const float32x4_t m = exp_reduce_4(vaddq_f32(a, a), &n);
    const float32x4_t s = exp_pow2_4(n);
    float32x4_t       e1 = vfmaq_f32(vsubq_f32(s, one), s, m);
    e1 = vdivq_f32(e1, vaddq_f32(e1, vdupq_n_f32(2.0f)));
    return vbslq_f32(vdupq_n_u32(0x80000000u), x, e1);
}

/* x / (1 + e^-y) */
HL_INLINE float32x4_t gate_4(float32x4_t x, float32x4_t y) {
    return vdivq_f32(x, vaddq_f32(vdupq_n_f32(1.0f), exp_4(vnegq_f32(y))));
}

HL_INLINE float32x4_t silu_4(float32x4_t x) { return gate_4(x, x); }

HL_INLINE float32x4_t gelu_4(float32x4_t x) {
    const float32x4_t cubic = vfmaq_f32(vdupq_n_f32(1.0f), vmulq_f32(x, x), vdupq_n_f32(HL_GELU_CUBIC));
    return gate_4(x, vmulq_f32(vmulq_f32(x, vdupq_n_f32(HL_GELU_2SQRT2PI)), cubic));
}

/* 16 lanes: added 8 apart, 4, 2, 1. */
HL_INLINE float sum_lanes_4(const float32x4_t *lanes) {
    const float32x4_t a = vaddq_f32(vaddq_f32(lanes[0], lanes[2]), vaddq_f32(lanes[1], lanes[3]));
    const float32x2_t b = vadd_f32(vget_low_f32(a), vget_high_f32(a));
    return vget_lane_f32(b, 0) + vget_lane_f32(b, 1);
}

/* Magnitudes as integers: in their order, infinities and NaN above all numbers. */
HL_INLINE uint32x4_t abs_bits_4(float32x4_t x) { return vreinterpretq_u32_f32(vabsq_f32(x)); }

HL_INLINE bool are_finite_4(uint32x4_t abs_bits) { return vmaxvq_u32(abs_bits) <= 0x7f7fffffu; }

#endif
