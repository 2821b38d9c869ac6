/* SPDX-License-Identifier: MIT
 *
 * iq4_nl.h - blocks of 32 4-bit weights that index a table of 16 unevenly spaced values.
 *
 * weight = table[q] * d; the codes of group.h are table[q] + 128
 * from: the ggml repository's published block layouts (ggml-common.h), as of August 2026
 */
#ifndef HL_ENGINE_QUANT_IQ4_NL_H
#define HL_ENGINE_QUANT_IQ4_NL_H

#include <assert.h>

#include "engine/quant/group.h"
#include "engine/quant/float16.h"

typedef struct hl_block_iq4_nl {
    uint16_t d;      /* f16 */
    uint8_t  qs[16]; /* low nibble: weight j, high nibble: weight j + 16 */
} hl_block_iq4_nl;
static_assert(sizeof(hl_block_iq4_nl) == 18, "block of iq4_nl");

static inline uint8_t hl_iq4_nl_code(unsigned q) {
    static const uint8_t table[16] = {
        /* -127 -104 -83 -65 -49 -35 -22 -10 1 13 25 38 53 69 89 113 */
        1, 24, 45, 63, 79, 93, 106, 118, 129, 141, 153, 166, 181, 197, 217, 241,
    };
    return table[q];
}

static inline void hl_iq4_nl_group(const void *row, size_t i_group, hl_group *ret) {
    const hl_block_iq4_nl *b = (const hl_block_iq4_nl *)row + i_group;
    ret->scale[0] = hl_f32_of_f16(b->d);
    for (size_t j = 0; j < 16; j++) {
        ret->code[j] = hl_iq4_nl_code(b->qs[j] & 15);
        ret->code[j + 16] = hl_iq4_nl_code(b->qs[j] >> 4);
    }
}

#endif
