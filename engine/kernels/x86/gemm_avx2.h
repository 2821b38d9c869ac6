/* SPDX-License-Identifier: MIT
 *
 * gemm_avx2.h - y = W x from a panel, eight rows a vector: tiles of a few tokens, a lane is a row.
 *
 * The including file brings what differs between instruction sets: the size of a tile, how integer products
 * are summed (dot_columns). Sums of x, in the form that a group needs them,
 * are prepared once per tile of tokens. Order of float operations: kernels.h.
 */
#ifndef HL_ENGINE_KERNELS_X86_GEMM_AVX2_H
#define HL_ENGINE_KERNELS_X86_GEMM_AVX2_H

#include "engine/kernels/kernel_list.h"
#include "engine/kernels/x86/dot_avx2.h"

/* HL_TILE_TOKENS: 3 or 5; HL_TILE_VECTORS, of 8 rows: 1, 2 or 4. */
enum { SLICE_GROUPS = 16 };

/* Constants of one kind of panel. */
typedef struct panel_kind {
    size_t group;
    bool   has_min;
    int    quads_per_sum; /* of products in 16 bits, where dot_columns makes them; 1: codes above 127 */
} panel_kind;

typedef struct slice_sums { /* prepare_sums() */
    int32_t v[HL_TILE_TOKENS][2 * SLICE_GROUPS];
} slice_sums;

/* At most SLICE_GROUPS groups of a panel, and the tokens of a tile. */
typedef struct slice {
    const uint8_t *codes;
    const float   *scale, *min;
    size_t         n_groups;
    const int8_t  *q; /* of the first token */
    const float   *d;
    size_t         x_cols; /* between tokens of q; d follows */
    slice_sums     sums;
} slice;

/* isum[token][vector] = start[token] + dot product over a scale group of k.group columns. */
HL_INLINE void dot_columns(const uint8_t *codes, const int8_t *q, size_t x_cols, size_t n_tokens,
                           panel_kind k, const int32_t *start, size_t start_stride,
                           __m256i isum[HL_TILE_TOKENS][HL_TILE_VECTORS]);

HL_INLINE __m256i load_codes(const uint8_t *codes, size_t v) {
    return _mm256_loadu_si256((const __m256i *)(const void *)(codes + 32 * v));
}

/* Group i of 32 columns of the slice into acc. */
HL_INLINE void add_group(const slice *a, size_t i, size_t n_tokens, panel_kind k,
                         __m256 acc[HL_TILE_TOKENS][HL_TILE_VECTORS]) {
    const size_t n_scales = 32 / k.group;
    __m256       sum[HL_TILE_TOKENS][HL_TILE_VECTORS];
    HL_UNROLL for (size_t s = 0; s < n_scales; s++) {
        const uint8_t *codes = a->codes + (32 * i + 16 * s) * HL_PANEL_ROWS;
        const float   *scale = a->scale + (i * n_scales + s) * HL_PANEL_ROWS;
        const int32_t *start = &a->sums.v[0][i * n_scales + s];
        __m256i        isum[HL_TILE_TOKENS][HL_TILE_VECTORS];
        dot_columns(codes, a->q + 32 * i + 16 * s, a->x_cols, n_tokens, k, start, 2 * SLICE_GROUPS, isum);
        HL_UNROLL for (size_t t = 0; t < n_tokens; t++) {
            HL_UNROLL for (size_t v = 0; v < HL_TILE_VECTORS; v++) {
                const __m256 d = _mm256_loadu_ps(scale + 8 * v);
                const __m256 x = sum_as_f32(isum[t][v]);
                sum[t][v] = s == 0 ? _mm256_mul_ps(x, d) : _mm256_fmadd_ps(x, d, sum[t][v]);
                KEEP(sum[t][v]);
            }
        }
    }
    if (k.has_min) HL_UNROLL for (size_t s = 0; s < n_scales; s++) {
            const float *min = a->min + (i * n_scales + s) * HL_PANEL_ROWS;
            HL_UNROLL for (size_t t = 0; t < n_tokens; t++) {
                const __m256 x = _mm256_castsi256_ps(_mm256_set1_epi32(a->sums.v[t][i * n_scales + s]));
                HL_UNROLL for (size_t v = 0; v < HL_TILE_VECTORS; v++) sum[t][v] =
                    _mm256_fnmadd_ps(_mm256_loadu_ps(min + 8 * v), x, sum[t][v]);
            }
        }
    HL_UNROLL for (size_t t = 0; t < n_tokens; t++) {
        const __m256 d = _mm256_set1_ps(a->d[t * (a->x_cols / 32) + i]);
        HL_UNROLL for (size_t v = 0; v < HL_TILE_VECTORS; v++) acc[t][v] =
            _mm256_fmadd_ps(sum[t][v], d, acc[t][v]);
    }
}

