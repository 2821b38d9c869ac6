/* SPDX-License-Identifier: MIT
 *
 * q4_k.h - superblocks of 256 4-bit weights: 8 groups of 32 with 6-bit scales and minimums.
 *
 * weight = code * (d * scale) - dmin * min
 * from: the ggml repository's published block layouts (ggml-common.h), as of August 2026
 */
#ifndef HL_ENGINE_QUANT_Q4_K_H
#define HL_ENGINE_QUANT_Q4_K_H

#include <assert.h>

#include "engine/quant/group.h"
#include "engine/quant/float16.h"

typedef struct hl_block_q4_k {
    uint16_t d;          /* f16 */
    uint16_t dmin;       /* f16 */
    uint8_t  scales[12]; /* see hl_q4_k_scale() */
    uint8_t  qs[128];    /* per 64 weights 32 bytes: low nibbles are the first 32, high nibbles the next */
} hl_block_q4_k;
static_assert(sizeof(hl_block_q4_k) == 144, "block of q4_k");

/* Scale and minimum j of 8, six bits each: the first four in the low six bits of bytes 0..3 and 4..7, the
 * others in nibbles of bytes 8..11 with their upper two bits on top of bytes 0..7. */
static inline int hl_q4_k_scale(const uint8_t *s, size_t j) {
    return j < 4 ? s[j] & 63 : (s[j + 4] & 15) | s[j - 4] >> 6 << 4;
}

static inline int hl_q4_k_min(const uint8_t *s, size_t j) {
    return j < 4 ? s[j + 4] & 63 : s[j + 4] >> 4 | s[j] >> 6 << 4;
}

static inline void hl_q4_k_group(const void *row, size_t i_group, hl_group *ret) {
    const hl_block_q4_k *b = (const hl_block_q4_k *)row + i_group / 8;
    const size_t         i = i_group % 8;
    const uint8_t       *qs = b->qs + 32 * (i / 2);
    ret->scale[0] = hl_f32_of_f16(b->d) * (float)hl_q4_k_scale(b->scales, i);
    ret->min[0] = hl_f32_of_f16(b->dmin) * (float)hl_q4_k_min(b->scales, i);
    for (size_t j = 0; j < 32; j++) ret->code[j] = qs[j] >> 4 * (i % 2) & 15;
}

#endif
