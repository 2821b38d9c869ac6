/* SPDX-License-Identifier: MIT
 *
 * maddubs_avx512.h - HL_DOT for processors with AVX-512 but without VNNI.
 *
 * vpmaddubsw adds pairs of products in 16 bits with saturation: exact while codes stay below 128. Types
 * with larger codes that come here have one scale per 32 columns and no minimum; for that class the eighth
 * bit is multiplied on its own. Uses the names g16 and has_min of the function around it.
 */
#ifndef HL_ENGINE_KERNELS_X86_MADDUBS_AVX512_H
#define HL_ENGINE_KERNELS_X86_MADDUBS_AVX512_H

#include "engine/kernels/x86/rows16_avx512.h"

#define HL_DOT(acc, w, x) dot_by_maddubs(acc, w, x, !(g16) && !(has_min))

HL_INLINE __m512i dot_by_maddubs(__m512i acc, __m512i w, __m512i x, const bool eight_bits) {
    const __m512i low = eight_bits ? and_bytes(w, 0x7f) : w;
    acc = _mm512_add_epi32(acc, _mm512_madd_epi16(_mm512_maddubs_epi16(low, x), _mm512_set1_epi16(1)));
    if (!eight_bits) return acc;
    const __m512i high = and_bytes(_mm512_srli_epi16(w, 7), 1);
    return _mm512_add_epi32(acc, _mm512_madd_epi16(_mm512_maddubs_epi16(high, x), _mm512_set1_epi16(128)));
}

#endif
