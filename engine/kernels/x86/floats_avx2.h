/* SPDX-License-Identifier: MIT
 *
 * floats_avx2.h - y = W x for float weights: 16 lanes by column as two vectors of 8, then pairwise.
 *
 * A call with up to 3 tokens waits for memory: 4 rows side by side, both halves of the lanes at once. More
 * tokens go in fours over blocks of columns: 3 rows x 4 tokens are 12 sums of 8 lanes, all that 16 registers
 * hold, so a block is passed twice, once for each half of the lanes, and what is not being added waits in
 * memory. The activations of a block are copied first, in the order of use: they stay in the first-level
 * cache for all rows, and rows of activations that lie a power of two apart no longer push one another out.
 *
 * The halves of f32 and f16 are columns 0-7 and 8-15 of every 16. Those of bf16 are even and odd columns: one
 * shift or one mask makes 8 floats of 16 weights.
 * The last columns of a row are copied into zeros: reading past a row could leave the file.
 */
#ifndef HL_ENGINE_KERNELS_X86_FLOATS_AVX2_H
#define HL_ENGINE_KERNELS_X86_FLOATS_AVX2_H

#include <immintrin.h>
#include <string.h>

#include "engine/kernels/kernels.h"
#include "engine/kernels/unroll.h"

/* Half 0 or 1 of the 16 values at p, whatever they are stored as, as f32. */
typedef __m256 load_half_fn(const uint8_t *p, int half);

HL_INLINE __m256 load_half_f32(const uint8_t *p, int half) {
    return _mm256_loadu_ps((const float *)(const void *)p + 8 * half);
}

HL_INLINE __m256 load_half_f16(const uint8_t *p, int half) {
    return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)p + half));
}

/* The mask stays in memory: in a register it would take the place of a sum. */
HL_INLINE __m256 load_half_bf16(const uint8_t *p, int half) {
    static const union {
        uint32_t u[8];
        __m256i  v;
    } odd = {
        {0xFFFF0000, 0xFFFF0000, 0xFFFF0000, 0xFFFF0000, 0xFFFF0000, 0xFFFF0000, 0xFFFF0000, 0xFFFF0000}};
    __m256i both = _mm256_loadu_si256((const __m256i *)(const void *)p);
    if (half)
        __asm__("vpand %1, %0, %0" : "+x"(both) : "m"(odd.v));
    else
        both = _mm256_slli_epi32(both, 16);
    return _mm256_castsi256_ps(both);
}

/* How weights and activations are stored. */
typedef struct float_kind {
    size_t        w_bytes, x_bytes;
    bool          odd_apart; /* halves are even and odd columns */
    load_half_fn *load_w, *load_x;
} float_kind;

enum {
    HL_FLOAT_MEMORY_ROWS = 4,
    HL_FLOAT_MEMORY_TOKENS = 3,
    HL_FLOAT_PREFETCH_DISTANCE = 1024,
    HL_FLOAT_ROWS = 3,
    HL_FLOAT_TOKENS = 4,
    HL_FLOAT_COLS = 512,      /* of a block: its activations take 8 KB */
    HL_FLOAT_BLOCK_ROWS = 96, /* whose sums wait in memory: 24 KB */
};

HL_INLINE __m128 fold8(__m256 v) {
    return _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
}

/* Lanes by column: the halves are 8 apart; then 4, 2, neighbours. Even and odd columns: folding makes sums of
 * columns 8 apart, 4 apart and 2 apart; the halves are neighbours. */
HL_INLINE float sum_16_lanes(__m256 a, __m256 b, bool odd_apart) {
    if (!odd_apart) {
        const __m128 s4 = fold8(_mm256_add_ps(a, b));
        const __m128 s2 = _mm_add_ps(s4, _mm_movehl_ps(s4, s4));
        return _mm_cvtss_f32(_mm_add_ss(s2, _mm_movehdup_ps(s2)));
    }
    const __m128 a8 = fold8(a), b8 = fold8(b);
    const __m128 s4 = _mm_add_ps(_mm_movelh_ps(a8, b8), _mm_movehl_ps(b8, a8)); /* a0 a1 b0 b1 */
    const __m128 s2 = _mm_add_ps(s4, _mm_movehdup_ps(s4));                      /* a . b . */
    return _mm_cvtss_f32(_mm_add_ss(s2, _mm_movehl_ps(s2, s2)));
}

