/* SPDX-License-Identifier: MIT
 *
 * grids8_avx2.h - a block of eight rows whose codes stand in grids (grids.h): groups of 32 columns as quads,
 * vectors of the same four columns of all rows.
 */
#ifndef HL_ENGINE_KERNELS_X86_GRIDS8_AVX2_H
#define HL_ENGINE_KERNELS_X86_GRIDS8_AVX2_H

#include "engine/kernels/x86/rows8_avx2.h"

#define GRID_LANES 8
#include "engine/kernels/x86/grids.h"

HL_INLINE grid_floats f32_of_f16_lanes(grid_lanes v) { return (grid_floats)low_f16((__m256i)v); }

HL_INLINE void read_grid8(const grid_type type, const strip8 *s, grid_block *ret) {
    HL_UNROLL for (int i = 0; i < type.n_loads; i++)
        strip_units(s, type.piece[i], (__m256i *)&ret->word[4 * i]);
    grid_d(ret, type.d_in_scales);
}

/* `value` in the bytes of quad k whose columns have their bit set: bit i of a lane is column i. */
HL_INLINE __m256i where_set(__m256i bits, int k, int value) {
    const __m256i spread = _mm256_setr_epi8(0, 0, 0, 0, 4, 4, 4, 4, 8, 8, 8, 8, 12, 12, 12, 12, 0, 0, 0, 0, 4,
                                            4, 4, 4, 8, 8, 8, 8, 12, 12, 12, 12);
    const __m256i bit = _mm256_set1_epi32(k % 2 ? (int)0x80402010 : 0x08040201);
    const __m256i byte = _mm256_shuffle_epi8(bits, _mm256_add_epi8(spread, _mm256_set1_epi8((char)(k / 2))));
    return mask8(_mm256_cmpeq_epi8(_mm256_and_si256(byte, bit), bit), value);
}

/* Codes of digits 0..2, and from 8 on of the same with a minus: of iq2_*, or of iq1_*, which have no minus
 * but an eighth more or less. */
HL_INLINE __m256i digit_codes8(const bool iq2) {
    const __m128i two =
        _mm_setr_epi8((char)136, (char)153, (char)171, 0, 0, 0, 0, 0, 120, 103, 85, 0, 0, 0, 0, 0);
    const __m128i one = _mm_setr_epi8(9, 17, 25, 0, 0, 0, 0, 0, 7, 15, 23, 0, 0, 0, 0, 0);
    return _mm256_broadcastsi128_si256(iq2 ? two : one);
}

/* An entry of the grid for four columns is made of magnitudes; one for eight of digits, the first four in low
 * nibbles. Their signs go to the top of the same nibbles: bits c and c + 4 of the signs to byte c, and what
 * is missing to 8. */
HL_INLINE void grid_quads(const grid_type type, const grid_group *x, __m256i *quad) {
    const __m256i minus = (__m256i)x->minus, offset = _mm256_set1_epi8((char)type.format.offset);
    const __m256i codes = digit_codes8(type.format.offset == 128);
    HL_UNROLL for (int k = 0; k < 32 / type.per; k++) {
        const __m256i entry =
            _mm256_i32gather_epi32((const int *)(const void *)type.grid, (__m256i)x->index[k], 4);
        if (type.per == 4) {
            const __m256i less = where_set(minus, k, 255);
            quad[k] = _mm256_sub_epi8(_mm256_add_epi8(offset, _mm256_xor_si256(entry, less)), less);
            continue;
        }
        const __m256i from =
            _mm256_setr_epi32(0, 0x04040404, 0x08080808, 0x0c0c0c0c, 0, 0x04040404, 0x08080808, 0x0c0c0c0c);
        const __m256i byte = _mm256_shuffle_epi8(minus, _mm256_add_epi8(from, _mm256_set1_epi8((char)k)));
        const __m256i bits = _mm256_and_si256(byte, _mm256_set1_epi32((int)0x88442211u));
        const __m256i signs = _mm256_add_epi32(bits, _mm256_set1_epi32(0x00446677));
        const __m256i low = _mm256_or_si256(entry, mask8(signs, 0x08));
        const __m256i high = _mm256_srli_epi16(_mm256_or_si256(entry, mask8(signs, 0x80)), 4);
        /* of an index the shuffle takes the low nibble, where the top bit is not set */
        quad[2 * k] = _mm256_shuffle_epi8(codes, low);
        quad[2 * k + 1] = _mm256_shuffle_epi8(codes, high);
    }
}

#endif
