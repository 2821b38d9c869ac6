/* SPDX-License-Identifier: MIT
 *
 * rows8_avx2.h - panels of quantized weights, eight rows at a time: a lane is a row.
 *
 * Four-byte units of eight rows are transposed in registers, so that one vector holds the same four columns of
 * all of them (a "quad"). Integer sums are then exact per lane, and every f32 step is the scalar definition's,
 * lane by lane: no horizontal sum, the same bits. Each type brings a decoder of one block (codes_avx2.h).
 *
 * Codes are u8 and activations i8: maddubs adds two products in 16 bits, which is exact for codes up to 127; larger
 * codes are multiplied as |w - 128| times x with the sign of w - 128, at most 2 * 128 * 127.
 */
#ifndef HL_ENGINE_KERNELS_ROWS8_AVX2_H
#define HL_ENGINE_KERNELS_ROWS8_AVX2_H

#include <immintrin.h>
#include <string.h>

#include "engine/kernels/kernels.h"
#include "engine/kernels/unroll.h"
#include "engine/quant/group.h"

/* 32 columns of eight rows. */
typedef struct hl_group8 {
    __m256i quad[8];  /* columns 4k .. 4k + 3; lane = row */
    __m256  scale[2]; /* as in hl_group */
    __m256  min[2];
} hl_group8;

/* Decode one block of eight rows into its groups (1 or 8). */
typedef void hl_decode8_fn(const uint8_t *const *block, hl_group8 *ret);

/* What stays the same for a type. */
typedef struct hl_rows8 {
    hl_code_format format;
    size_t         block_bytes;
    size_t         block_groups; /* groups of 32 columns in a block */
    int            quads_per_sum; /* how many quads' products fit 16-bit sums; 1: codes above 127, see above */
} hl_rows8;

/* 16 bytes at `offset` of eight rows as four vectors of one unit each. */
HL_INLINE void hl_units16(const uint8_t *const *row, size_t offset, __m256i *u) {
    __m256i a[4];
    HL_UNROLL for (int i = 0; i < 4; i++) {
        const __m128i low = _mm_loadu_si128((const __m128i *)(const void *)(row[i] + offset));
        const __m128i high = _mm_loadu_si128((const __m128i *)(const void *)(row[i + 4] + offset));
        a[i] = _mm256_inserti128_si256(_mm256_castsi128_si256(low), high, 1);
    }
    const __m256i t0 = _mm256_unpacklo_epi32(a[0], a[1]), t1 = _mm256_unpackhi_epi32(a[0], a[1]);
    const __m256i t2 = _mm256_unpacklo_epi32(a[2], a[3]), t3 = _mm256_unpackhi_epi32(a[2], a[3]);
    u[0] = _mm256_unpacklo_epi64(t0, t2);
    u[1] = _mm256_unpackhi_epi64(t0, t2);
    u[2] = _mm256_unpacklo_epi64(t1, t3);
    u[3] = _mm256_unpackhi_epi64(t1, t3);
}

HL_INLINE int hl_load_u32(const void *p) {
    int x;
    memcpy(&x, p, 4);
    return x;
}

HL_INLINE short hl_load_u16(const void *p) {
    short x;
    memcpy(&x, p, 2);
    return x;
}

/* 4 bytes at `offset` of eight rows. */
HL_INLINE __m256i hl_units4(const uint8_t *const *row, size_t offset) {
    return _mm256_setr_epi32(hl_load_u32(row[0] + offset), hl_load_u32(row[1] + offset), hl_load_u32(row[2] + offset),
                             hl_load_u32(row[3] + offset), hl_load_u32(row[4] + offset), hl_load_u32(row[5] + offset),
                             hl_load_u32(row[6] + offset), hl_load_u32(row[7] + offset));
}

/* The f16 at `offset` of eight rows, as f32. */
HL_INLINE __m256 hl_halves8(const uint8_t *const *row, size_t offset) {
    return _mm256_cvtph_ps(
        _mm_setr_epi16(hl_load_u16(row[0] + offset), hl_load_u16(row[1] + offset), hl_load_u16(row[2] + offset),
                       hl_load_u16(row[3] + offset), hl_load_u16(row[4] + offset), hl_load_u16(row[5] + offset),
                       hl_load_u16(row[6] + offset), hl_load_u16(row[7] + offset)));
}

/* The f16 in the low halves of eight 32-bit lanes, as f32. */
HL_INLINE __m256 hl_low_halves8(__m256i v) {
    const __m256i low = _mm256_and_si256(v, _mm256_set1_epi32(0xFFFF));
    const __m256i both = _mm256_permute4x64_epi64(_mm256_packus_epi32(low, low), 0x08);
    return _mm256_cvtph_ps(_mm256_castsi256_si128(both));
}

/* Pointers to eight rows from r on; past the last one, the last one again. */
HL_INLINE void hl_rows8_at(const void *w, size_t row_bytes, size_t r, size_t n_rows, const uint8_t **row) {
    HL_UNROLL for (size_t i = 0; i < 8; i++) row[i] =
        (const uint8_t *)w + (r + i < n_rows ? r + i : n_rows - 1) * row_bytes;
}

HL_INLINE void hl_unpack_rows8(const void *w, size_t row_bytes, hl_panel *p, const hl_rows8 *type,
                                hl_decode8_fn *decode) {
    const hl_code_format f = type->format;
    const size_t         n_scales = 32 / f.group;
    p->group = f.group;
    p->offset = f.offset;
    p->has_min = f.has_min;
    p->max_code = f.max_code;
    for (size_t r = 0; r < HL_PANEL_ROWS; r += 8) {
        const uint8_t *row[8];
        hl_rows8_at(w, row_bytes, r, p->n_rows, row);
        for (size_t i = 0; i < p->n_cols / 32; i += type->block_groups) {
            hl_group8 g[8];
            decode(row, g);
            for (size_t j = 0; j < type->block_groups; j++) {
                uint8_t *codes = p->codes + ((i + j) * 8 * HL_PANEL_ROWS + r) * 4;
                HL_UNROLL for (size_t k = 0; k < 8; k++)
                    _mm256_storeu_si256((__m256i *)(void *)(codes + k * 4 * HL_PANEL_ROWS), g[j].quad[k]);
                HL_UNROLL for (size_t s = 0; s < n_scales; s++) {
                    const size_t at = ((i + j) * n_scales + s) * HL_PANEL_ROWS + r;
                    _mm256_storeu_ps(p->scale + at, g[j].scale[s]);
                    if (f.has_min) _mm256_storeu_ps(p->min + at, g[j].min[s]);
                }
            }
            HL_UNROLL for (size_t k = 0; k < 8; k++) row[k] += type->block_bytes;
        }
    }
}

#endif