/* The last columns of a row, with zeros behind them. */
typedef struct float_tail {
    uint8_t bytes[64];
} float_tail;

HL_INLINE const uint8_t *float_pad(float_tail *t, const uint8_t *p, size_t n_bytes) {
    memset(t, 0, sizeof *t);
    return memcpy(t->bytes, p, n_bytes);
}

/* Few tokens: 16 columns of R rows and T tokens. */
HL_INLINE void float_both(const int R, const int T, const uint8_t *const *w, const uint8_t *const *x,
                          const float_kind *k, __m256 (*acc)[HL_FLOAT_MEMORY_TOKENS][2]) {
    HL_UNROLL for (int half = 0; half < 2; half++) {
        __m256 xv[HL_FLOAT_MEMORY_TOKENS];
        HL_UNROLL for (int t = 0; t < T; t++) xv[t] = k->load_x(x[t], half);
        HL_UNROLL for (int r = 0; r < R; r++) {
            const __m256 wv = k->load_w(w[r], half);
            HL_UNROLL for (int t = 0; t < T; t++) acc[r][t][half] =
                _mm256_fmadd_ps(wv, xv[t], acc[r][t][half]);
        }
    }
}

HL_INLINE void float_few(const int R, const int T, const uint8_t *w, size_t row_bytes, const uint8_t *x,
                         size_t n_cols, float *y, size_t y_stride, const float_kind *k) {
    const uint8_t *wp[HL_FLOAT_MEMORY_ROWS], *xp[HL_FLOAT_MEMORY_TOKENS];
    float_tail     w_tail[HL_FLOAT_MEMORY_ROWS], x_tail[HL_FLOAT_MEMORY_TOKENS];
    __m256         acc[HL_FLOAT_MEMORY_ROWS][HL_FLOAT_MEMORY_TOKENS][2];
    const size_t   rest = n_cols % 16;
    HL_UNROLL for (int r = 0; r < R; r++) {
        wp[r] = w + (size_t)r * row_bytes;
        HL_UNROLL for (int t = 0; t < T; t++) acc[r][t][0] = acc[r][t][1] = _mm256_setzero_ps();
    }
    HL_UNROLL for (int t = 0; t < T; t++) xp[t] = x + (size_t)t * n_cols * k->x_bytes;
    for (size_t c = 0; c + 16 <= n_cols; c += 16) {
        float_both(R, T, wp, xp, k, acc);
        HL_UNROLL for (int r = 0; r < R; r++) {
            _mm_prefetch((const char *)wp[r] + HL_FLOAT_PREFETCH_DISTANCE, _MM_HINT_T0);
            wp[r] += 16 * k->w_bytes;
        }
        HL_UNROLL for (int t = 0; t < T; t++) xp[t] += 16 * k->x_bytes;
    }
    if (rest != 0) {
        HL_UNROLL for (int r = 0; r < R; r++) wp[r] = float_pad(&w_tail[r], wp[r], rest * k->w_bytes);
        HL_UNROLL for (int t = 0; t < T; t++) xp[t] = float_pad(&x_tail[t], xp[t], rest * k->x_bytes);
        float_both(R, T, wp, xp, k, acc);
    }
    HL_UNROLL for (int r = 0; r < R; r++) HL_UNROLL for (int t = 0; t < T; t++)
        y[(size_t)t * y_stride + (size_t)r] = sum_16_lanes(acc[r][t][0], acc[r][t][1], k->odd_apart);
}

