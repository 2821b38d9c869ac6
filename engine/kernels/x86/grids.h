/* SPDX-License-Identifier: MIT
 *
 * grids.h - the weight types whose codes stand in grids (engine/quant/iq_grids.h): what their fields mean,
 * once for every vector width.
 *
 * A lane is a row. A block's bytes come as words of every row, in pieces of 16 bytes that the type names; of
 * a group of 32 columns there come out indices into the grid, signs and scales. How words are read and grids
 * are looked into is for the including files to say: decode_avx512.h, grids8_avx2.h. They define GRID_LANES,
 * how many rows a vector has, and f32_of_f16_lanes(): the f16 in the low half of every lane. Layouts:
 * engine/quant/<type>.h.
 */
#ifndef HL_ENGINE_KERNELS_X86_GRIDS_H
#define HL_ENGINE_KERNELS_X86_GRIDS_H

#include "core/gguf/types.h"
#include "engine/quant/group.h"
#include "engine/quant/iq_grids.h"

typedef uint32_t grid_lanes __attribute__((vector_size(4 * GRID_LANES)));
typedef int32_t  grid_signed __attribute__((vector_size(4 * GRID_LANES)));
typedef float    grid_floats __attribute__((vector_size(4 * GRID_LANES)));

HL_INLINE grid_floats f32_of_f16_lanes(grid_lanes v);

/* A block of every row: word 4 p + j is bytes 4 j.. of piece p. */
enum { GRID_WORDS_MAX = 36 };
typedef struct grid_block {
    grid_lanes  word[GRID_WORDS_MAX];
    grid_floats d;
} grid_block;

/* 32 columns of every row. */
typedef struct grid_group {
    grid_lanes  index[8]; /* of eight columns each, or of four */
    grid_lanes  minus;    /* bit i: column i is negative */
    grid_floats scale[2]; /* of columns 0..15 and 16..31; [0] only where 32 share one */
} grid_group;

/* Every type, how many columns an index is for, its grid, and where the pieces of a block begin. */
/* clang-format off */
#define HL_GRID_TYPES(ROW) \
    ROW(iq1_s,   8, hl_digits_iq1s,   0, 2, 18, 34) \
    ROW(iq1_m,   8, hl_digits_iq1s,   0, 0, 16, 32, 40) \
    ROW(iq2_xxs, 8, hl_digits_iq2xxs, 0, 2, 18, 34, 50) \
    ROW(iq2_xs,  8, hl_digits_iq2xs,  0, 2, 18, 34, 50, 58) \
    ROW(iq2_s,   8, hl_digits_iq2s,   0, 2, 18, 34, 50, 66) \
    ROW(iq3_xxs, 4, hl_grid_iq3xxs,   0, 2, 18, 34, 50, 66, 82) \
    ROW(iq3_s,   4, hl_grid_iq3s,     0, 2, 18, 34, 50, 66, 74, 90, 94)
/* clang-format on */

typedef void grid_group_fn(const grid_block *b, size_t g, grid_group *ret);

/* What the loops over blocks must know of a type. */
typedef struct grid_type {
    hl_code_format  format;
    int             per; /* columns of an index */
    const uint32_t *grid;
    int             n_loads;
    const uint8_t  *piece; /* where they begin */
    bool            d_in_scales;
    grid_group_fn  *group;
} grid_type;

/* grid_iq2_xs(): a constant, once it is inlined. */
#define HL_GRID_TYPE(type, per, grid, ...)                                                                   \
    static const uint8_t grid_pieces_##type[] = {__VA_ARGS__};                                               \
    HL_INLINE void       grid_of_##type(const grid_block *b, size_t g, grid_group *ret);                     \
    HL_INLINE grid_type  grid_##type(void) {                                                                 \
         return (grid_type){hl_##type##_format(),                                                            \
                            per,                                                                             \
                            grid,                                                                            \
                            (int)sizeof grid_pieces_##type,                                                  \
                            grid_pieces_##type,                                                              \
                            HL_TYPE_##type == HL_TYPE_iq1_m,                                                 \
                            grid_of_##type};                                                                 \
    }
HL_GRID_TYPES(HL_GRID_TYPE)

HL_INLINE grid_floats odd_numbers(grid_lanes v) {
    return __builtin_convertvector((grid_signed)(v << 1 | 1), grid_floats);
}

/* Index k: byte k of `low`, and n bits of `high`, where every index has as many. */
HL_INLINE grid_lanes grid_index(grid_lanes low, grid_lanes high, const int n, const int k) {
    const int        left = 8 - n * k;
    const grid_lanes upper = left >= 0 ? high << left : high >> -left;
    return (low >> 8 * (k % 4) & 255) | (upper & (uint32_t)((1 << n) - 1) << 8);
}

/* Bytes of seven signs, with the eighth so that their number is even. */
HL_INLINE grid_lanes even_signs(grid_lanes seven) {
    grid_lanes odd = seven ^ seven >> 4;
    odd ^= odd >> 2;
    odd ^= odd >> 1;
    return seven | (odd & 0x01010101) << 7;
}

