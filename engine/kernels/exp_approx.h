/* SPDX-License-Identifier: MIT
 *
 * exp_approx.h - exp and tanh from fused multiply-add alone, the same bits in every version.
 *
 * x = n ln 2 + r with n an integer and |r| <= ln 2 / 2; exp(r) = 1 + r + r^2 P(r) with P the minimax
 * polynomial of degree 4 (error of the whole 3.1e-9 before rounding; fitted with the Remez exchange);
 * then two multiplications by powers of two, so that results too large become infinity and those too small
 * go through denormals to 0. Measured relative error below 1.2e-7. Vector versions (exp_x86.h) follow
 * this step by step. A NaN stays NaN.
 */
#ifndef HL_ENGINE_KERNELS_EXP_APPROX_H
#define HL_ENGINE_KERNELS_EXP_APPROX_H

#include <math.h>

#include "engine/quant/float16.h"

#define HL_EXP_HI     89.0f   /* exp is infinite from 88.73 on */
#define HL_EXP_LO     -104.0f /* exp rounds to 0 */
#define HL_EXP_LOG2E  0x1.715476p+0f
#define HL_EXP_ROUND  12582912.0f    /* 1.5 * 2^23: adding it rounds to an integer in the low bits */
#define HL_EXP_LN2_HI 0x1.62e400p-1f /* 15 bits: n * LN2_HI is exact */
#define HL_EXP_LN2_LO 0x1.7f7d1cp-20f
#define HL_EXP_P0     0x1.fffffcp-2f
#define HL_EXP_P1     0x1.555492p-3f
#define HL_EXP_P2     0x1.5558f2p-5f
#define HL_EXP_P3     0x1.123a20p-7f
#define HL_EXP_P4     0x1.6a23d0p-10f
#define HL_TANH_MAX   9.25f /* tanh rounds to 1 from 9.02 on */

/* exp(x) - 1 = 2^n (m + 1) - 1: returns m = exp(r) - 1 and n, as an integer. */
static inline float hl_exp_reduce(float x, int32_t *ret_n) {
    float t = fmaf(x, HL_EXP_LOG2E, HL_EXP_ROUND);
    *ret_n = (int32_t)(hl_bits_of_f32(t) - hl_bits_of_f32(HL_EXP_ROUND));
    float n = t - HL_EXP_ROUND;
    float r = fmaf(n, -HL_EXP_LN2_HI, x);
    r = fmaf(n, -HL_EXP_LN2_LO, r);
    float p = fmaf(HL_EXP_P4, r, HL_EXP_P3);
    p = fmaf(p, r, HL_EXP_P2);
    p = fmaf(p, r, HL_EXP_P1);
    p = fmaf(p, r, HL_EXP_P0);
    return fmaf(p, r * r, r);
}

static inline float hl_exp_pow2(int32_t n) { return hl_f32_of_bits((uint32_t)(n + 127) << 23); }

/* exp(x). exp(-infinity) is 0, exactly. */
static inline float hl_exp_approx(float x) {
    x = HL_EXP_HI < x ? HL_EXP_HI : x;
    x = HL_EXP_LO > x ? HL_EXP_LO : x;
    int32_t n;
    float   m = hl_exp_reduce(x, &n);
    if (x != x) return x;
    int32_t half = n >> 1;
    return (m + 1.0f) * hl_exp_pow2(half) * hl_exp_pow2(n - half);
}

/* tanh(x) = (e - 1) / (e + 1) with e = exp(2 |x|); e - 1 is computed without cancellation. */
static inline float hl_tanh_approx(float x) {
    float a = fabsf(x);
    a = HL_TANH_MAX < a ? HL_TANH_MAX : a;
    int32_t n;
    float   m = hl_exp_reduce(a + a, &n);
    if (x != x) return x;
    float s = hl_exp_pow2(n);
    float e1 = fmaf(s, m, s - 1.0f);
    return copysignf(e1 / (e1 + 2.0f), x);
}

#endif
