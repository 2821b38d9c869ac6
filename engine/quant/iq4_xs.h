/* SPDX-License-Identifier: MIT
 *
 * iq4_xs.h - superblocks of 256 4-bit table weights: 8 groups of 32 with 6-bit scales.
 *
 * weight = table[q] * (d * (scale - 32)), with the table of iq4_nl
 * from: the ggml repository's published block layouts (ggml-common.h), as of August 2026
 */
#ifndef HL_ENGINE_QUANT_IQ4_XS_H
#define HL_ENGINE_QUANT_IQ4_XS_H

#include <assert.h>

#include "engine/quant/group.h"
#include "engine/quant/float16.h"
#include "engine/quant/iq4_nl.h"

typedef struct hl_block_iq4_xs {
    uint16_t d;           /* f16 */
    uint16_t scales_h;    /* bits 2i: upper two bits of scale i */
    uint8_t  scales_l[4]; /* nibble i: lower four bits of scale i */
    uint8_t  qs[128];     /* per 32 weights 16 bytes: low nibble weight j, high nibble weight j + 16 */
} hl_block_iq4_xs;
static_assert(sizeof(hl_block_iq4_xs) == 136, "block of iq4_xs");

static inline void hl_iq4_xs_group(const void *row, size_t i_group, hl_group *ret) {
    const hl_block_iq4_xs *b = (const hl_block_iq4_xs *)row + i_group / 8;
    const size_t           i = i_group % 8;
    const uint8_t         *qs = b->qs + 16 * i;
    const int              scale = (b->scales_l[i / 2] >> 4 * (i % 2) & 15) | (b->scales_h >> 2 * i & 3) << 4;
    ret->scale[0] = hl_f32_of_f16(b->d) * (float)(scale - 32);
    for (size_t j = 0; j < 16; j++) {
        ret->code[j] = hl_iq4_nl_code(qs[j] & 15);
        ret->code[j + 16] = hl_iq4_nl_code(qs[j] >> 4);
    }
}

#endif
