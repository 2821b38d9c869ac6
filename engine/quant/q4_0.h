/* SPDX-License-Identifier: MIT
 *
 * q4_0.h - blocks of 32 4-bit weights with one scale.
 *
 * weight = (code - 8) * d
 * from: the ggml repository's published block layouts (ggml-common.h), as of August 2026
 */
#ifndef HL_ENGINE_QUANT_Q4_0_H
#define HL_ENGINE_QUANT_Q4_0_H

#include <assert.h>

#include "engine/quant/group.h"
#include "engine/quant/float16.h"

typedef struct hl_block_q4_0 {
    uint16_t d;      /* f16 */
    uint8_t  qs[16]; /* low nibble: weight j, high nibble: weight j + 16 */
} hl_block_q4_0;
static_assert(sizeof(hl_block_q4_0) == 18, "block of q4_0");

static inline void hl_q4_0_group(const void *row, size_t i_group, hl_group *ret) {
    const hl_block_q4_0 *b = (const hl_block_q4_0 *)row + i_group;
    ret->scale[0] = hl_f32_of_f16(b->d);
    for (size_t j = 0; j < 16; j++) {
        ret->code[j] = b->qs[j] & 15;
        ret->code[j + 16] = b->qs[j] >> 4;
    }
}

#endif
