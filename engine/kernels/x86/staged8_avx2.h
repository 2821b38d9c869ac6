/* SPDX-License-Identifier: MIT
 *
 * staged8_avx2.h - a block of eight rows laid down as groups of codes (staged.h), to be read as rows
 * themselves.
 */
#ifndef HL_ENGINE_KERNELS_X86_STAGED8_AVX2_H
#define HL_ENGINE_KERNELS_X86_STAGED8_AVX2_H

#include "engine/kernels/staged.h"
#include "engine/kernels/x86/rows8_avx2.h"

typedef void stage8_fn(const strip8 *s, hl_staged_row *ret);

#define HL_STAGE8(type)                                                                                      \
    static __attribute__((noinline, unused)) void stage8_##type(const strip8 *s, hl_staged_row *ret) {       \
        for (size_t k = 0; k < 8; k++)                                                                       \
            hl_stage_row(hl_##type##_group, strip_row(s, k), HL_BLOCK_GROUPS_##type, &ret[k]);               \
    }
HL_STAGED_TYPES(HL_STAGE8)

HL_INLINE strip8 staged_strip(const hl_staged_row *row) {
    const uint8_t *at = (const uint8_t *)row;
    return (strip8){
        .at = {at, at + 4 * sizeof *row}, .stride = sizeof *row, .stride3 = 3 * sizeof *row, .prefetch = at};
}

#endif
