/* SPDX-License-Identifier: MIT
 *
 * iq_grids.h - the tables behind the IQ weight types: magnitudes of 8 or 4 weights by index, and signs.
 *
 * Entries are bytes, the first weight's lowest, so that a few integer operations on whole entries make the
 * codes of group.h.
 */
#ifndef HL_ENGINE_QUANT_IQ_GRIDS_H
#define HL_ENGINE_QUANT_IQ_GRIDS_H

#include <stdint.h>

extern const uint64_t hl_grid_iq2xxs[256], hl_grid_iq2xs[512], hl_grid_iq2s[1024]; /* 8, 25, 43 */
extern const uint64_t hl_grid_iq1s[2048];  /* 8 (w + 2), w in -1, 0, 1 */
extern const uint32_t hl_grid_iq3xxs[256]; /* half of 4, 12, 20, 28, 36, 44, 52, 62 */
extern const uint32_t hl_grid_iq3s[512];   /* odd, 1..15 */

/* The same grids by digits, those of the .def: that of weight i in bits 8 (i % 4) + 4 (i / 4) and up. Half
 * the size, and four of them are four bytes with one operation. */
extern const uint32_t hl_digits_iq2xxs[256], hl_digits_iq2xs[512], hl_digits_iq2s[1024], hl_digits_iq1s[2048];

/* Byte i is 255 where bit i is set. And of seven bits, with the eighth set so that their number is even. */
extern const uint64_t hl_sign_masks[256], hl_even_sign_masks[128];

/* The byte b in every place. */
#define HL_BYTES8(b) ((uint64_t)(b)*UINT64_C(0x0101010101010101))

/* In every byte: offset + grid, or offset - grid where the mask says so. Codes stay within a byte, and no
 * place borrows from another. */
static inline uint64_t hl_signed_codes(uint64_t grid, uint64_t mask, uint8_t offset) {
    return HL_BYTES8(offset) + grid - 2 * (grid & mask);
}

#endif
