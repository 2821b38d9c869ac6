/* SPDX-License-Identifier: MIT
 *
 * iq3_xxs.h - superblocks of 256 weights: magnitudes of four by index, 7-bit signs, 4-bit scales of 32.
 *
 * weight = (code - 32) * (d * (2 scale + 1) / 2): all magnitudes are even, codes hold half of them
 * from: the ggml repository's published block layouts (ggml-common.h), as of August 2026
 */
#ifndef HL_ENGINE_QUANT_IQ3_XXS_H
#define HL_ENGINE_QUANT_IQ3_XXS_H

#include <assert.h>
#include <string.h>

#include "engine/quant/group.h"
#include "engine/quant/float16.h"
#include "engine/quant/iq_grids.h"

typedef struct hl_block_iq3_xxs {
    uint16_t d;         /* f16 */
    uint8_t  qs[64];    /* indices of four weights each */
    uint8_t  aux[8][4]; /* of 32 weights 32 bits: four times 7 signs of eight weights, the scale on top */
} hl_block_iq3_xxs;
static_assert(sizeof(hl_block_iq3_xxs) == 98, "block of iq3_xxs");

static inline void hl_iq3_xxs_group(const void *row, size_t i_group, hl_group *ret) {
    const hl_block_iq3_xxs *b = (const hl_block_iq3_xxs *)row + i_group / 8;
    const size_t            i = i_group % 8;
    const uint8_t          *qs = b->qs + 8 * i;
    uint32_t                aux;
    memcpy(&aux, b->aux[i], 4);
    ret->scale[0] = hl_f32_of_f16(b->d) * (float)(2 * (aux >> 28) + 1) * 0.5f;
    HL_UNROLLED for (size_t k = 0; k < 4; k++) {
        const uint64_t grid = hl_grid_iq3xxs[qs[2 * k]] | (uint64_t)hl_grid_iq3xxs[qs[2 * k + 1]] << 32;
        const uint64_t code = hl_signed_codes(grid, hl_even_sign_masks[aux >> 7 * k & 127], 32);
        memcpy(ret->code + 8 * k, &code, 8);
    }
}

#endif
