/* SPDX-License-Identifier: MIT
 *
 * iq_grids.c - the tables of iq_grids.h, spread out by the compiler from one digit per weight.
 */
#include "engine/quant/iq_grids.h"

/* Digit i of n bits, put through `of`, as byte i. */
#define AT(e, n, i, of)     (uint64_t)(of((e) >> (n) * (i) & ((1 << (n)) - 1))) << 8 * (i)
#define FOUR(e, n, of)      (AT(e, n, 0, of) | AT(e, n, 1, of) | AT(e, n, 2, of) | AT(e, n, 3, of))
#define EIGHT(e, of)        (FOUR(e, 2, of) | (FOUR((e) >> 8, 2, of)) << 32)

#define IQ2_VALUE(digit)    ((digit) == 2 ? 43 : 8 + 17 * (digit))
#define IQ1_VALUE(digit)    (8 + 8 * (digit))
#define IQ3XXS_VALUE(digit) ((digit) == 7 ? 31 : 2 + 4 * (digit))
#define IQ3S_VALUE(digit)   (1 + 2 * (digit))

const uint64_t hl_grid_iq2xxs[256] = {
#define HL_GRID_iq2xxs(e) EIGHT(e, IQ2_VALUE),
#include "engine/quant/iq_grids.def"
};
const uint64_t hl_grid_iq2xs[512] = {
#define HL_GRID_iq2xs(e) EIGHT(e, IQ2_VALUE),
#include "engine/quant/iq_grids.def"
};
const uint64_t hl_grid_iq2s[1024] = {
#define HL_GRID_iq2s(e) EIGHT(e, IQ2_VALUE),
#include "engine/quant/iq_grids.def"
};
const uint64_t hl_grid_iq1s[2048] = {
#define HL_GRID_iq1s(e) EIGHT(e, IQ1_VALUE),
#include "engine/quant/iq_grids.def"
};
const uint32_t hl_grid_iq3xxs[256] = {
#define HL_GRID_iq3xxs(e) FOUR(e, 3, IQ3XXS_VALUE),
#include "engine/quant/iq_grids.def"
};
const uint32_t hl_grid_iq3s[512] = {
#define HL_GRID_iq3s(e) FOUR(e, 3, IQ3S_VALUE),
#include "engine/quant/iq_grids.def"
};

/* Digit i as a nibble; those of weights 0..3 are the low ones of four bytes. */
#define NIBBLE(e, i) (uint32_t)((e) >> 2 * (i)&3) << (8 * ((i) % 4) + 4 * ((i) / 4))
#define DIGITS(e)                                                                                            \
    (NIBBLE(e, 0) | NIBBLE(e, 1) | NIBBLE(e, 2) | NIBBLE(e, 3) | NIBBLE(e, 4) | NIBBLE(e, 5) |               \
     NIBBLE(e, 6) | NIBBLE(e, 7))

const uint32_t hl_digits_iq2xxs[256] = {
#define HL_GRID_iq2xxs(e) DIGITS(e),
#include "engine/quant/iq_grids.def"
};
const uint32_t hl_digits_iq2xs[512] = {
#define HL_GRID_iq2xs(e) DIGITS(e),
#include "engine/quant/iq_grids.def"
};
const uint32_t hl_digits_iq2s[1024] = {
#define HL_GRID_iq2s(e) DIGITS(e),
#include "engine/quant/iq_grids.def"
};
const uint32_t hl_digits_iq1s[2048] = {
#define HL_GRID_iq1s(e) DIGITS(e),
#include "engine/quant/iq_grids.def"
};

/* from: the ggml repository (ggml-common.h): the eighth sign makes the number of minus signs even */
#define BIT_MASK(s, i) ((uint64_t)((s) >> (i)&1) * 255) << 8 * (i)
#define SIGNS(s)                                                                                             \
    (BIT_MASK(s, 0) | BIT_MASK(s, 1) | BIT_MASK(s, 2) | BIT_MASK(s, 3) | BIT_MASK(s, 4) | BIT_MASK(s, 5) |   \
     BIT_MASK(s, 6) | BIT_MASK(s, 7))
#define PARITY(s)     (((s) ^ (s) >> 1 ^ (s) >> 2 ^ (s) >> 3 ^ (s) >> 4 ^ (s) >> 5 ^ (s) >> 6) & 1)
#define EVEN_SIGNS(s) SIGNS((s) | PARITY(s) << 7)
#define ROW4(one, s)  one((s)), one((s) + 1), one((s) + 2), one((s) + 3)
#define ROW16(one, s) ROW4(one, s), ROW4(one, (s) + 4), ROW4(one, (s) + 8), ROW4(one, (s) + 12)
#define ROW64(one, s) ROW16(one, s), ROW16(one, (s) + 16), ROW16(one, (s) + 32), ROW16(one, (s) + 48)

const uint64_t hl_sign_masks[256] = {ROW64(SIGNS, 0), ROW64(SIGNS, 64), ROW64(SIGNS, 128), ROW64(SIGNS, 192)};
const uint64_t hl_even_sign_masks[128] = {ROW64(EVEN_SIGNS, 0), ROW64(EVEN_SIGNS, 64)};
