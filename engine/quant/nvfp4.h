/* SPDX-License-Identifier: MIT
 *
 * nvfp4.h - blocks of 64 4-bit floats (e2m1) with 8-bit scales (e4m3 without a sign) of 16.
 *
 * weight = (code - 16) * scale / 2: codes are twice the value of the 4-bit float, so the scale is halved.
 * Files have a second scale for the whole tensor, in a tensor "<name>.scale", that no block knows
 * from: the ggml repository's published block layouts (ggml-common.h), as of August 2026
 */
#ifndef HL_ENGINE_QUANT_NVFP4_H
#define HL_ENGINE_QUANT_NVFP4_H

#include <assert.h>
#include <string.h>

#include "engine/quant/group.h"
#include "engine/quant/float16.h"

typedef struct hl_block_nvfp4 {
    uint8_t e[4];     /* scales of 16 weights each: 4 bits of exponent, 3 of mantissa */
    uint8_t qs[4][8]; /* of 16 weights: low nibbles are the first eight */
} hl_block_nvfp4;
static_assert(sizeof(hl_block_nvfp4) == 36, "block of nvfp4");

/* Half of an e4m3 number: 0 and what would be a NaN are 0, the sign is not looked at. */
static inline float hl_nvfp4_half_scale(uint8_t e) {
    const uint32_t exponent = e >> 3 & 15, mantissa = e & 7;
    if (e == 0x7F) return 0.0f;
    if (exponent == 0) return (float)mantissa * 0x1p-10f;
    return hl_f32_of_bits((exponent + 119) << 23 | mantissa << 20);
}

/* Codes of eight nibbles that stand in the low halves of bytes: 16 + e2m1 * 2. The two bits of an exponent
 * of 2 or 3 say how far 2 or 3 is moved. */
static inline uint64_t hl_nvfp4_codes(uint64_t nibbles) {
    const uint64_t one = UINT64_C(0x0101010101010101);
    const uint64_t size = nibbles & 7 * one, large = (nibbles >> 2 & one) * 255,
                   largest = (nibbles >> 1 & one) * 255 & large;
    const uint64_t mantissa = (size & one) + 2 * one; /* of numbers from 2 on */
    const uint64_t twice = 2 * mantissa;
    const uint64_t value = (size & ~large) | (twice & large & ~largest) | (2 * twice & largest);
    const uint64_t minus = (nibbles >> 3 & one) * 255;
    return 16 * one + value - 2 * (value & minus);
}

static inline void hl_nvfp4_group(const void *row, size_t i_group, hl_group *ret) {
    const hl_block_nvfp4 *b = (const hl_block_nvfp4 *)row + i_group / 2;
    HL_UNROLLED for (size_t s = 0; s < 2; s++) {
        const size_t i = i_group % 2 * 2 + s;
        uint64_t     both;
        memcpy(&both, b->qs[i], 8);
        const uint64_t low = hl_nvfp4_codes(both & UINT64_C(0x0F0F0F0F0F0F0F0F));
        const uint64_t high = hl_nvfp4_codes(both >> 4 & UINT64_C(0x0F0F0F0F0F0F0F0F));
        ret->scale[s] = hl_nvfp4_half_scale(b->e[i]);
        memcpy(ret->code + 16 * s, &low, 8);
        memcpy(ret->code + 16 * s + 8, &high, 8);
    }
}

#endif
