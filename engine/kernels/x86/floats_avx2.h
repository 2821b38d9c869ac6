/* SPDX-License-Identifier: MIT
 *
 * floats_avx2.h - y = W x for float weights: 16 lanes by column as two vectors of 8, then pairwise.
 *
 * Tiles of 2 rows and 3 tokens, so that a conversion of weights serves three tokens. The last columns of a
 * row are copied into zeros: reading past a row could leave the file.
 */
#ifndef HL_ENGINE_KERNELS_FLOATS_AVX2_H
#define HL_ENGINE_KERNELS_FLOATS_AVX2_H

#include <immintrin.h>
#include <string.h>

#include "engine/kernels/kernels.h"
#include "engine/kernels/unroll.h"

/* Eight values at p, whatever they are stored as, as f32. */
typedef __m256 hl_load8_fn(const void *p);

HL_INLINE __m256 hl_load8_f32(const void *p) { return _mm256_loadu_ps(p); }

HL_INLINE __m256 hl_load8_f16(const void *p) {
    return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)p));
}

HL_INLINE __m256 hl_load8_bf16(const void *p) {
    const __m128i h = _mm_loadu_si128((const __m128i *)p);
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(h), 16));
}

/* Lanes 8 apart are in the two vectors; then 4, 2, neighbours. */
HL_INLINE float hl_sum16(__m256 low, __m256 high) {
    const __m256 s8 = _mm256_add_ps(low, high);
    const __m128 s4 = _mm_add_ps(_mm256_castps256_ps128(s8), _mm256_extractf128_ps(s8, 1));
    const __m128 s2 = _mm_add_ps(s4, _mm_movehl_ps(s4, s4));
    return _mm_cvtss_f32(_mm_add_ss(s2, _mm_shuffle_ps(s2, s2, 1)));
}

/* How weights and activations are stored. */
typedef struct hl_float_kind {
    size_t       w_bytes, x_bytes;
    hl_load8_fn *load_w, *load_x;
} hl_float_kind;

enum { HL_FLOAT_ROWS = 2, HL_FLOAT_TOKENS = 3 };

/* 16 columns of every row and token of a tile. */
HL_INLINE void hl_float_step(const uint8_t *const *w, const uint8_t *const *x, size_t n_rows, size_t n_tokens,
                               const hl_float_kind *k, __m256 acc[HL_FLOAT_ROWS][HL_FLOAT_TOKENS][2]) {
    HL_UNROLL for (size_t half = 0; half < 2; half++) {
        __m256 xv[HL_FLOAT_TOKENS];
        HL_UNROLL for (size_t t = 0; t < n_tokens; t++) xv[t] = k->load_x(x[t] + 8 * half * k->x_bytes);
        HL_UNROLL for (size_t r = 0; r < n_rows; r++) {
            const __m256 wv = k->load_w(w[r] + 8 * half * k->w_bytes);
            HL_UNROLL for (size_t t = 0; t < n_tokens; t++) acc[r][t][half] =
                _mm256_fmadd_ps(wv, xv[t], acc[r][t][half]);
        }
    }
}

HL_INLINE void hl_float_tile(const uint8_t *w, size_t row_bytes, const uint8_t *x, size_t n_cols, float *y,
                               size_t y_stride, size_t n_rows, size_t n_tokens, const hl_float_kind *k) {
    const uint8_t *wp[HL_FLOAT_ROWS], *xp[HL_FLOAT_TOKENS];
    uint8_t        w_tail[HL_FLOAT_ROWS][64], x_tail[HL_FLOAT_TOKENS][64];
    __m256         acc[HL_FLOAT_ROWS][HL_FLOAT_TOKENS][2];
    HL_UNROLL for (size_t r = 0; r < n_rows; r++) {
        wp[r] = w + r * row_bytes;
        HL_UNROLL for (size_t t = 0; t < n_tokens; t++) acc[r][t][0] = acc[r][t][1] = _mm256_setzero_ps();
    }
    HL_UNROLL for (size_t t = 0; t < n_tokens; t++) xp[t] = x + t * n_cols * k->x_bytes;
    for (size_t c = 0; c + 16 <= n_cols; c += 16) {
        hl_float_step(wp, xp, n_rows, n_tokens, k, acc);
        HL_UNROLL for (size_t r = 0; r < n_rows; r++) wp[r] += 16 * k->w_bytes;
        HL_UNROLL for (size_t t = 0; t < n_tokens; t++) xp[t] += 16 * k->x_bytes;
    }
    const size_t rest = n_cols % 16;
    if (rest != 0) {
        memset(w_tail, 0, sizeof w_tail);
        memset(x_tail, 0, sizeof x_tail);
        HL_UNROLL for (size_t r = 0; r < n_rows; r++) wp[r] = memcpy(w_tail[r], wp[r], rest * k->w_bytes);
        HL_UNROLL for (size_t t = 0; t < n_tokens; t++) xp[t] = memcpy(x_tail[t], xp[t], rest * k->x_bytes);
        hl_float_step(wp, xp, n_rows, n_tokens, k, acc);
    }
    HL_UNROLL for (size_t r = 0; r < n_rows; r++)
        HL_UNROLL for (size_t t = 0; t < n_tokens; t++) y[t * y_stride + r] = hl_sum16(acc[r][t][0], acc[r][t][1]);
}

/* All tokens of n_rows <= 2 rows. */
HL_INLINE void hl_float_rows(const uint8_t *w, size_t row_bytes, const uint8_t *x, size_t n_all,
                             size_t n_cols, float *y, size_t y_stride, size_t n_rows,
                             const hl_float_kind *k) {
    const size_t token_bytes = n_cols * k->x_bytes;
    size_t       t = 0;
    for (; t + HL_FLOAT_TOKENS <= n_all; t += HL_FLOAT_TOKENS)
        hl_float_tile(w, row_bytes, x + t * token_bytes, n_cols, y + t * y_stride, y_stride, n_rows,
                      HL_FLOAT_TOKENS, k);
    for (; t < n_all; t++)
        hl_float_tile(w, row_bytes, x + t * token_bytes, n_cols, y + t * y_stride, y_stride, n_rows, 1, k);
}

HL_INLINE void hl_gemv_floats(size_t n_rows, const void *w, size_t row_bytes, const hl_act *x, const void *xs, float *y,
                                size_t y_stride, const hl_float_kind *k) {
    const uint8_t *row = w;
    size_t         r = 0;
    for (; r + HL_FLOAT_ROWS <= n_rows; r += HL_FLOAT_ROWS)
        hl_float_rows(row + r * row_bytes, row_bytes, xs, x->n_tokens, x->n_cols, y + r, y_stride, HL_FLOAT_ROWS, k);
    for (; r < n_rows; r++)
        hl_float_rows(row + r * row_bytes, row_bytes, xs, x->n_tokens, x->n_cols, y + r, y_stride, 1, k);
}

#endif
