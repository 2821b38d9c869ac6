/* SPDX-License-Identifier: MIT
 *
 * q2_k.h - superblocks of 256 2-bit weights: 16 groups of 16 with 4-bit scales and minimums.
 *
 * weight = code * (d * scale) - dmin * min
 * from: the ggml repository's published block layouts (ggml-common.h), as of August 2026
 */
#ifndef HL_ENGINE_QUANT_Q2_K_H
#define HL_ENGINE_QUANT_Q2_K_H

#include <assert.h>

#include "engine/quant/group.h"
#include "engine/quant/float16.h"

typedef struct hl_block_q2_k {
    uint8_t  scales[16]; /* of 16 weights each: low nibble scale, high nibble minimum */
    uint8_t  qs[64];     /* per 128 weights 32 bytes: bits 2k of byte l are weight 32 k + l */
    uint16_t d;          /* f16 */
    uint16_t dmin;       /* f16 */
} hl_block_q2_k;
static_assert(sizeof(hl_block_q2_k) == 84, "block of q2_k");

static inline void hl_q2_k_group(const void *row, size_t i_group, hl_group *ret) {
    const hl_block_q2_k *b = (const hl_block_q2_k *)row + i_group / 8;
    const size_t         i = i_group % 8;
    const uint8_t       *qs = b->qs + 32 * (i / 4);
    for (size_t s = 0; s < 2; s++) {
        ret->scale[s] = hl_f32_of_f16(b->d) * (float)(b->scales[2 * i + s] & 15);
        ret->min[s] = hl_f32_of_f16(b->dmin) * (float)(b->scales[2 * i + s] >> 4);
    }
    for (size_t j = 0; j < 32; j++) ret->code[j] = qs[j] >> 2 * (i % 4) & 3;
}

#endif
