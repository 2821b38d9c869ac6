/* SPDX-License-Identifier: MIT
 *
 * groups_scalar.h - gemv and unpack as kernels.h defines them, for all quantized types, over decoded groups.
 *
 * `f` and `decode` are constants at every place of use, so the compiler makes one loop per type of this.
 */
#ifndef HL_ENGINE_KERNELS_SCALAR_GROUPS_SCALAR_H
#define HL_ENGINE_KERNELS_SCALAR_GROUPS_SCALAR_H

#include <math.h>

#include "engine/kernels/kernels.h"
#include "engine/quant/group.h"

/* Sum of code * q over n columns; exact. */
static inline int32_t code_dot(const uint8_t *code, const int8_t *q, size_t n) {
    int32_t sum = 0;
    for (size_t j = 0; j < n; j++) sum += (int32_t)code[j] * q[j];
    return sum;
}

/* acc + one group of 32 columns, in the order that kernels.h defines. */
static inline float group_step(const hl_group *g, hl_code_format f, const int8_t *q, const int16_t *sum16,
                               float d, float acc) {
    const size_t n_scales = 32 / f.group;
    float        t = 0.0f;
    for (size_t s = 0; s < n_scales; s++) {
        const int32_t xsum = n_scales == 1 ? sum16[0] + sum16[1] : sum16[s];
        const int32_t isum = code_dot(g->code + 16 * s, q + 16 * s, f.group) - f.offset * xsum;
        t = s == 0 ? (float)isum * g->scale[0] : fmaf((float)isum, g->scale[s], t);
    }
    for (size_t s = 0; f.has_min && s < n_scales; s++) {
        const int32_t xsum = n_scales == 1 ? sum16[0] + sum16[1] : sum16[s];
        t = fmaf(-g->min[s], (float)xsum, t);
    }
    return fmaf(t, d, acc);
}

static inline void gemv_by_groups(size_t n_rows, const void *w, size_t row_bytes, const hl_act *x, float *y,
                                  size_t y_stride, hl_code_format f, hl_group_fn *decode) {
    const size_t n_groups = x->n_cols / 32;
    for (size_t r = 0; r < n_rows; r++) {
        const uint8_t *row = (const uint8_t *)w + r * row_bytes;
        float          acc[HL_GEMV_MAX_TOKENS] = {0};
        for (size_t i = 0; i < n_groups; i++) {
            hl_group g;
            decode(row, i, &g);
            for (size_t t = 0; t < x->n_tokens; t++) {
                const size_t at = t * n_groups + i;
                acc[t] = group_step(&g, f, x->q + 32 * at, x->sum16 + 2 * at, x->d[at], acc[t]);
            }
        }
        for (size_t t = 0; t < x->n_tokens; t++) y[t * y_stride + r] = acc[t];
    }
}

static inline void unpack_group(hl_panel *p, size_t r, size_t i, const hl_group *g) {
    for (size_t j = 0; j < 32; j++) p->codes[((32 * i + j) / 4 * HL_PANEL_ROWS + r) * 4 + j % 4] = g->code[j];
    const size_t n_scales = 32 / p->group;
    for (size_t s = 0; s < n_scales; s++) {
        p->scale[(i * n_scales + s) * HL_PANEL_ROWS + r] = g->scale[s];
        if (p->has_min) p->min[(i * n_scales + s) * HL_PANEL_ROWS + r] = g->min[s];
    }
}

static inline void unpack_by_groups(const void *w, size_t row_bytes, hl_panel *p, hl_code_format f,
                                    hl_group_fn *decode) {
    p->group = f.group;
    p->offset = f.offset;
    p->has_min = f.has_min;
    p->max_code = f.max_code;
    for (size_t i = 0; i < p->n_cols / 32; i++) {
        for (size_t r = 0; r < p->n_rows; r++) {
            hl_group g;
            decode((const uint8_t *)w + r * row_bytes, i, &g);
            unpack_group(p, r, i, &g);
        }
        const hl_group none = {0};
        for (size_t r = p->n_rows; r < HL_PANEL_ROWS; r++) unpack_group(p, r, i, &none);
    }
}

#endif
