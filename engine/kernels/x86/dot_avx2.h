/* SPDX-License-Identifier: MIT
 *
 * dot_avx2.h - what integer sums of products begin with and how they become floats, eight rows a vector.
 *
 * Where HL_DOT(acc, w, x) is defined, an instruction (or what gives the same sums) that adds to each 32-bit
 * lane the dot product of its four unsigned bytes of w with its four signed bytes of x, sums begin with the
 * bits of 1.5 * 2^23. Less than 2^22 is added, all told, so that they end as the bits of the float 1.5 * 2^23
 * + sum, and a subtraction makes them the sum, exactly. A conversion would have to wait for the ports that
 * multiply; Intel has one more that adds.
 */
#ifndef HL_ENGINE_KERNELS_X86_DOT_AVX2_H
#define HL_ENGINE_KERNELS_X86_DOT_AVX2_H

#include <immintrin.h>
#include <string.h>

#include "engine/kernels/kernels.h"
#include "engine/kernels/unroll.h"

#ifdef HL_DOT
enum { SUM_BIAS = 0x4B400000 };
HL_INLINE __m256 sum_as_f32(__m256i isum) {
    return _mm256_sub_ps(_mm256_castsi256_ps(isum), _mm256_set1_ps(0x1.8p23f));
}
#else
enum { SUM_BIAS = 0 };
HL_INLINE __m256 sum_as_f32(__m256i isum) { return _mm256_cvtepi32_ps(isum); }
#endif

/* The compiler must not reorder sums: left alone it multiplies everything first and spills the products. */
#define KEEP(v) __asm__("" : "+x"(v))

/* Four columns of a token, in every lane. */
HL_INLINE __m256i set_quad(const int8_t *q) {
    int x;
    memcpy(&x, q, 4);
    return _mm256_set1_epi32(x);
}

/* Sums of x of 8 scale groups, from 16 columns each. */
HL_INLINE __m256i sums_of_8(const int16_t *sum16, size_t group) {
    if (group == 16) return _mm256_cvtepi16_epi32(_mm_loadu_si128((const __m128i *)(const void *)sum16));
    return _mm256_madd_epi16(_mm256_loadu_si256((const __m256i *)(const void *)sum16), _mm256_set1_epi16(1));
}

/* Per scale group of n_groups * 32 columns of a token: what the integer sum begins with, SUM_BIAS - offset *
 * (sum of x), or where the type has a minimum that sum of x as a float. */
HL_INLINE void prepare_sums(int32_t offset, const int16_t *sum16, size_t n_groups, size_t group, bool has_min,
                            int32_t *v) {
    const size_t  n = 32 / group * n_groups;
    const __m256i bias = _mm256_set1_epi32(SUM_BIAS);
    size_t        i = 0;
    for (; i + 8 <= n; i += 8) {
        __m256i sum = sums_of_8(sum16 + group / 16 * i, group);
        if (has_min)
            sum = _mm256_castps_si256(_mm256_cvtepi32_ps(sum));
        else
            sum = _mm256_sub_epi32(bias, _mm256_mullo_epi32(sum, _mm256_set1_epi32(offset)));
        _mm256_storeu_si256((__m256i *)(void *)(v + i), sum);
    }
    for (; i < n; i++) {
        const int32_t sum = group == 32 ? sum16[2 * i] + sum16[2 * i + 1] : sum16[i];
        const float   x = (float)sum;
        if (has_min)
            memcpy(&v[i], &x, sizeof x);
        else
            v[i] = SUM_BIAS - offset * sum;
    }
}

#endif
