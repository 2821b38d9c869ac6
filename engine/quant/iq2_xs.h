/* SPDX-License-Identifier: MIT
 *
 * iq2_xs.h - superblocks of 256 weights: magnitudes of eight by index, 7-bit signs, 4-bit scales of 16.
 *
 * weight = (code - 128) * (d * (2 scale + 1) / 8)
 * from: the ggml repository's published block layouts (ggml-common.h), as of August 2026
 */
#ifndef HL_ENGINE_QUANT_IQ2_XS_H
#define HL_ENGINE_QUANT_IQ2_XS_H

#include <assert.h>
#include <string.h>

#include "engine/quant/group.h"
#include "engine/quant/float16.h"
#include "engine/quant/iq_grids.h"

typedef struct hl_block_iq2_xs {
    uint16_t d;         /* f16 */
    uint16_t qs[32];    /* of eight weights: 9 bits of index, 7 bits of signs */
    uint8_t  scales[8]; /* of 32 weights: low nibble the first 16, high nibble the others */
} hl_block_iq2_xs;
static_assert(sizeof(hl_block_iq2_xs) == 74, "block of iq2_xs");

static inline void hl_iq2_xs_group(const void *row, size_t i_group, hl_group *ret) {
    const hl_block_iq2_xs *b = (const hl_block_iq2_xs *)row + i_group / 8;
    const size_t           i = i_group % 8;
    const float            d = hl_f32_of_f16(b->d) * 0.125f;
    ret->scale[0] = d * (float)(2 * (b->scales[i] & 15) + 1);
    ret->scale[1] = d * (float)(2 * (b->scales[i] >> 4) + 1);
    HL_UNROLLED for (size_t k = 0; k < 4; k++) {
        const uint32_t q = b->qs[4 * i + k];
        const uint64_t code = hl_signed_codes(hl_grid_iq2xs[q & 511], hl_even_sign_masks[q >> 9], 128);
        memcpy(ret->code + 8 * k, &code, 8);
    }
}

#endif
