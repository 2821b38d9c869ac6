/* SPDX-License-Identifier: MIT
 *
 * exp_x86.h - exp_approx.h for vectors of 8 and 16, the same bits; and sums in the lane order of kernels.h.
 */
#ifndef HL_ENGINE_KERNELS_X86_EXP_X86_H
#define HL_ENGINE_KERNELS_X86_EXP_X86_H

#include <immintrin.h>

#include "engine/kernels/exp_approx.h"
#include "engine/kernels/unroll.h"

#define HL_EXP_NORMAL (-86.0f)

#if defined(__AVX2__)
/* exp(r) - 1 of the reduced argument; n as integers. */
static inline __m256 exp_reduce_8(__m256 x, __m256i *ret_n) {
    const __m256 round = _mm256_set1_ps(HL_EXP_ROUND);
    __m256       t = _mm256_fmadd_ps(x, _mm256_set1_ps(HL_EXP_LOG2E), round);
    *ret_n = _mm256_sub_epi32(_mm256_castps_si256(t), _mm256_castps_si256(round));
    __m256 n = _mm256_sub_ps(t, round);
    __m256 r = _mm256_fmadd_ps(n, _mm256_set1_ps(-HL_EXP_LN2_HI), x);
    r = _mm256_fmadd_ps(n, _mm256_set1_ps(-HL_EXP_LN2_LO), r);
    __m256 p = _mm256_fmadd_ps(_mm256_set1_ps(HL_EXP_P4), r, _mm256_set1_ps(HL_EXP_P3));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(HL_EXP_P2));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(HL_EXP_P1));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(HL_EXP_P0));
    return _mm256_fmadd_ps(p, _mm256_mul_ps(r, r), r);
}

static inline __m256 exp_pow2_8(__m256i n) {
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(n, _mm256_set1_epi32(127)), 23));
}

static inline __m256 exp_8(__m256 x) {
    /* min and max return their second operand when one is NaN. */
    x = _mm256_min_ps(_mm256_set1_ps(HL_EXP_HI), x);
    x = _mm256_max_ps(_mm256_set1_ps(HL_EXP_LO), x);
    __m256i n;
    __m256  m = exp_reduce_8(x, &n);
    __m256i half = _mm256_srai_epi32(n, 1);
    __m256  e = _mm256_mul_ps(_mm256_add_ps(m, _mm256_set1_ps(1.0f)), exp_pow2_8(half));
    return _mm256_mul_ps(e, exp_pow2_8(_mm256_sub_epi32(n, half)));
}

/* exp_8 for x in [HL_EXP_NORMAL, 0], where the result is a normal number: one multiplication by 2^n
 * rounds as two do. A NaN stays NaN. */
static inline __m256 exp_normal_8(__m256 x) {
    __m256i n;
    __m256  m = exp_reduce_8(x, &n);
    return _mm256_mul_ps(_mm256_add_ps(m, _mm256_set1_ps(1.0f)), exp_pow2_8(n));
}

static inline __m256 tanh_8(__m256 x) {
    const __m256 sign = _mm256_set1_ps(-0.0f), one = _mm256_set1_ps(1.0f);
    __m256       a = _mm256_min_ps(_mm256_set1_ps(HL_TANH_MAX), _mm256_andnot_ps(sign, x));
    __m256i      n;
    __m256       m = exp_reduce_8(_mm256_add_ps(a, a), &n);
    __m256       s = exp_pow2_8(n);
    __m256       e1 = _mm256_fmadd_ps(s, m, _mm256_sub_ps(s, one));
    e1 = _mm256_div_ps(e1, _mm256_add_ps(e1, _mm256_set1_ps(2.0f)));
    return _mm256_or_ps(_mm256_andnot_ps(sign, e1), _mm256_and_ps(sign, x));
}

/* Lanes 0..7 in lo and 8..15 in hi: added 8 apart, 4, 2, 1. */
static inline float sum_lanes_8(__m256 lo, __m256 hi) {
    __m256 a = _mm256_add_ps(lo, hi);
    __m128 b = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    b = _mm_add_ps(b, _mm_movehl_ps(b, b));
    return _mm_cvtss_f32(_mm_add_ss(b, _mm_movehdup_ps(b)));
}

/* The largest lane; the operands hold no NaN. */
static inline float max_lanes_8(__m256 a) {
    __m128 b = _mm_max_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    b = _mm_max_ps(b, _mm_movehl_ps(b, b));
    return _mm_cvtss_f32(_mm_max_ss(b, _mm_movehdup_ps(b)));
}
#endif

#if defined(__AVX512F__) && defined(__AVX512DQ__)
static inline __m512 exp_reduce_16(__m512 x, __m512 *ret_n) {
    const __m512 round = _mm512_set1_ps(HL_EXP_ROUND);
    __m512       n = _mm512_sub_ps(_mm512_fmadd_ps(x, _mm512_set1_ps(HL_EXP_LOG2E), round), round);
    __m512       r = _mm512_fmadd_ps(n, _mm512_set1_ps(-HL_EXP_LN2_HI), x);
    r = _mm512_fmadd_ps(n, _mm512_set1_ps(-HL_EXP_LN2_LO), r);
    __m512 p = _mm512_fmadd_ps(_mm512_set1_ps(HL_EXP_P4), r, _mm512_set1_ps(HL_EXP_P3));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(HL_EXP_P2));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(HL_EXP_P1));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(HL_EXP_P0));
    *ret_n = n;
    return _mm512_fmadd_ps(p, _mm512_mul_ps(r, r), r);
}

/* scalef rounds once at the end, as the two multiplications do: the first of them is exact. */
static inline __m512 exp_16(__m512 x) {
    x = _mm512_min_ps(_mm512_set1_ps(HL_EXP_HI), x);
    x = _mm512_max_ps(_mm512_set1_ps(HL_EXP_LO), x);
    __m512 n, m = exp_reduce_16(x, &n);
    return _mm512_scalef_ps(_mm512_add_ps(m, _mm512_set1_ps(1.0f)), n);
}

/* exp_16 for x <= 0 or NaN. */
static inline __m512 exp_negative_16(__m512 x) {
    __m512 n, m = exp_reduce_16(_mm512_max_ps(_mm512_set1_ps(HL_EXP_LO), x), &n);
    return _mm512_scalef_ps(_mm512_add_ps(m, _mm512_set1_ps(1.0f)), n);
}

static inline __m512 tanh_16(__m512 x) {
    const __m512 sign = _mm512_set1_ps(-0.0f), one = _mm512_set1_ps(1.0f);
    __m512       a = _mm512_min_ps(_mm512_set1_ps(HL_TANH_MAX), _mm512_andnot_ps(sign, x));
    __m512       n, m = exp_reduce_16(_mm512_add_ps(a, a), &n);
    __m512       s = _mm512_scalef_ps(one, n);
    __m512       e1 = _mm512_fmadd_ps(s, m, _mm512_sub_ps(s, one));
    e1 = _mm512_div_ps(e1, _mm512_add_ps(e1, _mm512_set1_ps(2.0f)));
    return _mm512_or_ps(_mm512_andnot_ps(sign, e1), _mm512_and_ps(sign, x));
}

static inline float sum_lanes_16(__m512 a) {
    return sum_lanes_8(_mm512_castps512_ps256(a), _mm512_extractf32x8_ps(a, 1));
}

static inline float max_lanes_16(__m512 a) {
    return max_lanes_8(_mm256_max_ps(_mm512_castps512_ps256(a), _mm512_extractf32x8_ps(a, 1)));
}
#endif

#endif
