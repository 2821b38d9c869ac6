/* SPDX-License-Identifier: MIT
 *
 * q5_0.h - blocks of 32 5-bit weights with one scale.
 *
 * weight = (code - 16) * d
 * from: the ggml repository's published block layouts (ggml-common.h), as of August 2026
 */
#ifndef HL_ENGINE_QUANT_Q5_0_H
#define HL_ENGINE_QUANT_Q5_0_H

#include <assert.h>

#include "engine/quant/group.h"
#include "engine/quant/float16.h"

typedef struct hl_block_q5_0 {
    uint16_t d;      /* f16 */
    uint8_t  qh[4];  /* bit j of the little-endian word: fifth bit of weight j */
    uint8_t  qs[16]; /* low nibble: weight j, high nibble: weight j + 16 */
} hl_block_q5_0;
static_assert(sizeof(hl_block_q5_0) == 22, "block of q5_0");

static inline void hl_q5_0_group(const void *row, size_t i_group, hl_group *ret) {
    const hl_block_q5_0 *b = (const hl_block_q5_0 *)row + i_group;
    const uint32_t       high =
        (uint32_t)b->qh[0] | (uint32_t)b->qh[1] << 8 | (uint32_t)b->qh[2] << 16 | (uint32_t)b->qh[3] << 24;
    ret->scale[0] = hl_f32_of_f16(b->d);
    for (size_t j = 0; j < 16; j++) {
        ret->code[j] = (uint8_t)((b->qs[j] & 15) | (high >> j & 1) << 4);
        ret->code[j + 16] = (uint8_t)(b->qs[j] >> 4 | (high >> (j + 16) & 1) << 4);
    }
}

#endif
