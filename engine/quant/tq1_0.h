/* SPDX-License-Identifier: MIT
 *
 * tq1_0.h - superblocks of 256 weights -1, 0, 1: five to a byte.
 *
 * weight = (code - 1) * d; digit n of a byte, in base 3 and of a fraction of 256, is (byte * 3^n mod 256) *
 * 3 / 256
 * from: the ggml repository's published block layouts (ggml-common.h), as of August 2026
 */
#ifndef HL_ENGINE_QUANT_TQ1_0_H
#define HL_ENGINE_QUANT_TQ1_0_H

#include <assert.h>
#include <string.h>

#include "engine/quant/group.h"
#include "engine/quant/float16.h"

typedef struct hl_block_tq1_0 {
    uint8_t  qs[48]; /* digit n of byte l: weight 32 n + l for l < 32, 160 + 16 n + l - 32 for the others */
    uint8_t  qh[4];  /* digit n of byte l: weight 240 + 4 n + l */
    uint16_t d;      /* f16 */
} hl_block_tq1_0;
static_assert(sizeof(hl_block_tq1_0) == 54, "block of tq1_0");

/* Digits of eight bytes, as codes. `power`: 3 to the digit's number. Every other byte has room for products
 * of 16 bits. */
static inline uint64_t hl_tq1_0_digits(const uint8_t *qs, uint64_t power) {
    const uint64_t every_other = UINT64_C(0x00FF00FF00FF00FF);
    uint64_t       eight;
    memcpy(&eight, qs, 8);
    const uint64_t even = ((eight & every_other) * power & every_other) * 3 >> 8 & every_other;
    const uint64_t odd = ((eight >> 8 & every_other) * power & every_other) * 3 & ~every_other;
    return even | odd;
}

static inline void hl_tq1_0_group(const void *row, size_t i_group, hl_group *ret) {
    static const uint8_t  power[5] = {1, 3, 9, 27, 81};
    const hl_block_tq1_0 *b = (const hl_block_tq1_0 *)row + i_group / 8;
    const size_t          i = i_group % 8;
    ret->scale[0] = hl_f32_of_f16(b->d);
    HL_UNROLLED for (size_t k = 0; k < 4; k++) {
        const size_t   digit = i < 5 ? i : 2 * (i - 5) + k / 2;
        const uint8_t *qs = i < 5 ? b->qs + 8 * k : b->qs + 32 + k % 2 * 8;
        if (digit > 4) break;
        const uint64_t code = hl_tq1_0_digits(qs, power[digit]);
        memcpy(ret->code + 8 * k, &code, 8);
    }
    if (i == 7) { /* four bytes with four digits each, a digit at a time */
        uint8_t four[8];
        memcpy(four, b->qh, 4);
        memcpy(four + 4, b->qh, 4);
        for (size_t n = 0; n < 4; n++) {
            const uint64_t code = hl_tq1_0_digits(four, power[n]);
            memcpy(ret->code + 16 + 4 * n, &code, 4);
        }
    }
}

#endif
