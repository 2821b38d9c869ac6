/* SPDX-License-Identifier: MIT
 *
 * iq1_m.h - superblocks of 256 weights: eight of -1, 0, 1 by index, moved by an eighth, 3-bit scales of 16.
 *
 * weight = (code - 16) * (d * (2 scale + 1) / 8); code - 16 is 8 w + 1 or 8 w - 1
 * from: the ggml repository's published block layouts (ggml-common.h), as of August 2026
 */
#ifndef HL_ENGINE_QUANT_IQ1_M_H
#define HL_ENGINE_QUANT_IQ1_M_H

#include <assert.h>
#include <string.h>

#include "engine/quant/group.h"
#include "engine/quant/float16.h"
#include "engine/quant/iq_grids.h"

typedef struct hl_block_iq1_m {
    uint8_t qs[32]; /* low 8 bits of the indices */
    uint8_t qh[16]; /* nibbles of eight weights: the high 3 bits, whether it is minus an eighth */
    uint16_t
        scales[4]; /* of 64 weights: four times 3 bits, and on top a nibble of d (f16), the lowest first */
} hl_block_iq1_m;
static_assert(sizeof(hl_block_iq1_m) == 56, "block of iq1_m");

static inline void hl_iq1_m_group(const void *row, size_t i_group, hl_group *ret) {
    const hl_block_iq1_m *b = (const hl_block_iq1_m *)row + i_group / 8;
    const size_t          i = i_group % 8;
    const uint16_t       *s = b->scales;
    const uint32_t        three = (uint32_t)s[i / 2] >> 6 * (i % 2);
    const float           d =
        hl_f32_of_f16((uint16_t)(s[0] >> 12 | (s[1] >> 12) << 4 | (s[2] >> 12) << 8 | (s[3] >> 12) << 12));
    ret->scale[0] = d * (float)(2 * (three & 7) + 1) * 0.125f;
    ret->scale[1] = d * (float)(2 * (three >> 3 & 7) + 1) * 0.125f;
    HL_UNROLLED for (size_t k = 0; k < 4; k++) {
        const uint32_t nibble = b->qh[2 * i + k / 2] >> 4 * (k % 2) & 15u;
        const uint64_t shift = nibble >> 3 ? -HL_BYTES8(1) : HL_BYTES8(1);
        const uint64_t code = hl_grid_iq1s[b->qs[4 * i + k] | (nibble & 7) << 8] + shift;
        memcpy(ret->code + 8 * k, &code, 8);
    }
}

#endif