/* All rows for T <= 3 tokens, R rows at a time. */
HL_INLINE void float_rows(const int R, const int T, size_t n_rows, const uint8_t *w, size_t row_bytes,
                          const uint8_t *x, size_t n_cols, float *y, size_t y_stride, const float_kind *k) {
    size_t r = 0;
    for (; r + (size_t)R <= n_rows; r += (size_t)R)
        float_few(R, T, w + r * row_bytes, row_bytes, x, n_cols, y + r, y_stride, k);
    for (; r < n_rows; r++) float_few(1, T, w + r * row_bytes, row_bytes, x, n_cols, y + r, y_stride, k);
}

HL_INLINE void float_copy_x(const int T, const uint8_t *x, size_t token_bytes, size_t n_cols, __m256 *ret,
                            const float_kind *k) {
    const size_t whole = n_cols / 16, rest = n_cols % 16, steps = whole + (rest != 0);
    for (int t = 0; t < T; t++) {
        const uint8_t *p = x + (size_t)t * token_bytes;
        for (size_t s = 0; s < steps; s++, p += 16 * k->x_bytes) {
            float_tail     tail;
            const uint8_t *from = s < whole ? p : float_pad(&tail, p, rest * k->x_bytes);
            ret[s * (size_t)T + (size_t)t] = k->load_x(from, 0);
            ret[(steps + s) * (size_t)T + (size_t)t] = k->load_x(from, 1);
        }
    }
}

/* One half of the lanes of R rows and T tokens, over n times 16 columns. What is needed later,
 * at `prefetch`, is prefetched meanwhile. */
HL_INLINE void float_half(const int R, const int T, const int half, const uint8_t *w, size_t row_bytes,
                          size_t n, const __m256 *x, const uint8_t *prefetch, const float_kind *k,
                          __m256 (*sums)[HL_FLOAT_TOKENS][2]) {
    const size_t   step_bytes = 16 * k->w_bytes;
    const uint8_t *end = w + n * step_bytes;
    __m256         acc[HL_FLOAT_ROWS][HL_FLOAT_TOKENS];
    HL_UNROLL for (int r = 0; r < R; r++) HL_UNROLL for (int t = 0; t < T; t++) acc[r][t] = sums[r][t][half];
    for (; w < end; w += step_bytes, prefetch += step_bytes, x += T) {
        __m256 wv[HL_FLOAT_ROWS];
        HL_UNROLL for (int r = 0; r < R; r++) wv[r] = k->load_w(w + (size_t)r * row_bytes, half);
        HL_UNROLL for (int t = 0; t < T; t++) {
            __m256 xv = x[t];
            __asm__("" : "+x"(xv)); /* one load: compilers put it into every multiplication */
            HL_UNROLL for (int r = 0; r < R; r++) acc[r][t] = _mm256_fmadd_ps(wv[r], xv, acc[r][t]);
        }
        _mm_prefetch((const char *)prefetch, _MM_HINT_T0);
    }
    HL_UNROLL for (int r = 0; r < R; r++) HL_UNROLL for (int t = 0; t < T; t++) sums[r][t][half] = acc[r][t];
}

/* A block of columns of R rows and T tokens. */
HL_INLINE void float_tile(const int R, const int T, const uint8_t *w, size_t row_bytes, size_t n_cols,
                          const __m256 *x, const uint8_t *prefetch, const float_kind *k,
                          __m256 (*sums)[HL_FLOAT_TOKENS][2]) {
    const size_t whole = n_cols / 16, rest = n_cols % 16, steps = whole + (rest != 0);
    float_tail   tail[HL_FLOAT_ROWS];
    if (rest != 0)
        for (int r = 0; r < R; r++)
            float_pad(&tail[r], w + (size_t)r * row_bytes + whole * 16 * k->w_bytes, rest * k->w_bytes);
    HL_UNROLL for (int half = 0; half < 2; half++) {
        const __m256  *xh = x + (size_t)half * steps * (size_t)T;
        const uint8_t *at = prefetch + (half ? row_bytes : 0);
        float_half(R, T, half, w, row_bytes, whole, xh, at, k, sums);
        if (rest != 0)
            float_half(R, T, half, tail[0].bytes, sizeof *tail, 1, xh + whole * (size_t)T, at, k, sums);
    }
}

