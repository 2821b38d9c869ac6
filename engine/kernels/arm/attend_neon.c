/* SPDX-License-Identifier: MIT
 *
 * attend_neon.c - attention with 4 lanes, without the dot product instructions.
 */
#include "engine/kernels/arm/attend_body_neon.h"

HL_INLINE int32x4_t dot4(int32x4_t acc, int8x16_t k, int8x16_t q) {
    int32x4_t lo = vpaddlq_s16(vmull_s8(vget_low_s8(k), vget_low_s8(q)));
    int32x4_t hi = vpaddlq_s16(vmull_s8(vget_high_s8(k), vget_high_s8(q)));
    return vaddq_s32(acc, vpaddq_s32(lo, hi));
}

void hl_attend_neon(const hl_attend_in *in, float *ret_o, float *ret_max, float *ret_sum, void *scratch) {
    attend_all(in, ret_o, ret_max, ret_sum, scratch);
}
