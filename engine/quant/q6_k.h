/* SPDX-License-Identifier: MIT
 *
 * q6_k.h - superblocks of 256 6-bit weights: 16 groups of 16 with 8-bit scales.
 *
 * weight = (code - 32) * (d * scale)
 * from: the ggml repository's published block layouts (ggml-common.h), as of August 2026
 */
#ifndef HL_ENGINE_QUANT_Q6_K_H
#define HL_ENGINE_QUANT_Q6_K_H

#include <assert.h>

#include "engine/quant/group.h"
#include "engine/quant/float16.h"

typedef struct hl_block_q6_k {
    uint8_t ql
        [128]; /* low 4 bits; per 128 weights 64 bytes: low nibbles are the first 64, high nibbles the next */
    uint8_t  qh[64];     /* high 2 bits; per 128 weights 32 bytes: bits 2k of byte l are weight 32 k + l */
    int8_t   scales[16]; /* of 16 weights each */
    uint16_t d;          /* f16 */
} hl_block_q6_k;
static_assert(sizeof(hl_block_q6_k) == 210, "block of q6_k");

static inline void hl_q6_k_group(const void *row, size_t i_group, hl_group *ret) {
    const hl_block_q6_k *b = (const hl_block_q6_k *)row + i_group / 8;
    const size_t         i = i_group % 8;
    const size_t         k = i % 4;
    const uint8_t       *ql = b->ql + 64 * (i / 4) + 32 * (k % 2);
    const uint8_t       *qh = b->qh + 32 * (i / 4);
    for (size_t s = 0; s < 2; s++) ret->scale[s] = hl_f32_of_f16(b->d) * (float)b->scales[2 * i + s];
    for (size_t j = 0; j < 32; j++)
        ret->code[j] = (uint8_t)((ql[j] >> 4 * (k / 2) & 15) | (qh[j] >> 2 * k & 3) << 4);
}

#endif
