/* SPDX-License-Identifier: MIT
 *
 * attend_load_avx512.h - 16 elements of a page as f32, and 16 integer sums.
 */
#ifndef HL_ENGINE_KERNELS_X86_ATTEND_LOAD_AVX512_H
#define HL_ENGINE_KERNELS_X86_ATTEND_LOAD_AVX512_H

#include "engine/kernels/attend_tile.h"
#include "engine/kernels/x86/exp_x86.h"

/* gcc copies sums of a loop back and forth when their type is that of 64-bit integers, as __m512i is. */
typedef int32_t lanes_i32 __attribute__((vector_size(64)));

/* Elements i.. of p, all but those of q8_0. */
HL_INLINE __m512 load_16(int type, const void *p, size_t i, __mmask16 mask) {
    if (type == HL_KV_CACHE_F32) return _mm512_maskz_loadu_ps(mask, (const float *)p + i);
    __m256i h = _mm256_maskz_loadu_epi16(mask, (const uint16_t *)p + i);
    if (type == HL_KV_CACHE_F16) return _mm512_cvtph_ps(h);
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(h), 16));
}

/* 16 columns from c on of a slot's values; v, v_scale [PAGE][n_groups] (of q8_0 only): those of the page. */
HL_INLINE __m512 load_value(int type, size_t head_dim, const float *v_scale, const uint8_t *v, size_t slot,
                            size_t c, __mmask16 mask) {
    size_t at = slot * head_dim + c;
    if (type != HL_KV_CACHE_Q8_0) return load_16(type, v, at, mask);
    __m512 x = _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_maskz_loadu_epi8(mask, v + at)));
    return _mm512_mul_ps(x, _mm512_set1_ps(v_scale[slot * hl_kv_n_groups(head_dim) + c / 32]));
}

#endif