HL_INLINE void run_tile(const slice *a, bool begin, float *y, size_t y_stride, size_t n_tokens,
                        panel_kind k) {
    __m256 acc[HL_TILE_TOKENS][HL_TILE_VECTORS];
    HL_UNROLL for (size_t t = 0; t < n_tokens; t++) HL_UNROLL for (size_t v = 0; v < HL_TILE_VECTORS; v++)
        acc[t][v] = begin ? _mm256_setzero_ps() : _mm256_loadu_ps(y + t * y_stride + 8 * v);
    for (size_t i = 0; i < a->n_groups; i++) add_group(a, i, n_tokens, k, acc);
    HL_UNROLL for (size_t t = 0; t < n_tokens; t++) HL_UNROLL for (size_t v = 0; v < HL_TILE_VECTORS; v++)
        _mm256_storeu_ps(y + t * y_stride + 8 * v, acc[t][v]);
}

/* Copy the first n floats of each token between y and as many floats a token as a tile has rows. */
static void copy_rows(size_t n, size_t n_tokens, const float *from, size_t from_stride, float *to,
                      size_t to_stride) {
    for (size_t t = 0; t < n_tokens; t++) memcpy(to + t * to_stride, from + t * from_stride, n * sizeof *to);
}

/* n_tokens <= HL_TILE_TOKENS tokens from t on, all rows, groups g .. g + n_groups of the panel. */
HL_INLINE void run_slice(const hl_panel *p, const hl_act *x, size_t t, size_t n_tokens, size_t g,
                         size_t n_groups, float *y, size_t y_stride, panel_kind k) {
    enum { TILE_ROWS = 8 * HL_TILE_VECTORS };
    const size_t at = t * (x->n_cols / 32) + p->col_begin / 32 + g;
    slice        a = {.n_groups = n_groups, .q = x->q + 32 * at, .d = x->d + at, .x_cols = x->n_cols};
    for (size_t i = 0; i < n_tokens; i++)
        prepare_sums(p->offset, x->sum16 + 2 * (at + i * (x->n_cols / 32)), n_groups, k.group, k.has_min,
                     a.sums.v[i]);
    for (size_t r = 0; r < p->n_rows; r += TILE_ROWS) {
        a.codes = p->codes + 32 * g * HL_PANEL_ROWS + 4 * r;
        a.scale = p->scale + 32 / k.group * g * HL_PANEL_ROWS + r;
        a.min = p->min + 32 / k.group * g * HL_PANEL_ROWS + r;
        const bool   begin = p->col_begin + g == 0;
        const size_t rows = p->n_rows - r;
        float        few[HL_TILE_TOKENS * TILE_ROWS]; /* where y ends before the tile does */
        float       *out = rows < TILE_ROWS ? few : y + r;
        const size_t stride = rows < TILE_ROWS ? TILE_ROWS : y_stride;
        if (out == few && !begin) copy_rows(rows, n_tokens, y + r, y_stride, few, stride);
        switch (n_tokens) {
        case 1: run_tile(&a, begin, out, stride, 1, k); break;
        case 2: run_tile(&a, begin, out, stride, 2, k); break;
        case 3: run_tile(&a, begin, out, stride, 3, k); break;
#if HL_TILE_TOKENS > 4
        case 4: run_tile(&a, begin, out, stride, 4, k); break;
#endif
        default: run_tile(&a, begin, out, stride, HL_TILE_TOKENS, k); break;
        }
        if (out == few) copy_rows(rows, n_tokens, few, stride, y + r, y_stride);
    }
}

/* How many of the tokens left to take at once: what remains should not be a single one. */
HL_INLINE size_t next_tokens(size_t left) {
    if (left == HL_TILE_TOKENS + 1) return (left + 1) / 2;
    if (left < HL_TILE_TOKENS && left > 4) return 3;
    return left < HL_TILE_TOKENS ? left : HL_TILE_TOKENS;
}

HL_INLINE void run_panel(const hl_panel *p, const hl_act *x, float *y, size_t y_stride, panel_kind k) {
    const size_t n_groups = p->n_cols / 32;
    for (size_t g = 0; g < n_groups; g += SLICE_GROUPS) {
        const size_t n = n_groups - g < SLICE_GROUPS ? n_groups - g : SLICE_GROUPS;
        for (size_t t = 0; t < x->n_tokens;) {
            const size_t step = next_tokens(x->n_tokens - t);
            run_slice(p, x, t, step, g, n, y + t * y_stride, y_stride, k);
            t += step;
        }
    }
}

#endif
