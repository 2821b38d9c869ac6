/* SPDX-License-Identifier: MIT
 *
 * gemm_neon.h - y = W x from a panel: tiles of 8 rows and a few tokens, a lane is a row. Each instruction-set
 * level brings its integer sums (dots_fn); the f32 steps are those of rows4_neon.h.
 */
#ifndef HL_ENGINE_KERNELS_ARM_GEMM_NEON_H
#define HL_ENGINE_KERNELS_ARM_GEMM_NEON_H

#include "engine/kernels/arm/rows4_neon.h"
#include "engine/kernels/kernel_list.h"

enum { HL_TILE_VECTORS = 2 /* of 4 rows */, HL_TILE_TOKENS = 6 /* at most */ };

typedef struct panel_tile {
    const hl_panel *p;
    const hl_act   *x;
    size_t          row;        /* of the panel: 0, 8, 16, 24 */
    size_t          token;      /* the first one */
    size_t          begin, end; /* groups of 32 columns, within the panel */
    float          *y;          /* of that row and token */
    size_t          y_stride;
    const int8_t   *w_pairs, *x_pairs; /* codes and activations in the order of gemm_panel_i8mm.c */
} panel_tile;

/* Integer sums of group i over the columns that share scale s: offset and all. */
typedef void dots_fn(const panel_tile *a, size_t i, size_t s, size_t n_tokens, hl_code_format f,
                     int32x4_t isum[HL_TILE_TOKENS][HL_TILE_VECTORS]);

/* Which group of which token of x belongs to group i of the panel. */
HL_INLINE size_t tile_at(const panel_tile *a, size_t i, size_t t) {
    return (a->token + t) * (a->x->n_cols / 32) + a->p->col_begin / 32 + i;
}

HL_INLINE int32x2_t tile_xsum(const panel_tile *a, size_t i, size_t t, hl_code_format f) {
    return sums_of_x(f, a->x->sum16 + 2 * tile_at(a, i, t));
}

HL_INLINE void tile_group(const panel_tile *a, size_t i, size_t n_tokens, hl_code_format f, dots_fn *dots,
                          float32x4_t acc[HL_TILE_TOKENS][HL_TILE_VECTORS]) {
    const size_t n_scales = 32 / f.group;
    const size_t at = i * n_scales * HL_PANEL_ROWS + a->row;
    float32x4_t  sum[HL_TILE_TOKENS][HL_TILE_VECTORS];
    HL_UNROLL for (size_t s = 0; s < n_scales; s++) {
        int32x4_t isum[HL_TILE_TOKENS][HL_TILE_VECTORS];
        dots(a, i, s, n_tokens, f, isum);
        HL_UNROLL for (size_t v = 0; v < HL_TILE_VECTORS; v++) {
            const float32x4_t scale = vld1q_f32(a->p->scale + at + s * HL_PANEL_ROWS + 4 * v);
            HL_UNROLL for (size_t t = 0; t < n_tokens; t++) {
                const float32x4_t x = vcvtq_f32_s32(isum[t][v]);
                sum[t][v] = s == 0 ? vmulq_f32(x, scale) : vfmaq_f32(sum[t][v], x, scale);
            }
        }
    }
    HL_UNROLL for (size_t t = 0; t < n_tokens; t++) {
        const float d = a->x->d[tile_at(a, i, t)];
        if (f.has_min) {
            const float32x2_t m = vcvt_f32_s32(tile_xsum(a, i, t, f));
            HL_UNROLL for (size_t v = 0; v < HL_TILE_VECTORS; v++) {
                const float *min = a->p->min + at + 4 * v;
                sum[t][v] = vfmsq_lane_f32(sum[t][v], vld1q_f32(min), m, 0);
                if (n_scales == 2)
                    sum[t][v] = vfmsq_lane_f32(sum[t][v], vld1q_f32(min + HL_PANEL_ROWS), m, 1);
            }
        }
        HL_UNROLL for (size_t v = 0; v < HL_TILE_VECTORS; v++) acc[t][v] =
            vfmaq_n_f32(acc[t][v], sum[t][v], d);
    }
}

HL_INLINE void tile_load(const float *y, size_t n_rows, float32x4_t acc[HL_TILE_VECTORS]) {
    float rows[4 * HL_TILE_VECTORS] = {0};
    for (size_t r = 0; r < n_rows && n_rows < 8; r++) rows[r] = y[r];
    HL_UNROLL for (size_t v = 0; v < HL_TILE_VECTORS; v++) acc[v] =
        vld1q_f32((n_rows < 8 ? rows : y) + 4 * v);
}

HL_INLINE void tile_store(float *y, size_t n_rows, const float32x4_t acc[HL_TILE_VECTORS]) {
    float rows[4 * HL_TILE_VECTORS];
    HL_UNROLL for (size_t v = 0; v < HL_TILE_VECTORS; v++) vst1q_f32((n_rows < 8 ? rows : y) + 4 * v, acc[v]);
    for (size_t r = 0; r < n_rows && n_rows < 8; r++) y[r] = rows[r];
}

HL_INLINE void tile_run(const panel_tile *a, size_t n_tokens, hl_code_format f, dots_fn *dots) {
    const size_t n_rows = a->p->n_rows - a->row;
    float32x4_t  acc[HL_TILE_TOKENS][HL_TILE_VECTORS];
    if (a->p->col_begin + a->begin == 0) {
        HL_UNROLL for (size_t t = 0; t < n_tokens; t++) HL_UNROLL for (size_t v = 0; v < HL_TILE_VECTORS; v++)
            acc[t][v] = vdupq_n_f32(0);
    } else {
        HL_UNROLL for (size_t t = 0; t < n_tokens; t++) tile_load(a->y + t * a->y_stride, n_rows, acc[t]);
    }
    for (size_t i = a->begin; i < a->end; i++) tile_group(a, i, n_tokens, f, dots, acc);
    HL_UNROLL for (size_t t = 0; t < n_tokens; t++) tile_store(a->y + t * a->y_stride, n_rows, acc[t]);
}

/* The kinds of panel that there are; `run` does one with all about it constant, save offsets other than 128.
 * Without the offset 128 codes are at most 31, or 63 where 16 columns share a scale. */
typedef void gemm_kind_fn(const hl_panel *p, const hl_act *x, float *y, size_t y_stride, hl_code_format f);

HL_INLINE void gemm_kinds(const hl_panel *p, const hl_act *x, float *y, size_t y_stride, gemm_kind_fn *run) {
    const bool wide = p->group == 32;
    if (p->has_min && wide)
        run(p, x, y, y_stride, (hl_code_format){.group = 32, .has_min = true});
    else if (p->has_min)
        run(p, x, y, y_stride, (hl_code_format){.group = 16, .has_min = true});
    else if (p->offset == 128 && wide)
        run(p, x, y, y_stride, (hl_code_format){.group = 32, .offset = 128});
    else if (p->offset <= 16 && wide)
        run(p, x, y, y_stride, (hl_code_format){.group = 32, .offset = p->offset});
    else if (p->offset <= 32)
        run(p, x, y, y_stride, (hl_code_format){.group = 16, .offset = p->offset});
    else
        hl_gemm_panel_scalar(p, x, y, y_stride);
}

#endif