/* T tokens times n_rows <= HL_FLOAT_BLOCK_ROWS rows. */
HL_INLINE void float_block(const int T, size_t n_rows, const uint8_t *w, size_t row_bytes, const uint8_t *x,
                           size_t n_cols, float *y, size_t y_stride, const float_kind *k) {
    __m256 sums[HL_FLOAT_BLOCK_ROWS][HL_FLOAT_TOKENS][2];
    __m256 xs[2 * HL_FLOAT_COLS / 16 * HL_FLOAT_TOKENS]; /* [half][16 columns][T] */
    memset(sums, 0, n_rows * sizeof *sums);
    for (size_t c = 0; c < n_cols; c += HL_FLOAT_COLS) {
        const size_t   n = n_cols - c < HL_FLOAT_COLS ? n_cols - c : HL_FLOAT_COLS;
        const uint8_t *wc = w + c * k->w_bytes;
        size_t         r = 0;
        float_copy_x(T, x + c * k->x_bytes, n_cols * k->x_bytes, n, xs, k);
        for (; r + HL_FLOAT_ROWS <= n_rows; r += HL_FLOAT_ROWS, wc += HL_FLOAT_ROWS * row_bytes) {
            const bool     last = r + 2 * HL_FLOAT_ROWS > n_rows;
            const uint8_t *prefetch = last ? w + (c + n) * k->w_bytes : wc + HL_FLOAT_ROWS * row_bytes;
            float_tile(HL_FLOAT_ROWS, T, wc, row_bytes, n, xs, prefetch, k, &sums[r]);
        }
        if (n_rows - r == 2) float_tile(2, T, wc, row_bytes, n, xs, wc, k, &sums[r]);
        if (n_rows - r == 1) float_tile(1, T, wc, row_bytes, n, xs, wc, k, &sums[r]);
    }
    for (size_t r = 0; r < n_rows; r++)
        for (int t = 0; t < T; t++)
            y[(size_t)t * y_stride + r] = sum_16_lanes(sums[r][t][0], sums[r][t][1], k->odd_apart);
}

HL_INLINE void gemv_floats(size_t n_rows, const void *w, size_t row_bytes, const hl_act *x, const void *xs,
                           float *y, size_t y_stride, const float_kind *k) {
    const uint8_t *row = w, *token = xs;
    const size_t   n_cols = x->n_cols, token_bytes = n_cols * k->x_bytes;
    switch (x->n_tokens) {
    case 1: float_rows(4, 1, n_rows, row, row_bytes, token, n_cols, y, y_stride, k); return;
    case 2: float_rows(2, 2, n_rows, row, row_bytes, token, n_cols, y, y_stride, k); return;
    case 3: float_rows(2, 3, n_rows, row, row_bytes, token, n_cols, y, y_stride, k); return;
    default: break;
    }
    for (size_t r = 0; r < n_rows; r += HL_FLOAT_BLOCK_ROWS) {
        const size_t   n = n_rows - r < HL_FLOAT_BLOCK_ROWS ? n_rows - r : HL_FLOAT_BLOCK_ROWS;
        const uint8_t *wr = row + r * row_bytes;
        size_t         step = 0;
        for (size_t t = 0; t < x->n_tokens; t += step) {
            const size_t   left = x->n_tokens - t;
            const uint8_t *xt = token + t * token_bytes;
            float         *yt = y + t * y_stride + r;
            step = left == 5 ? 3 : left < HL_FLOAT_TOKENS ? left : HL_FLOAT_TOKENS; /* never 1 */
            switch (step) {
            case 2: float_block(2, n, wr, row_bytes, xt, n_cols, yt, y_stride, k); break;
            case 3: float_block(3, n, wr, row_bytes, xt, n_cols, yt, y_stride, k); break;
            default: float_block(4, n, wr, row_bytes, xt, n_cols, yt, y_stride, k); break;
            }
        }
    }
}

#endif
