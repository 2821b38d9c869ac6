/* SPDX-License-Identifier: MIT
 *
 * floats_avx512.h - rows of f32, f16 or bf16 times any number of tokens.
 *
 * Lane i of a sum holds columns i, i + 16, ... in order, as kernels.h defines. A tile is some rows times up
 * to eight tokens, 24 sums at most, so that every vector of weights, widened once, serves all its tokens.
 * Columns go in blocks whose activations stay in the first-level cache while 32 rows pass by; sums wait in
 * memory between blocks and their lanes are added at the end, four rows at a time. The including file defines
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

enum {
    FLOAT_ROWS = 4,
    FLOAT_TOKENS = 8,
    FLOAT_BLOCK_ROWS = 32,
    FLOAT_BLOCK_BYTES = 24 << 10,
    FLOAT_PREFETCH_DISTANCE = 1024
};

HL_INLINE __m512 f32_of_bf16(__m256i v) {
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(v), 16));
}
HL_INLINE __mmask16 first_lanes(size_t n) { return (__mmask16)((1u << n) - 1); }
HL_INLINE __m256i   load_halves(const uint16_t *p) { return _mm256_loadu_si256((const __m256i *)p); }
HL_INLINE __m256i   load_first_halves(const uint16_t *p, size_t n) {
      return _mm256_maskz_loadu_epi16(first_lanes(n), p);
}

/* Lanes 8 apart, 4 apart, 2 apart, neighbours. */
HL_INLINE float sum_lanes(__m512 v) {
    const __m256 a = _mm256_add_ps(_mm512_castps512_ps256(v), _mm512_extractf32x8_ps(v, 1));
    const __m128 b = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    const __m128 c = _mm_add_ps(b, _mm_movehl_ps(b, b));
    return _mm_cvtss_f32(_mm_add_ss(c, _mm_movehdup_ps(c)));
}

/* The same of four at once. */
HL_INLINE __m128 sum_lanes_of_four(__m512 v0, __m512 v1, __m512 v2, __m512 v3) {
    const __m512  a = _mm512_add_ps(_mm512_shuffle_f32x4(v0, v1, 0x44), _mm512_shuffle_f32x4(v0, v1, 0xEE));
    const __m512  b = _mm512_add_ps(_mm512_shuffle_f32x4(v2, v3, 0x44), _mm512_shuffle_f32x4(v2, v3, 0xEE));
    const __m512  c = _mm512_add_ps(_mm512_shuffle_f32x4(a, b, 0x88), _mm512_shuffle_f32x4(a, b, 0xDD));
    const __m512  d = _mm512_add_ps(c, _mm512_permute_ps(c, 0x4E));
    const __m512  e = _mm512_add_ps(d, _mm512_permute_ps(d, 0xB1));
    const __m512i first = _mm512_castsi128_si512(_mm_setr_epi32(0, 4, 8, 12));
    return _mm512_castps512_ps128(_mm512_permutexvar_ps(first, e));
}

/* R rows times T tokens, n columns of them; sums [R][T] go on, or begin. */
HL_INLINE void multiply_floats(const int R, const int T, const bool begin, size_t n, const uint8_t *w,
                               size_t row_bytes, const HL_X *x, size_t x_stride, __m512 *sums) {
    __m512 acc[FLOAT_ROWS][FLOAT_TOKENS];
    HL_UNROLL for (int r = 0; r < R; r++) HL_UNROLL for (int t = 0; t < T; t++) acc[r][t] =
        begin ? _mm512_setzero_ps() : sums[r * T + t];
    size_t c = 0;
    for (; c + HL_STEP <= n; c += HL_STEP) {
        HL_V wv[FLOAT_ROWS];
        HL_UNROLL for (int r = 0; r < R; r++) {
            const HL_W *p = (const HL_W *)(const void *)(w + (size_t)r * row_bytes) + c;
            wv[r] = HL_LOAD_W(p);
            _mm_prefetch((const char *)p + FLOAT_PREFETCH_DISTANCE, _MM_HINT_T1);
        }
        HL_UNROLL for (int t = 0; t < T; t++) {
            const HL_V xv = HL_LOAD_X(x + (size_t)t * x_stride + c);
            HL_UNROLL for (int r = 0; r < R; r++) acc[r][t] = HL_MULTIPLY(acc[r][t], wv[r], xv);
        }
    }
    if (c < n) {
        HL_UNROLL for (int t = 0; t < T; t++) {
            const HL_V xv = HL_LOAD_X_TAIL(x + (size_t)t * x_stride + c, n - c);
            HL_UNROLL for (int r = 0; r < R; r++) {
                const HL_W *p = (const HL_W *)(const void *)(w + (size_t)r * row_bytes) + c;
                acc[r][t] = HL_MULTIPLY(acc[r][t], HL_LOAD_W_TAIL(p, n - c), xv);
            }
        }
    }
    HL_UNROLL for (int r = 0; r < R; r++) HL_UNROLL for (int t = 0; t < T; t++) sums[r * T + t] = acc[r][t];
}

