/* SPDX-License-Identifier: MIT
 *
 * mxfp4.h - blocks of 32 4-bit floats (e2m1) with one power-of-two scale (e8m0).
 *
 * weight = (code - 16) * d / 2: codes are twice the value of the 4-bit float, so the scale is halved
 * from: OCP Microscaling Formats (MX) 1.0, section 5.3.3
 * from: the ggml repository's published block layouts (ggml-common.h), as of August 2026
 */
#ifndef HL_ENGINE_QUANT_MXFP4_H
#define HL_ENGINE_QUANT_MXFP4_H

#include <assert.h>

#include "engine/quant/group.h"
#include "engine/quant/float16.h"

typedef struct hl_block_mxfp4 {
    uint8_t e;      /* d = 2^(e - 127) */
    uint8_t qs[16]; /* low nibble: weight j, high nibble: weight j + 16 */
} hl_block_mxfp4;
static_assert(sizeof(hl_block_mxfp4) == 17, "block of mxfp4");

static inline uint8_t hl_mxfp4_code(unsigned q) {
    static const uint8_t table[16] = {
        /* 0 .5 1 1.5 2 3 4 6 and their negatives, doubled, plus 16 */
        16, 17, 18, 19, 20, 22, 24, 28, 16, 15, 14, 13, 12, 10, 8, 4,
    };
    return table[q];
}

/* 2^(e - 128); the two smallest are subnormal. */
static inline float hl_mxfp4_half_scale(uint8_t e) {
    return hl_f32_of_bits(e < 2 ? UINT32_C(0x200000) << e : (uint32_t)(e - 1) << 23);
}

static inline void hl_mxfp4_group(const void *row, size_t i_group, hl_group *ret) {
    const hl_block_mxfp4 *b = (const hl_block_mxfp4 *)row + i_group;
    ret->scale[0] = hl_mxfp4_half_scale(b->e);
    for (size_t j = 0; j < 16; j++) {
        ret->code[j] = hl_mxfp4_code(b->qs[j] & 15);
        ret->code[j + 16] = hl_mxfp4_code(b->qs[j] >> 4);
    }
}

#endif
