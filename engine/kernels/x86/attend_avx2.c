/* SPDX-License-Identifier: MIT
 *
 * attend_avx2.c - attention with 8 lanes, without VNNI.
 */
#define HL_ATTEND_START (-128)
#define HL_ATTEND_PARTS 2
#include "engine/kernels/x86/attend_body_avx2.h"

/* maddubs saturates on codes above 127, and a sign moved to the query costs an operation per query: codes
 * are widened instead, columns 0 and 2 of four in the first part, 1 and 3 in the second. */
HL_INLINE __m256i key_part(__m256i k, size_t part) {
    return part == 0 ? _mm256_and_si256(k, _mm256_set1_epi16(0xff)) : _mm256_srli_epi16(k, 8);
}

HL_INLINE __m256i query_part(const tile *t, size_t j, size_t c, size_t part) {
    int32_t two;
    memcpy(&two, &t->pairs[j][c * 4 + part * 2], 4);
    return _mm256_set1_epi32(two);
}

HL_INLINE __m256i dot_part(__m256i acc, __m256i k, __m256i q) {
    return _mm256_add_epi32(acc, _mm256_madd_epi16(k, q));
}

void hl_attend_avx2(const hl_attend_in *in, float *ret_o, float *ret_max, float *ret_sum, void *scratch) {
    attend_all(in, ret_o, ret_max, ret_sum, scratch);
}
