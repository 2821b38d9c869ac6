/* SPDX-License-Identifier: MIT
 *
 * vec_x86.h - loads and stores of the last few elements of a row, and the activation functions of
 * act_approx.h for vectors, the same bits.
 *
 * n_left is the number of elements from p on; lanes past it read as 0 and are not written.
 */
#ifndef HL_ENGINE_KERNELS_X86_VEC_X86_H
#define HL_ENGINE_KERNELS_X86_VEC_X86_H

#include "engine/kernels/act_approx.h"
#include "engine/kernels/kernel_list.h"
#include "engine/kernels/x86/exp_x86.h"

#if defined(__AVX2__)
HL_INLINE __m256i mask_8(size_t n_left) {
    __m256i n = _mm256_set1_epi32(n_left < 8 ? (int32_t)n_left : 8);
    return _mm256_cmpgt_epi32(n, _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

HL_INLINE __m256 load_part_8(const float *p, size_t n_left) {
    return n_left >= 8 ? _mm256_loadu_ps(p) : _mm256_maskload_ps(p, mask_8(n_left));
}

HL_INLINE void store_part_8(float *p, size_t n_left, __m256 x) {
    if (n_left >= 8)
        _mm256_storeu_ps(p, x);
    else
        _mm256_maskstore_ps(p, mask_8(n_left), x);
}

/* x / (1 + e^-y) */
HL_INLINE __m256 gate_8(__m256 x, __m256 y) {
    __m256 e = exp_8(_mm256_xor_ps(y, _mm256_set1_ps(-0.0f)));
    return _mm256_div_ps(x, _mm256_add_ps(_mm256_set1_ps(1.0f), e));
}

HL_INLINE __m256 silu_8(__m256 x) { return gate_8(x, x); }

HL_INLINE __m256 gelu_8(__m256 x) {
    __m256 cubic = _mm256_fmadd_ps(_mm256_mul_ps(x, x), _mm256_set1_ps(HL_GELU_CUBIC), _mm256_set1_ps(1.0f));
    return gate_8(x, _mm256_mul_ps(_mm256_mul_ps(x, _mm256_set1_ps(HL_GELU_2SQRT2PI)), cubic));
}

/* Magnitudes as integers: in their order, infinities and NaN above all numbers. */
HL_INLINE __m256i abs_bits_8(__m256 x) {
    return _mm256_and_si256(_mm256_castps_si256(x), _mm256_set1_epi32(0x7fffffff));
}

HL_INLINE bool are_finite_8(__m256i abs_bits) {
    return _mm256_testz_si256(_mm256_cmpgt_epi32(abs_bits, _mm256_set1_epi32(0x7f7fffff)),
                              _mm256_set1_epi32(-1));
}
#endif

#if defined(__AVX512F__) && defined(__AVX512DQ__)
HL_INLINE __mmask16 mask_16(size_t n_left) { return n_left >= 16 ? 0xffff : (__mmask16)((1u << n_left) - 1); }

HL_INLINE __m512 gate_16(__m512 x, __m512 y) {
    __m512 e = exp_16(_mm512_xor_ps(y, _mm512_set1_ps(-0.0f)));
    return _mm512_div_ps(x, _mm512_add_ps(_mm512_set1_ps(1.0f), e));
}

HL_INLINE __m512 silu_16(__m512 x) { return gate_16(x, x); }

HL_INLINE __m512 gelu_16(__m512 x) {
    __m512 cubic = _mm512_fmadd_ps(_mm512_mul_ps(x, x), _mm512_set1_ps(HL_GELU_CUBIC), _mm512_set1_ps(1.0f));
    return gate_16(x, _mm512_mul_ps(_mm512_mul_ps(x, _mm512_set1_ps(HL_GELU_2SQRT2PI)), cubic));
}

HL_INLINE __m512i abs_bits_16(__m512 x) {
    return _mm512_and_si512(_mm512_castps_si512(x), _mm512_set1_epi32(0x7fffffff));
}

HL_INLINE bool are_finite_16(__m512i abs_bits) {
    return _mm512_cmpgt_epi32_mask(abs_bits, _mm512_set1_epi32(0x7f7fffff)) == 0;
}
#endif

#endif