/* One block of columns of up to FLOAT_BLOCK_ROWS rows. */
HL_INLINE void multiply_float_block(const int R, const int T, const bool begin, size_t n, size_t n_rows,
                                    const uint8_t *w, size_t row_bytes, const HL_X *x, size_t x_stride,
                                    __m512 *sums) {
    size_t r = 0;
    for (; r + (size_t)R <= n_rows; r += (size_t)R)
        multiply_floats(R, T, begin, n, w + r * row_bytes, row_bytes, x, x_stride, sums + r * (size_t)T);
    for (; r < n_rows; r++)
        multiply_floats(1, T, begin, n, w + r * row_bytes, row_bytes, x, x_stride, sums + r * (size_t)T);
}

HL_INLINE void add_lanes(const int T, size_t n_rows, const __m512 *sums, float *y, size_t y_stride) {
    size_t r = 0;
    for (; r + 4 <= n_rows; r += 4)
        for (int t = 0; t < T; t++) {
            const __m512 *s = sums + r * (size_t)T + t;
            _mm_storeu_ps(y + (size_t)t * y_stride + r, sum_lanes_of_four(s[0], s[T], s[2 * T], s[3 * T]));
        }
    for (; r < n_rows; r++)
        for (int t = 0; t < T; t++) y[(size_t)t * y_stride + r] = sum_lanes(sums[r * (size_t)T + t]);
}

HL_INLINE void multiply_float_rows(const int R, const int T, size_t n_rows, const uint8_t *w,
                                   size_t row_bytes, size_t n_cols, const HL_X *x, float *y,
                                   size_t y_stride) {
    __m512       sums[FLOAT_BLOCK_ROWS * FLOAT_TOKENS];
    const size_t fit =
        T <= 2 ? n_cols
               : FLOAT_BLOCK_BYTES / sizeof(HL_X) / (size_t)T / 64 * 64; /* few are read once, as they come */
    for (size_t r = 0; r < n_rows; r += FLOAT_BLOCK_ROWS) {
        const size_t   rows = n_rows - r < FLOAT_BLOCK_ROWS ? n_rows - r : FLOAT_BLOCK_ROWS;
        const uint8_t *at = w + r * row_bytes;
        for (size_t c = 0; c < n_cols || c == 0; c += fit) {
            const size_t   n = n_cols - c < fit ? n_cols - c : fit;
            const uint8_t *p = at + c * sizeof(HL_W);
            if (c == 0)
                multiply_float_block(R, T, true, n, rows, p, row_bytes, x, n_cols, sums);
            else
                multiply_float_block(R, T, false, n, rows, p, row_bytes, x + c, n_cols, sums);
        }
        add_lanes(T, rows, sums, y + r, y_stride);
    }
}

/* Tokens to take at once of those that are left: few sizes, as each is an unrolled copy. Many go by six: rows
 * of activations are often a power of two apart, and eight of them with three of weights leave the
 * first-level cache hardly a way. */
HL_INLINE int next_float_tokens(size_t left) {
    static const uint8_t sizes[FLOAT_TOKENS] = {1, 2, 3, 4, 3, 6, 4, 8};
    return left <= FLOAT_TOKENS ? sizes[left - 1] : left == 2 * FLOAT_TOKENS ? FLOAT_TOKENS : 6;
}

HL_INLINE void gemv_floats(size_t n_rows, const void *w, size_t row_bytes, const hl_act *act, float *y,
                           size_t y_stride) {
    const HL_X  *x = HL_X_OF(act);
    const size_t n_cols = act->n_cols;
#define TOKENS(R, T)                                                                                         \
    case T:                                                                                                  \
        multiply_float_rows(R, T, n_rows, w, row_bytes, n_cols, x + t * n_cols, y + t * y_stride, y_stride); \
        break
    for (size_t t = 0; t < act->n_tokens;) {
        const int take = next_float_tokens(act->n_tokens - t);
        switch (take) {
            TOKENS(4, 1);
            TOKENS(4, 2);
            TOKENS(4, 3);
            TOKENS(4, 4);
            TOKENS(4, 6);
            TOKENS(3, 8);
        default: break;
        }
        t += (size_t)take;
    }
#undef TOKENS
}

#endif
