/* SPDX-License-Identifier: MIT
 *
 * attend_dotprod.c - attention with 4 lanes and dot products of four int8 in one instruction.
 */
#include "engine/kernels/arm/attend_body_neon.h"

HL_INLINE int32x4_t dot4(int32x4_t acc, int8x16_t k, int8x16_t q) { return vdotq_s32(acc, k, q); }

void hl_attend_dotprod(const hl_attend_in *in, float *ret_o, float *ret_max, float *ret_sum, void *scratch) {
    attend_all(in, ret_o, ret_max, ret_sum, scratch);
}
