/* SPDX-License-Identifier: MIT
 *
 * quantize_act_avx2.c - a row of activations to int8 with a scale and sums, 32 columns at a time.
 */
#include "engine/kernels/x86/vec_x86.h"

/* 8 codes as 32-bit integers. */
HL_INLINE __m256i codes_8(__m256 x, __m256 d) {
    const __m256 top = _mm256_set1_ps(127.0f), bottom = _mm256_set1_ps(-127.0f);
    return _mm256_cvtps_epi32(_mm256_min_ps(_mm256_max_ps(_mm256_div_ps(x, d), bottom), top));
}

/* Sums of the 16 codes in each 128-bit half. */
HL_INLINE __m256i sums_16(__m256i codes) {
    __m256i s = _mm256_madd_epi16(_mm256_maddubs_epi16(_mm256_set1_epi8(1), codes), _mm256_set1_epi16(1));
    s = _mm256_add_epi32(s, _mm256_shuffle_epi32(s, _MM_SHUFFLE(1, 0, 3, 2)));
    return _mm256_add_epi32(s, _mm256_shuffle_epi32(s, _MM_SHUFFLE(2, 3, 0, 1)));
}

void hl_quantize_act_avx2(size_t n, const float *x, int8_t *ret_q, float *ret_d, int16_t *ret_sum16) {
    const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
    for (size_t i = 0; i < n / 32; i++) {
        __m256  v[4];
        __m256i max = _mm256_setzero_si256();
        HL_UNROLL for (size_t j = 0; j < 4; j++) {
            v[j] = _mm256_loadu_ps(x + i * 32 + j * 8);
            max = _mm256_max_epi32(max, abs_bits_8(v[j]));
        }
        ret_d[i] = are_finite_8(max) ? max_lanes_8(_mm256_castsi256_ps(max)) / 127.0f : NAN;
        __m256i codes = _mm256_setzero_si256();
        if (ret_d[i] > 0.0f) {
            const __m256 d = _mm256_set1_ps(ret_d[i]);
            __m256i      a = _mm256_packs_epi32(codes_8(v[0], d), codes_8(v[1], d));
            __m256i      b = _mm256_packs_epi32(codes_8(v[2], d), codes_8(v[3], d));
            codes = _mm256_permutevar8x32_epi32(_mm256_packs_epi16(a, b), order); /* packs work per half */
        }
        _mm256_storeu_si256((__m256i *)(void *)(ret_q + i * 32), codes);
        __m256i sums = sums_16(codes);
        ret_sum16[i * 2] = (int16_t)_mm256_extract_epi32(sums, 0);
        ret_sum16[i * 2 + 1] = (int16_t)_mm256_extract_epi32(sums, 4);
    }
}
