/* SPDX-License-Identifier: MIT
 *
 * q2_0.h - blocks of 64 2-bit weights.
 *
 * weight = (code - 1) * d
 * from: the ggml repository's published block layouts (ggml-common.h), as of August 2026
 */
#ifndef HL_ENGINE_QUANT_Q2_0_H
#define HL_ENGINE_QUANT_Q2_0_H

#include <assert.h>
#include <string.h>

#include "engine/quant/group.h"
#include "engine/quant/float16.h"

typedef struct hl_block_q2_0 {
    uint16_t d;      /* f16 */
    uint8_t  qs[16]; /* of four weights, the first in the lowest two bits */
} hl_block_q2_0;
static_assert(sizeof(hl_block_q2_0) == 18, "block of q2_0");

static inline void hl_q2_0_group(const void *row, size_t i_group, hl_group *ret) {
    const hl_block_q2_0 *b = (const hl_block_q2_0 *)row + i_group / 2;
    ret->scale[0] = hl_f32_of_f16(b->d);
    HL_UNROLLED for (size_t k = 0; k < 4;
                     k++) { /* eight weights in 16 bits are spread over eight bytes, by halves */
        uint64_t code = b->qs[i_group % 2 * 8 + 2 * k] | (uint64_t)b->qs[i_group % 2 * 8 + 2 * k + 1] << 32;
        code = (code | code << 12) & UINT64_C(0x000F000F000F000F);
        code = (code | code << 6) & UINT64_C(0x0303030303030303);
        memcpy(ret->code + 8 * k, &code, 8);
    }
}

#endif
