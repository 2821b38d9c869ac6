/* SPDX-License-Identifier: MIT
 *
 * floats_avx512.h - rows of f32, f16 or bf16 times any number of tokens.
 *
 * Lane i of a sum holds columns i, i + 16, ... in order, as kernels.h defines. A tile is 4 rows times up
 * to six tokens: 24 sums, so that every vector of weights serves six tokens and every vector of
 * activations four rows. The tokens of a tile stay in the second-level cache while all rows of the
 * call pass by. The including file defines
 *   HL_W            type of a weight          HL_X          type of an activation
 *   HL_STEP         columns per vector        HL_X_OF(act)  where the activations are
 *   HL_LOAD_W(p), HL_LOAD_X(p)                one vector; HL_LOAD_W_TAIL(p, n) and HL_LOAD_X_TAIL(p, n)
 *                                             the first n columns of one, zeros after them
 *   HL_MULTIPLY(acc, w, x)                    acc + w * x
 */
#ifndef HL_ENGINE_KERNELS_X86_FLOATS_AVX512_H
#define HL_ENGINE_KERNELS_X86_FLOATS_AVX512_H

#include "engine/kernels/kernel_list.h"
#include "engine/kernels/x86/rows16_avx512.h"

enum { FLOAT_ROWS = 4, FLOAT_TOKENS = 6, FLOAT_AHEAD_BYTES = 1024 };

HL_INLINE __m512 f32_of_bf16(__m256i v) {
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(v), 16));
}
HL_INLINE __mmask16 first_lanes(size_t n) { return (__mmask16)((1u << n) - 1); }
HL_INLINE __m256i load_halves(const uint16_t *p) { return _mm256_loadu_si256((const __m256i *)p); }
HL_INLINE __m256i load_first_halves(const uint16_t *p, size_t n) { return _mm256_maskz_loadu_epi16(first_lanes(n), p); }

/* Lanes 8 apart, 4 apart, 2 apart, neighbours. */
HL_INLINE float sum_lanes(__m512 v) {
    const __m256 a = _mm256_add_ps(_mm512_castps512_ps256(v), _mm512_extractf32x8_ps(v, 1));
    const __m128 b = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    const __m128 c = _mm_add_ps(b, _mm_movehl_ps(b, b));
    return _mm_cvtss_f32(_mm_add_ss(c, _mm_movehdup_ps(c)));
}

/* R rows times T tokens; y[t * y_stride + r]. */
HL_INLINE void multiply_floats(const int R, const int T, size_t n_cols, const uint8_t *w, size_t row_bytes, const HL_X *x,
                               float *y, size_t y_stride) {
    __m512 acc[FLOAT_ROWS][FLOAT_TOKENS];
    HL_UNROLL for (int r = 0; r < R; r++)
        HL_UNROLL for (int t = 0; t < T; t++) acc[r][t] = _mm512_setzero_ps();
    size_t c = 0;
    for (; c + HL_STEP <= n_cols; c += HL_STEP) {
        HL_V wv[FLOAT_ROWS];
        HL_UNROLL for (int r = 0; r < R; r++) {
            const HL_W *p = (const HL_W *)(const void *)(w + (size_t)r * row_bytes) + c;
            wv[r] = HL_LOAD_W(p);
            _mm_prefetch((const char *)p + FLOAT_AHEAD_BYTES, _MM_HINT_T1);
        }
        HL_UNROLL for (int t = 0; t < T; t++) {
            const HL_V xv = HL_LOAD_X(x + (size_t)t * n_cols + c);
            HL_UNROLL for (int r = 0; r < R; r++) acc[r][t] = HL_MULTIPLY(acc[r][t], wv[r], xv);
        }
    }
    if (c < n_cols) {
        const size_t n = n_cols - c;
        HL_UNROLL for (int t = 0; t < T; t++) {
            const HL_V xv = HL_LOAD_X_TAIL(x + (size_t)t * n_cols + c, n);
            HL_UNROLL for (int r = 0; r < R; r++) {
                const HL_W *p = (const HL_W *)(const void *)(w + (size_t)r * row_bytes) + c;
                acc[r][t] = HL_MULTIPLY(acc[r][t], HL_LOAD_W_TAIL(p, n), xv);
            }
        }
    }
    HL_UNROLL for (int t = 0; t < T; t++)
        HL_UNROLL for (int r = 0; r < R; r++) y[(size_t)t * y_stride + (size_t)r] = sum_lanes(acc[r][t]);
}

HL_INLINE void multiply_float_rows(const int T, size_t n_rows, const uint8_t *w, size_t row_bytes, size_t n_cols,
                                   const HL_X *x, float *y, size_t y_stride) {
    size_t r = 0;
    for (; r + FLOAT_ROWS <= n_rows; r += FLOAT_ROWS)
        multiply_floats(FLOAT_ROWS, T, n_cols, w + r * row_bytes, row_bytes, x, y + r, y_stride);
    for (; r < n_rows; r++) multiply_floats(1, T, n_cols, w + r * row_bytes, row_bytes, x, y + r, y_stride);
}

HL_INLINE void gemv_floats(size_t n_rows, const void *w, size_t row_bytes, const hl_act *act, float *y, size_t y_stride) {
    const HL_X  *x = HL_X_OF(act);
    const size_t n_cols = act->n_cols;
    size_t       t = 0;
    for (; t + FLOAT_TOKENS <= act->n_tokens; t += FLOAT_TOKENS)
        multiply_float_rows(FLOAT_TOKENS, n_rows, w, row_bytes, n_cols, x + t * n_cols, y + t * y_stride, y_stride);
    for (; t + 3 <= act->n_tokens; t += 3)
        multiply_float_rows(3, n_rows, w, row_bytes, n_cols, x + t * n_cols, y + t * y_stride, y_stride);
    for (; t < act->n_tokens; t++)
        multiply_float_rows(1, n_rows, w, row_bytes, n_cols, x + t * n_cols, y + t * y_stride, y_stride);
}

#endif
