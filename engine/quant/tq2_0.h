/* SPDX-License-Identifier: MIT
 *
 * tq2_0.h - superblocks of 256 2-bit weights with one scale.
 *
 * weight = (code - 1) * d
 * from: the ggml repository's published block layouts (ggml-common.h), as of August 2026
 */
#ifndef HL_ENGINE_QUANT_TQ2_0_H
#define HL_ENGINE_QUANT_TQ2_0_H

#include <assert.h>
#include <string.h>

#include "engine/quant/group.h"
#include "engine/quant/float16.h"

typedef struct hl_block_tq2_0 {
    uint8_t  qs[64]; /* per 128 weights 32 bytes: bits 2k of byte l are weight 32 k + l */
    uint16_t d;      /* f16 */
} hl_block_tq2_0;
static_assert(sizeof(hl_block_tq2_0) == 66, "block of tq2_0");

static inline void hl_tq2_0_group(const void *row, size_t i_group, hl_group *ret) {
    const hl_block_tq2_0 *b = (const hl_block_tq2_0 *)row + i_group / 8;
    const size_t          i = i_group % 8;
    const uint8_t        *qs = b->qs + 32 * (i / 4);
    ret->scale[0] = hl_f32_of_f16(b->d);
    HL_UNROLLED for (size_t k = 0; k < 4; k++) {
        uint64_t eight;
        memcpy(&eight, qs + 8 * k, 8);
        eight = eight >> 2 * (i % 4) & UINT64_C(0x0303030303030303);
        memcpy(ret->code + 8 * k, &eight, 8);
    }
}

#endif
