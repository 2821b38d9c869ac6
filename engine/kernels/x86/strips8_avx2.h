/* SPDX-License-Identifier: MIT
 *
 * strips8_avx2.h - quantized weights times one to three tokens, eight rows at a time.
 *
 * A vector of codes holds 16 columns of row k in its low half and of row k + 4 in its high half, so packed
 * bytes are used as they lie. Four such vectors are eight rows; their products with 16 columns of x are added
 * crosswise until a lane is a row. Integer sums are exact in any order, so only the f32 steps follow the
 * scalar definition's order, lane by lane. Each type brings a function for one block (blocks8_avx2.h).
 *
 * Where a scale is f16 times a small integer, the integer multiplies the integer sum: all of it stays below
 * 2^24, so both ways round once, the same value.
 */
#ifndef HL_ENGINE_KERNELS_X86_STRIPS8_AVX2_H
#define HL_ENGINE_KERNELS_X86_STRIPS8_AVX2_H

#include "engine/kernels/x86/rows8_avx2.h"

/* acc[t] += the block's groups, the first of which is i_group. */
typedef void block8_fn(const strip8 *s, const hl_act *x, size_t i_group, size_t n_tokens, __m256 *acc);

typedef struct strips8 {
    size_t      block_bytes;
    size_t      block_groups;
    hl_gemv_fn *rest; /* for the last rows, fewer than eight */
} strips8;

/* 16 columns of token t, in both halves. */
HL_INLINE __m256i x_half(const hl_act *x, size_t t, size_t column) {
    const int8_t *q = x->q + t * x->n_cols + column;
    return _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)(const void *)q));
}

HL_INLINE __m256 x_scale(const hl_act *x, size_t t, size_t i_group) {
    return _mm256_broadcast_ss(x->d + t * (x->n_cols / 32) + i_group);
}

/* Both sums of 16 columns of a group, in every lane. */
HL_INLINE __m256i x_sums(const hl_act *x, size_t t, size_t i_group) {
    int both;
    __builtin_memcpy(&both, x->sum16 + t * (x->n_cols / 16) + 2 * i_group, 4);
    return _mm256_set1_epi32(both);
}

/* Crosswise sums of 32-bit lanes: row k of v[k] to lane k, row k + 4 to lane k + 4. */
HL_INLINE __m256i cross32(__m256i ab, __m256i cd) {
    return _mm256_add_epi32(_mm256_unpacklo_epi64(ab, cd), _mm256_unpackhi_epi64(ab, cd));
}

HL_INLINE __m256i rows_of_32(const __m256i *v) {
    return cross32(_mm256_add_epi32(_mm256_unpacklo_epi32(v[0], v[1]), _mm256_unpackhi_epi32(v[0], v[1])),
                   _mm256_add_epi32(_mm256_unpacklo_epi32(v[2], v[3]), _mm256_unpackhi_epi32(v[2], v[3])));
}

/* The same from 16-bit sums that stand one addition; ab and cd multiply what is of rows 0 1 0 1, 2 3 2 3. */
HL_INLINE __m256i rows_of_16(const __m256i *v, __m256i ab, __m256i cd) {
    const __m256i s = _mm256_add_epi16(_mm256_unpacklo_epi32(v[0], v[1]), _mm256_unpackhi_epi32(v[0], v[1]));
    const __m256i t = _mm256_add_epi16(_mm256_unpacklo_epi32(v[2], v[3]), _mm256_unpackhi_epi32(v[2], v[3]));
    return cross32(_mm256_madd_epi16(s, ab), _mm256_madd_epi16(t, cd));
}

/* The same from 16-bit sums that stand two additions. */
HL_INLINE __m256i rows_of_small_16(const __m256i *v, __m256i factor) {
    const __m256i s = _mm256_add_epi16(_mm256_unpacklo_epi32(v[0], v[1]), _mm256_unpackhi_epi32(v[0], v[1]));
    const __m256i t = _mm256_add_epi16(_mm256_unpacklo_epi32(v[2], v[3]), _mm256_unpackhi_epi32(v[2], v[3]));
    return _mm256_madd_epi16(_mm256_add_epi16(_mm256_unpacklo_epi64(s, t), _mm256_unpackhi_epi64(s, t)),
                             factor);
}

/* y of eight rows, for a constant number of tokens. */
HL_INLINE void strip8_run(const uint8_t *w, size_t row_bytes, const hl_act *x, float *y, size_t y_stride,
                          size_t n_tokens, const strips8 *type, block8_fn *block) {
    const size_t n_groups = x->n_cols / 32;
    strip8       s = {.at = {w, w + 4 * row_bytes},
                      .stride = row_bytes,
                      .stride3 = 3 * row_bytes,
                      .prefetch = w + 8 * row_bytes};
    __m256       acc[3];
    size_t       i = 0;
    HL_UNROLL for (size_t t = 0; t < n_tokens; t++) acc[t] = _mm256_setzero_ps();
    if (type->block_groups == 1) /* eight blocks, and an eighth of their prefetches with each */
        for (; i + 8 <= n_groups; i += 8)
            for (size_t j = 0; j < 8; j++) {
                strip_prefetch(&s, 0, 8 * type->block_bytes);
                s.prefetch += 8 * type->block_bytes;
                block(&s, x, i + j, n_tokens, acc);
                strip_advance(&s, type->block_bytes);
            }
    for (; i < n_groups; i += type->block_groups) {
        block(&s, x, i, n_tokens, acc);
        s.prefetch += 8 * type->block_bytes;
        strip_advance(&s, type->block_bytes);
    }
    HL_UNROLL for (size_t t = 0; t < n_tokens; t++) _mm256_storeu_ps(y + t * y_stride, acc[t]);
}

/* Tokens [t, t + 3) of x; their sums are kept in registers, more do not fit. */
HL_INLINE hl_act three_tokens(const hl_act *x, size_t t) {
    const size_t n_groups = x->n_cols / 32, left = x->n_tokens - t;
    return (hl_act){.n_tokens = left < 3 ? left : 3,
                    .n_cols = x->n_cols,
                    .q = x->q + t * x->n_cols,
                    .d = x->d + t * n_groups,
                    .sum16 = x->sum16 + 2 * t * n_groups};
}

/* Eight rows meet all tokens before the next eight come: they stay in the first-level cache meanwhile. */
HL_INLINE void gemv_strips8(size_t n_rows, const void *w, size_t row_bytes, const hl_act *x, float *y,
                            size_t y_stride, const strips8 *type, block8_fn *block) {
    const uint8_t *rows = w;
    const size_t   whole = n_rows / 8 * 8;
    for (size_t r = 0; r < whole; r += 8)
        for (size_t t = 0; t < x->n_tokens; t += 3) {
            const hl_act   part = three_tokens(x, t);
            const uint8_t *at = rows + r * row_bytes;
            float         *out = y + t * y_stride + r;
            switch (part.n_tokens) {
            case 1: strip8_run(at, row_bytes, &part, out, y_stride, 1, type, block); break;
            case 2: strip8_run(at, row_bytes, &part, out, y_stride, 2, type, block); break;
            default: strip8_run(at, row_bytes, &part, out, y_stride, 3, type, block); break;
            }
        }
    for (size_t t = 0; t < x->n_tokens && whole < n_rows; t += 3) {
        const hl_act part = three_tokens(x, t);
        type->rest(n_rows - whole, rows + whole * row_bytes, row_bytes, &part, y + t * y_stride + whole,
                   y_stride);
    }
}

#endif
