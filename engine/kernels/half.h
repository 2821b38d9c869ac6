/* SPDX-License-Identifier: MIT
 *
 * half.h - single values between f32 and the two 16-bit float formats or small integers.
 *
 * Everything rounds to nearest even.
 *
 * from   IEEE 754-2019 binary16; bf16 is the upper half of an f32
 */
#ifndef HL_KERNELS_HALF_H
#define HL_KERNELS_HALF_H

#include "engine/kernels/exp_approx.h"

#define HL_F32_MAX  0x1.fffffep+127f /* largest finite numbers */
#define HL_F16_MAX  65504.0f
#define HL_BF16_MAX 0x1.fep+127f

/* x limited to [-max, max]; NaN gives max. */
static inline float hl_clamp_finite(float x, float max) {
    x = x < max ? x : max;
    return x > -max ? x : -max;
}

/* For |x| <= 2^22. */
static inline int32_t hl_round_to_int(float x) {
    return (int32_t)(hl_bits_of_float(x + HL_EXP_ROUND) - hl_bits_of_float(HL_EXP_ROUND));
}

static inline float hl_half_to_float(uint16_t h) {
    uint32_t sign = (uint32_t)(h & 0x8000u) << 16, rest = h & 0x7fffu;
    if (rest >= 0x7c00u) return hl_float_of_bits(sign | 0x7f800000u | (rest & 0x3ffu) << 13);
    if (rest >= 0x0400u) return hl_float_of_bits(sign | ((rest << 13) + 0x38000000u));
    return hl_float_of_bits(sign | hl_bits_of_float((float)rest * 0x1p-24f));
}

static inline uint16_t hl_half_of_float(float x) {
    uint32_t u = hl_bits_of_float(x), sign = u >> 16 & 0x8000u, a = u & 0x7fffffffu;
    if (a > 0x7f800000u) return (uint16_t)(sign | 0x7e00u | (a >> 13 & 0x3ffu)); /* NaN, made quiet */
    if (a >= 0x47800000u) return (uint16_t)(sign | 0x7c00u);
    /* Below the smallest normal: adding 0.5 rounds at 2^-24, the last place of a denormal. */
    if (a < 0x38800000u)
        return (uint16_t)(sign | (hl_bits_of_float(hl_float_of_bits(a) + 0.5f) - 0x3f000000u));
    return (uint16_t)(sign | (a - 0x38000000u + 0xfffu + (a >> 13 & 1u)) >> 13);
}

static inline float hl_bf16_to_float(uint16_t h) { return hl_float_of_bits((uint32_t)h << 16); }

static inline uint16_t hl_bf16_of_float(float x) {
    uint32_t u = hl_bits_of_float(x);
    if ((u & 0x7fffffffu) > 0x7f800000u) return (uint16_t)(u >> 16 | 0x40u);
    return (uint16_t)((u + 0x7fffu + (u >> 16 & 1u)) >> 16);
}

#endif
