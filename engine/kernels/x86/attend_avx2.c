/* SPDX-License-Identifier: MIT
 *
 * attend_avx2.c - attention with 8 lanes, without VNNI.
 */
#define HL_ATTEND_START 0
#include "engine/kernels/x86/attend_body_avx2.h"

/* maddubs saturates on codes above 127, so k loses its offset and its sign moves to q. */
HL_INLINE __m256i dot4(__m256i acc, __m256i k, __m256i q) {
    __m256i s = _mm256_xor_si256(k, _mm256_set1_epi8((char)0x80));
    __m256i pairs = _mm256_maddubs_epi16(_mm256_abs_epi8(s), _mm256_sign_epi8(q, s));
    return _mm256_add_epi32(acc, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}

void hl_attend_avx2(const hl_attend_in *in, float *ret_o, float *ret_max, float *ret_sum, void *scratch) {
    attend_all(in, ret_o, ret_max, ret_sum, scratch);
}
