/* SPDX-License-Identifier: MIT
 *
 * q8_0.h - blocks of 32 8-bit weights with one scale.
 *
 * weight = q * d; the codes of group.h are q + 128
 * from: the ggml repository's published block layouts (ggml-common.h), as of August 2026
 */
#ifndef HL_ENGINE_QUANT_Q8_0_H
#define HL_ENGINE_QUANT_Q8_0_H

#include <assert.h>

#include "engine/quant/group.h"
#include "engine/quant/float16.h"

typedef struct hl_block_q8_0 {
    uint16_t d; /* f16 */
    int8_t   qs[32];
} hl_block_q8_0;
static_assert(sizeof(hl_block_q8_0) == 34, "block of q8_0");

static inline void hl_q8_0_group(const void *row, size_t i_group, hl_group *ret) {
    const hl_block_q8_0 *b = (const hl_block_q8_0 *)row + i_group;
    ret->scale[0] = hl_f32_of_f16(b->d);
    for (size_t j = 0; j < 32; j++) ret->code[j] = (uint8_t)(b->qs[j] + 128);
}

#endif
