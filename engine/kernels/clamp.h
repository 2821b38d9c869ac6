/* SPDX-License-Identifier: MIT
 *
 * clamp.h - limits and rounding that the stored forms of keys, values and queries share.
 */
#ifndef HL_ENGINE_KERNELS_CLAMP_H
#define HL_ENGINE_KERNELS_CLAMP_H

#include "engine/kernels/exp_approx.h"
#include "engine/quant/float16.h"

#define HL_F32_MAX  0x1.fffffep+127f /* largest finite numbers */
#define HL_F16_MAX  65504.0f
#define HL_BF16_MAX 0x1.fep+127f

/* x limited to [-max, max]; NaN gives max. */
static inline float hl_clamp_finite(float x, float max) {
    x = x < max ? x : max;
    return x > -max ? x : -max;
}

/* To nearest even, for |x| <= 2^22. */
static inline int32_t hl_round_to_int(float x) {
    return (int32_t)(hl_bits_of_f32(x + HL_EXP_ROUND) - hl_bits_of_f32(HL_EXP_ROUND));
}

#endif
