/* SPDX-License-Identifier: MIT
 *
 * quantize_act_avx512.c - a row of activations to int8 with a scale and sums, 32 columns at a time.
 */
#include "engine/kernels/x86/vec_x86.h"

/* 16 codes as 32-bit integers. */
HL_INLINE __m512i codes_16(__m512 x, __m512 d) {
    const __m512 top = _mm512_set1_ps(127.0f), bottom = _mm512_set1_ps(-127.0f);
    return _mm512_cvtps_epi32(_mm512_min_ps(_mm512_max_ps(_mm512_div_ps(x, d), bottom), top));
}

/* The sum of 16 codes. */
HL_INLINE int16_t sum_16(__m128i codes) {
    __m128i s = _mm_sad_epu8(_mm_xor_si128(codes, _mm_set1_epi8((char)0x80)), _mm_setzero_si128());
    return (int16_t)(_mm_cvtsi128_si32(_mm_add_epi32(s, _mm_unpackhi_epi64(s, s))) - 16 * 128);
}

void hl_quantize_act_avx512(size_t n, const float *x, int8_t *ret_q, float *ret_d, int16_t *ret_sum16) {
    for (size_t i = 0; i < n / 32; i++) {
        __m512  a = _mm512_loadu_ps(x + i * 32), b = _mm512_loadu_ps(x + i * 32 + 16);
        __m512i max = _mm512_max_epi32(abs_bits_16(a), abs_bits_16(b));
        float   d = max_lanes_16(_mm512_castsi512_ps(max)) / 127.0f;
        if (__builtin_expect(!are_finite_16(max), 0)) {
            d = NAN;
            a = b = _mm512_setzero_ps();
        }
        /* Codes of a group of zeros: 0 / infinity. */
        __m512  d16 = _mm512_set1_ps(d > 0.0f ? d : INFINITY);
        __m128i lo = _mm512_cvtepi32_epi8(codes_16(a, d16)), hi = _mm512_cvtepi32_epi8(codes_16(b, d16));
        _mm_storeu_si128((__m128i *)(void *)(ret_q + i * 32), lo);
        _mm_storeu_si128((__m128i *)(void *)(ret_q + i * 32 + 16), hi);
        ret_d[i] = d;
        ret_sum16[i * 2] = sum_16(lo);
        ret_sum16[i * 2 + 1] = sum_16(hi);
    }
}
