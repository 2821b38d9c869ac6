/* SPDX-License-Identifier: MIT
 *
 * q3_k.h - superblocks of 256 3-bit weights: 16 groups of 16 with 6-bit scales.
 *
 * weight = (code - 4) * (d * (scale - 32)); the third bit of a code lies in a mask of its own
 * from: the ggml repository's published block layouts (ggml-common.h), as of August 2026
 */
#ifndef HL_ENGINE_QUANT_Q3_K_H
#define HL_ENGINE_QUANT_Q3_K_H

#include <assert.h>

#include "engine/quant/group.h"
#include "engine/quant/float16.h"

typedef struct hl_block_q3_k {
    uint8_t  hmask[32];  /* bit i of byte l: third bit of weight 32 i + l */
    uint8_t  qs[64];     /* per 128 weights 32 bytes: bits 2k of byte l are weight 32 k + l */
    uint8_t  scales[12]; /* low 4 bits of scales 0..7 and 8..15 in bytes 0..7, high 2 bits in bytes 8..11 */
    uint16_t d;          /* f16 */
} hl_block_q3_k;
static_assert(sizeof(hl_block_q3_k) == 110, "block of q3_k");

/* Scale j of 16, 0..63. */
static inline int hl_q3_k_scale(const hl_block_q3_k *b, size_t j) {
    return (b->scales[j % 8] >> 4 * (j / 8) & 15) | (b->scales[8 + j % 4] >> 2 * (j / 4) & 3) << 4;
}

static inline void hl_q3_k_group(const void *row, size_t i_group, hl_group *ret) {
    const hl_block_q3_k *b = (const hl_block_q3_k *)row + i_group / 8;
    const size_t         i = i_group % 8;
    const uint8_t       *qs = b->qs + 32 * (i / 4);
    for (size_t s = 0; s < 2; s++)
        ret->scale[s] = hl_f32_of_f16(b->d) * (float)(hl_q3_k_scale(b, 2 * i + s) - 32);
    for (size_t j = 0; j < 32; j++)
        ret->code[j] = (uint8_t)((qs[j] >> 2 * (i % 4) & 3) | (b->hmask[j] >> i & 1) << 2);
}

#endif
