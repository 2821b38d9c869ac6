/* SPDX-License-Identifier: MIT
 *
 * q1_0.h - blocks of 128 weights d or -d.
 *
 * weight = (code - 1) * d; codes are 0 or 2
 * from: the ggml repository's published block layouts (ggml-common.h), as of August 2026
 */
#ifndef HL_ENGINE_QUANT_Q1_0_H
#define HL_ENGINE_QUANT_Q1_0_H

#include <assert.h>
#include <string.h>

#include "engine/quant/group.h"
#include "engine/quant/float16.h"
#include "engine/quant/iq_grids.h"

typedef struct hl_block_q1_0 {
    uint16_t d;      /* f16 */
    uint8_t  qs[16]; /* a bit of each weight, the first one's in the lowest place: whether it is d */
} hl_block_q1_0;
static_assert(sizeof(hl_block_q1_0) == 18, "block of q1_0");

static inline void hl_q1_0_group(const void *row, size_t i_group, hl_group *ret) {
    const hl_block_q1_0 *b = (const hl_block_q1_0 *)row + i_group / 4;
    ret->scale[0] = hl_f32_of_f16(b->d);
    HL_UNROLLED for (size_t k = 0; k < 4; k++) {
        const uint64_t code = hl_sign_masks[b->qs[i_group % 4 * 4 + k]] & HL_BYTES8(2);
        memcpy(ret->code + 8 * k, &code, 8);
    }
}

#endif
