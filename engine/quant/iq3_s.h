/* SPDX-License-Identifier: MIT
 *
 * iq3_s.h - superblocks of 256 weights: magnitudes of four by index, signs, 4-bit scales of 32.
 *
 * weight = (code - 16) * (d * (2 scale + 1))
 * from: the ggml repository's published block layouts (ggml-common.h), as of August 2026
 */
#ifndef HL_ENGINE_QUANT_IQ3_S_H
#define HL_ENGINE_QUANT_IQ3_S_H

#include <assert.h>
#include <string.h>

#include "engine/quant/group.h"
#include "engine/quant/float16.h"
#include "engine/quant/iq_grids.h"

typedef struct hl_block_iq3_s {
    uint16_t d;         /* f16 */
    uint8_t  qs[64];    /* low 8 bits of the indices of four weights each */
    uint8_t  qh[8];     /* of 32 weights: bit k is the ninth of index k */
    uint8_t  signs[32]; /* of eight weights, the first one's in the lowest bit */
    uint8_t  scales[4]; /* of 64 weights: low nibble the first 32, high nibble the others */
} hl_block_iq3_s;
static_assert(sizeof(hl_block_iq3_s) == 110, "block of iq3_s");

static inline void hl_iq3_s_group(const void *row, size_t i_group, hl_group *ret) {
    const hl_block_iq3_s *b = (const hl_block_iq3_s *)row + i_group / 8;
    const size_t          i = i_group % 8;
    const uint8_t        *qs = b->qs + 8 * i;
    const uint32_t        high = b->qh[i];
    ret->scale[0] = hl_f32_of_f16(b->d) * (float)(2 * (b->scales[i / 2] >> 4 * (i % 2) & 15) + 1);
    HL_UNROLLED for (size_t k = 0; k < 4; k++) {
        const uint32_t low = hl_grid_iq3s[qs[2 * k] | (high >> 2 * k & 1) << 8];
        const uint32_t up = hl_grid_iq3s[qs[2 * k + 1] | (high >> (2 * k + 1) & 1) << 8];
        const uint64_t code =
            hl_signed_codes(low | (uint64_t)up << 32, hl_sign_masks[b->signs[4 * i + k]], 16);
        memcpy(ret->code + 8 * k, &code, 8);
    }
}

#endif
