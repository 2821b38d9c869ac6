/* SPDX-License-Identifier: MIT
 *
 * gemm_panel_scalar.c - y = W x for any number of tokens, W unpacked to a panel of 32 rows.
 *
 * The same steps per row as gemv; rows are the inner loop because that is how a panel lies in memory.
 */
#include "engine/kernels/kernel_list.h"

#include <math.h>

enum { ROWS = HL_PANEL_ROWS };

static void add_codes(const uint8_t *codes, const int8_t *q, size_t n_cols, int32_t *isum) {
    for (size_t c = 0; c < n_cols; c += 4, codes += 4 * ROWS, q += 4)
        for (size_t r = 0; r < ROWS; r++)
            isum[r] += codes[4 * r] * q[0] + codes[4 * r + 1] * q[1] + codes[4 * r + 2] * q[2] +
                       codes[4 * r + 3] * q[3];
}

/* Group i of 32 columns: acc[r] grows by what kernels.h says. */
static void add_group(const hl_panel *p, size_t i, const int8_t *q, const int16_t *sum16, float d,
                      float *acc) {
    const size_t n_scales = 32 / p->group;
    float        t[ROWS];
    int32_t      xsum[2] = {sum16[0], sum16[1]};
    if (n_scales == 1) xsum[0] += xsum[1];
    for (size_t s = 0; s < n_scales; s++) {
        int32_t      isum[ROWS] = {0};
        const float *scale = p->scale + (i * n_scales + s) * ROWS;
        add_codes(p->codes + (32 * i + 16 * s) * ROWS, q + 16 * s, p->group, isum);
        for (size_t r = 0; r < p->n_rows; r++) {
            const float x = (float)(isum[r] - p->offset * xsum[s]);
            t[r] = s == 0 ? x * scale[r] : fmaf(x, scale[r], t[r]);
        }
    }
    for (size_t s = 0; p->has_min && s < n_scales; s++) {
        const float *min = p->min + (i * n_scales + s) * ROWS;
        for (size_t r = 0; r < p->n_rows; r++) t[r] = fmaf(-min[r], (float)xsum[s], t[r]);
    }
    for (size_t r = 0; r < p->n_rows; r++) acc[r] = fmaf(t[r], d, acc[r]);
}

void hl_gemm_panel_scalar(const hl_panel *p, const hl_act *x, float *y, size_t y_stride) {
    const size_t n_groups = x->n_cols / 32;
    for (size_t t = 0; t < x->n_tokens; t++) {
        float  acc[ROWS] = {0};
        size_t at = t * n_groups + p->col_begin / 32;
        for (size_t r = 0; p->col_begin != 0 && r < p->n_rows; r++) acc[r] = y[t * y_stride + r];
        for (size_t i = 0; i < p->n_cols / 32; i++, at++)
            add_group(p, i, x->q + 32 * at, x->sum16 + 2 * at, x->d[at], acc);
        for (size_t r = 0; r < p->n_rows; r++) y[t * y_stride + r] = acc[r];
    }
}
