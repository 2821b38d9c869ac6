/* SPDX-License-Identifier: MIT
 *
 * iq1_s.h - superblocks of 256 weights: eight of -1, 0, 1 by index, all moved by an eighth, 3-bit scales of
 * 32.
 *
 * weight = (code - 16) * (d * (2 scale + 1) / 8); code - 16 is 8 w + 1 or 8 w - 1
 * from: the ggml repository's published block layouts (ggml-common.h), as of August 2026
 */
#ifndef HL_ENGINE_QUANT_IQ1_S_H
#define HL_ENGINE_QUANT_IQ1_S_H

#include <assert.h>
#include <string.h>

#include "engine/quant/group.h"
#include "engine/quant/float16.h"
#include "engine/quant/iq_grids.h"

typedef struct hl_block_iq1_s {
    uint16_t d;      /* f16 */
    uint8_t  qs[32]; /* low 8 bits of the indices */
    uint16_t
        qh[8]; /* of 32 weights: four times the high 3 bits, 3 bits of scale, whether it is minus an eighth */
} hl_block_iq1_s;
static_assert(sizeof(hl_block_iq1_s) == 50, "block of iq1_s");

static inline void hl_iq1_s_group(const void *row, size_t i_group, hl_group *ret) {
    const hl_block_iq1_s *b = (const hl_block_iq1_s *)row + i_group / 8;
    const size_t          i = i_group % 8;
    const uint32_t        high = b->qh[i];
    const uint64_t        shift = high >> 15 ? -HL_BYTES8(1) : HL_BYTES8(1);
    ret->scale[0] = hl_f32_of_f16(b->d) * (float)(2 * (high >> 12 & 7) + 1) * 0.125f;
    HL_UNROLLED for (size_t k = 0; k < 4; k++) {
        const uint64_t code = hl_grid_iq1s[b->qs[4 * i + k] | (high >> 3 * k & 7) << 8] + shift;
        memcpy(ret->code + 8 * k, &code, 8);
    }
}

#endif
