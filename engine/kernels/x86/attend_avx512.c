/* SPDX-License-Identifier: MIT
 *
 * attend_avx512.c - attention with 16 lanes, without VNNI.
 */
#define HL_ATTEND_START 0
#include "engine/kernels/x86/attend_body_avx512.h"

/* maddubs saturates on codes above 127, so k loses its offset and its sign moves to q. */
HL_INLINE __m512i dot4(__m512i acc, __m512i k, __m512i q) {
    __m512i   s = _mm512_xor_si512(k, _mm512_set1_epi8((char)0x80));
    __mmask64 negative = _mm512_movepi8_mask(s);
    q = _mm512_mask_sub_epi8(q, negative, _mm512_setzero_si512(), q);
    __m512i pairs = _mm512_maddubs_epi16(_mm512_abs_epi8(s), q);
    return _mm512_add_epi32(acc, _mm512_madd_epi16(pairs, _mm512_set1_epi16(1)));
}

void hl_attend_avx512(const hl_attend_in *in, float *ret_o, float *ret_max, float *ret_sum, void *scratch) {
    if (in->n_queries >= MANY_FROM && !in->slopes)
        attend_many(in, ret_o, ret_max, ret_sum, scratch);
    else
        attend_all(in, ret_o, ret_max, ret_sum, scratch);
}
