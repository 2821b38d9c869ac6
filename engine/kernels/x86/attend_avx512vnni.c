/* SPDX-License-Identifier: MIT
 *
 * attend_avx512vnni.c - attention with 16 lanes and dot products of u8 with i8 in one instruction.
 */
#define HL_ATTEND_START (-128)
#include "engine/kernels/x86/attend_body_avx512.h"

HL_INLINE __m512i dot4(__m512i acc, __m512i k, __m512i q) { return _mm512_dpbusd_epi32(acc, k, q); }

void hl_attend_avx512vnni(const hl_attend_in *in, float *ret_o, float *ret_max, float *ret_sum,
                          void *scratch) {
    if (in->n_queries >= MANY_FROM && !in->slopes)
        attend_many(in, ret_o, ret_max, ret_sum, scratch);
    else
        attend_all(in, ret_o, ret_max, ret_sum, scratch);
}
