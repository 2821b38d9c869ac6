/* SPDX-License-Identifier: MIT
 *
 * gemm_avx512.h - a panel of 32 rows times any number of tokens, six at a time.
 *
 * Twelve integer sums, twelve float sums, two vectors of codes and one broadcast fill the 32
 * registers; each code vector serves six tokens, each broadcast two vectors. The including file
 * defines HL_DOT (tile_avx512.h).
 */
#ifndef HL_ENGINE_KERNELS_X86_GEMM_AVX512_H
#define HL_ENGINE_KERNELS_X86_GEMM_AVX512_H

#include "engine/kernels/x86/tile_avx512.h"

/* T tokens from `token` on, all groups of the panel, in slices that fit tile_sums. */
HL_INLINE void multiply_tokens(const int T, const bool g16, const bool has_min, const hl_panel *p,
                               const hl_act *x, size_t token, float *y, size_t y_stride) {
    const size_t    n_cols = x->n_cols;
    const size_t    scales = 32 / p->group;
    const __mmask16 m0 = p->n_rows >= 16 ? 0xffff : (__mmask16)((1u << p->n_rows) - 1);
    const __mmask16 m1 = p->n_rows >= 32   ? 0xffff
                         : p->n_rows <= 16 ? 0
                                           : (__mmask16)((1u << (p->n_rows - 16)) - 1);
    __m512          acc[TILE_TOKENS][2];
    const size_t    n_groups = p->n_cols / 32, n_tiles = (x->n_tokens + TILE_TOKENS - 1) / TILE_TOKENS;
    const size_t    n_prefetch = (p->prefetch_bytes / 64 + n_tiles * n_groups - 1) / (n_tiles * n_groups);
    y += token * y_stride;
    HL_UNROLL for (int t = 0; t < T; t++) {
        if (p->col_begin == 0) {
            acc[t][0] = acc[t][1] = _mm512_setzero_ps();
        } else {
            acc[t][0] = _mm512_maskz_loadu_ps(m0, y + (size_t)t * y_stride);
            acc[t][1] = _mm512_maskz_loadu_ps(m1, y + (size_t)t * y_stride + 16);
        }
    }
    for (size_t g = 0; g < n_groups; g += SLICE_GROUPS) {
        const size_t left = n_groups - g, c = p->col_begin + 32 * g;
        tile_in      in = {.codes = p->codes + g * 32 * HL_PANEL_ROWS,
                           .scale = p->scale + g * scales * HL_PANEL_ROWS,
                           .min = p->min + g * scales * HL_PANEL_ROWS,
                           .n_groups = left < SLICE_GROUPS ? left : SLICE_GROUPS,
                           .n_cols = n_cols,
                           .q = x->q + token * n_cols + c,
                           .d = x->d + token * (n_cols / 32) + c / 32,
                           .sum16 = x->sum16 + token * (n_cols / 16) + c / 16,
                           .offset = p->offset,
                           .n_prefetch = n_prefetch};
        if (n_prefetch > 0) {
            in.prefetch = p->prefetch + 64 * n_prefetch * (token / TILE_TOKENS * n_groups + g);
            in.prefetch_end = p->prefetch + p->prefetch_bytes;
        }
        tile_sums sums[TILE_TOKENS];
        prepare_sums(sums, &in, T, g16, has_min);
        multiply_tile(T, 2, g16, has_min, &in, sums, acc);
    }
    HL_UNROLL for (int t = 0; t < T; t++) {
        _mm512_mask_storeu_ps(y + (size_t)t * y_stride, m0, acc[t][0]);
        _mm512_mask_storeu_ps(y + (size_t)t * y_stride + 16, m1, acc[t][1]);
    }
}

HL_INLINE void multiply_all(const bool g16, const bool has_min, const hl_panel *p, const hl_act *x, float *y,
                            size_t y_stride) {
    size_t t = 0;
    for (; t + TILE_TOKENS <= x->n_tokens; t += TILE_TOKENS)
        multiply_tokens(TILE_TOKENS, g16, has_min, p, x, t, y, y_stride);
    switch (x->n_tokens - t) {
    case 5: multiply_tokens(5, g16, has_min, p, x, t, y, y_stride); break;
    case 4: multiply_tokens(4, g16, has_min, p, x, t, y, y_stride); break;
    case 3: multiply_tokens(3, g16, has_min, p, x, t, y, y_stride); break;
    case 2: multiply_tokens(2, g16, has_min, p, x, t, y, y_stride); break;
    case 1: multiply_tokens(1, g16, has_min, p, x, t, y, y_stride); break;
    default: break;
    }
}

HL_INLINE void multiply_panel(const hl_panel *p, const hl_act *x, float *y, size_t y_stride) {
    if (p->group == 16 && p->has_min)
        multiply_all(true, true, p, x, y, y_stride);
    else if (p->group == 16)
        multiply_all(true, false, p, x, y, y_stride);
    else if (p->has_min)
        multiply_all(false, true, p, x, y, y_stride);
    else
        multiply_all(false, false, p, x, y, y_stride);
}

#endif
