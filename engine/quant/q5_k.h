/* SPDX-License-Identifier: MIT
 *
 * q5_k.h - superblocks of 256 5-bit weights: 8 groups of 32 with 6-bit scales and minimums.
 *
 * weight = code * (d * scale) - dmin * min; as q4_k plus one bit plane per group
 * from: the ggml repository's published block layouts (ggml-common.h), as of August 2026
 */
#ifndef HL_ENGINE_QUANT_Q5_K_H
#define HL_ENGINE_QUANT_Q5_K_H

#include <assert.h>

#include "engine/quant/group.h"
#include "engine/quant/float16.h"
#include "engine/quant/q4_k.h"

typedef struct hl_block_q5_k {
    uint16_t d;          /* f16 */
    uint16_t dmin;       /* f16 */
    uint8_t  scales[12]; /* see hl_q4_k_scale() */
    uint8_t  qh[32];     /* bit i of byte l: fifth bit of weight 32 i + l */
    uint8_t  qs[128];    /* per 64 weights 32 bytes: low nibbles are the first 32, high nibbles the next */
} hl_block_q5_k;
static_assert(sizeof(hl_block_q5_k) == 176, "block of q5_k");

static inline void hl_q5_k_group(const void *row, size_t i_group, hl_group *ret) {
    const hl_block_q5_k *b = (const hl_block_q5_k *)row + i_group / 8;
    const size_t         i = i_group % 8;
    const uint8_t       *qs = b->qs + 32 * (i / 2);
    ret->scale[0] = hl_f32_of_f16(b->d) * (float)hl_q4_k_scale(b->scales, i);
    ret->min[0] = hl_f32_of_f16(b->dmin) * (float)hl_q4_k_min(b->scales, i);
    for (size_t j = 0; j < 32; j++)
        ret->code[j] = (uint8_t)((qs[j] >> 4 * (i % 2) & 15) | (b->qh[j] >> i & 1) << 4);
}

#endif