/* From four times seven bits. */
HL_INLINE grid_lanes spread_signs(grid_lanes v) {
    return even_signs((v & 0x7f) | (v << 1 & 0x7f00) | (v << 2 & 0x7f0000) | (v << 3 & 0x7f000000));
}

HL_INLINE void two_scales(const grid_block *b, grid_lanes nibbles, grid_group *ret) {
    ret->scale[0] = b->d * 0.125f * odd_numbers(nibbles & 15);
    ret->scale[1] = b->d * 0.125f * odd_numbers(nibbles >> 4 & 15);
}

HL_INLINE void grid_of_iq1_s(const grid_block *b, size_t g, grid_group *ret) {
    const grid_lanes high = b->word[12 + g / 2] >> 16 * (g % 2) & 0xffff;
    HL_UNROLL for (int k = 0; k < 4; k++) ret->index[k] = grid_index(b->word[4 + g], high, 3, k);
    ret->minus = 0 - (high >> 15);
    ret->scale[0] = b->d * odd_numbers(high >> 12 & 7) * 0.125f;
}

HL_INLINE void grid_of_iq1_m(const grid_block *b, size_t g, grid_group *ret) {
    const grid_lanes high = b->word[12 + g / 2] >> 16 * (g % 2);
    const grid_lanes three = b->word[18 + g / 4] >> (16 * (g / 2 % 2) + 6 * (g % 2));
    grid_lanes       minus = high >> 3 & 0x1111;
    HL_UNROLL for (int k = 0; k < 4; k++) ret->index[k] =
        (b->word[4 + g] >> 8 * k & 255) | ((high >> 4 * k & 7) << 8);
    minus = (minus | minus << 8) & 0x00110011;
    minus = (minus | minus << 4) & 0x01010101;
    ret->minus = (minus << 8) - minus;
    ret->scale[0] = b->d * odd_numbers(three & 7) * 0.125f;
    ret->scale[1] = b->d * odd_numbers(three >> 3 & 7) * 0.125f;
}

HL_INLINE void grid_of_iq2_xxs(const grid_block *b, size_t g, grid_group *ret) {
    const grid_lanes low = b->word[4 + 2 * g], aux = b->word[5 + 2 * g];
    HL_UNROLL for (int k = 0; k < 4; k++) ret->index[k] = low >> 8 * k & 255;
    ret->minus = spread_signs(aux);
    ret->scale[0] = b->d * odd_numbers(aux >> 28) * 0.125f;
}

HL_INLINE void grid_of_iq2_xs(const grid_block *b, size_t g, grid_group *ret) {
    const grid_lanes *q = &b->word[4 + 2 * g];
    HL_UNROLL for (int k = 0; k < 4; k++) ret->index[k] = q[k / 2] >> 16 * (k % 2) & 511;
    ret->minus = even_signs((q[0] >> 9 & 0x7f) | (q[0] >> 17 & 0x7f00) | (q[1] << 7 & 0x7f0000) |
                            (q[1] >> 1 & 0x7f000000));
    two_scales(b, b->word[22 + g / 4] >> 8 * (g % 4), ret);
}

HL_INLINE void grid_of_iq2_s(const grid_block *b, size_t g, grid_group *ret) {
    const grid_lanes high = b->word[20 + g / 4] >> 8 * (g % 4);
    HL_UNROLL for (int k = 0; k < 4; k++) ret->index[k] = grid_index(b->word[4 + g], high, 2, k);
    ret->minus = b->word[12 + g];
    two_scales(b, b->word[22 + g / 4] >> 8 * (g % 4), ret);
}

HL_INLINE void grid_of_iq3_xxs(const grid_block *b, size_t g, grid_group *ret) {
    const grid_lanes aux = b->word[20 + g];
    HL_UNROLL for (int k = 0; k < 8; k++) ret->index[k] = b->word[4 + 2 * g + k / 4] >> 8 * (k % 4) & 255;
    ret->minus = spread_signs(aux);
    ret->scale[0] = b->d * odd_numbers(aux >> 28) * 0.5f;
}

HL_INLINE void grid_of_iq3_s(const grid_block *b, size_t g, grid_group *ret) {
    const grid_lanes high = b->word[20 + g / 4] >> 8 * (g % 4);
    HL_UNROLL for (int k = 0; k < 8; k++) ret->index[k] = grid_index(b->word[4 + 2 * g + k / 4], high, 1, k);
    ret->minus = b->word[24 + g];
    ret->scale[0] = b->d * odd_numbers(b->word[35] >> 4 * g & 15);
}

/* d: in front of the block, or of iq1_m on top of its four scales. */
HL_INLINE void grid_d(grid_block *b, const bool in_scales) {
    const grid_lanes low = b->word[18], high = b->word[19];
    b->d = f32_of_f16_lanes(!in_scales ? b->word[0]
                                       : (low >> 12 & 0xf) | (low >> 24 & 0xf0) | (high >> 4 & 0xf00) |
                                             (high >> 16 & 0xf000));
}

#endif
