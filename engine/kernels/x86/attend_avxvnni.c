/* SPDX-License-Identifier: MIT
 *
 * attend_avxvnni.c - attention with 8 lanes and dot products of u8 with i8 in one instruction.
 */
#define HL_ATTEND_START (-128)
#define HL_ATTEND_PARTS 1
#include "engine/kernels/x86/attend_body_avx2.h"

HL_INLINE __m256i key_part(__m256i k, size_t part) {
    (void)part;
    return k;
}

HL_INLINE __m256i query_part(const tile *t, size_t j, size_t c, size_t part) {
    int32_t four;
    (void)part;
    memcpy(&four, &t->codes[j][c * 4], 4);
    return _mm256_set1_epi32(four);
}

HL_INLINE __m256i dot_part(__m256i acc, __m256i k, __m256i q) { return _mm256_dpbusd_avx_epi32(acc, k, q); }

void hl_attend_avxvnni(const hl_attend_in *in, float *ret_o, float *ret_max, float *ret_sum, void *scratch) {
    attend_all(in, ret_o, ret_max, ret_sum, scratch);
}
