/* SPDX-License-Identifier: MIT
 *
 * dot_quad.h - SDOT with four columns out of sixteen, for files of instruction-set level dotprod and above.
 */
#ifndef HL_ENGINE_KERNELS_ARM_DOT_QUAD_H
#define HL_ENGINE_KERNELS_ARM_DOT_QUAD_H

#include <arm_neon.h>
#include <stddef.h>

#include "engine/kernels/unroll.h"

/* sum + four columns of four rows times x[4 lane] .. x[4 lane + 3]; lane is a constant. */
HL_INLINE int32x4_t dot_quad(int32x4_t sum, int8x16_t w, int8x16_t x, size_t lane) {
    switch (lane) {
    case 0: return vdotq_laneq_s32(sum, w, x, 0);
    case 1: return vdotq_laneq_s32(sum, w, x, 1);
    case 2: return vdotq_laneq_s32(sum, w, x, 2);
    default: return vdotq_laneq_s32(sum, w, x, 3);
    }
}

#endif
