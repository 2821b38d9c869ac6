/* SPDX-License-Identifier: MIT
 *
 * iq2_xxs.h - superblocks of 256 weights: magnitudes of eight by index, 7-bit signs, 4-bit scales of 32.
 *
 * weight = (code - 128) * (d * (2 scale + 1) / 8)
 * from: the ggml repository's published block layouts (ggml-common.h), as of August 2026
 */
#ifndef HL_ENGINE_QUANT_IQ2_XXS_H
#define HL_ENGINE_QUANT_IQ2_XXS_H

#include <assert.h>
#include <string.h>

#include "engine/quant/group.h"
#include "engine/quant/float16.h"
#include "engine/quant/iq_grids.h"

typedef struct hl_block_iq2_xxs {
    uint16_t d; /* f16 */
    uint8_t
        qs[8]
          [8]; /* of 32 weights: four indices, then 32 bits: four times 7 bits of signs, the scale on top */
} hl_block_iq2_xxs;
static_assert(sizeof(hl_block_iq2_xxs) == 66, "block of iq2_xxs");

static inline void hl_iq2_xxs_group(const void *row, size_t i_group, hl_group *ret) {
    const hl_block_iq2_xxs *b = (const hl_block_iq2_xxs *)row + i_group / 8;
    const size_t            i = i_group % 8;
    uint32_t                aux;
    memcpy(&aux, b->qs[i] + 4, 4);
    ret->scale[0] = hl_f32_of_f16(b->d) * (float)(2 * (aux >> 28) + 1) * 0.125f;
    HL_UNROLLED for (size_t k = 0; k < 4; k++) {
        const uint64_t code =
            hl_signed_codes(hl_grid_iq2xxs[b->qs[i][k]], hl_even_sign_masks[aux >> 7 * k & 127], 128);
        memcpy(ret->code + 8 * k, &code, 8);
    }
}

#endif
