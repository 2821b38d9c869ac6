/* SPDX-License-Identifier: MIT
 *
 * floats_neon.h - y = W x for float weights: 16 lanes by column as four vectors of 4, then pairwise.
 *
 * Tiles of 2 rows and 3 tokens, 24 of the 32 registers, so that a conversion of weights serves three tokens.
 * The last columns of a row are copied into zeros: reading past a row could leave the file.
 */
#ifndef HL_ENGINE_KERNELS_ARM_FLOATS_NEON_H
#define HL_ENGINE_KERNELS_ARM_FLOATS_NEON_H

#include <string.h>

#include "engine/kernels/arm/vec_arm.h"

/* Eight values at p, whatever they are stored as, as f32. */
typedef void load8_fn(const void *p, float32x4_t *ret_x);

HL_INLINE void load8_f32(const void *p, float32x4_t *ret_x) {
    ret_x[0] = vld1q_f32(p);
    ret_x[1] = vld1q_f32((const float *)p + 4);
}

HL_INLINE void load8_f16(const void *p, float32x4_t *ret_x) {
    const float16x8_t h = vreinterpretq_f16_u16(vld1q_u16(p));
    ret_x[0] = vcvt_f32_f16(vget_low_f16(h));
    ret_x[1] = vcvt_high_f32_f16(h);
}

HL_INLINE void load8_bf16(const void *p, float32x4_t *ret_x) {
    const uint16x8_t h = vld1q_u16(p);
    ret_x[0] = vreinterpretq_f32_u32(vshll_n_u16(vget_low_u16(h), 16));
    ret_x[1] = vreinterpretq_f32_u32(vshll_high_n_u16(h, 16));
}

/* How weights and activations are stored. */
typedef struct float_kind {
    size_t    w_bytes, x_bytes;
    load8_fn *load_w, *load_x;
} float_kind;

enum { HL_FLOAT_ROWS = 2, HL_FLOAT_TOKENS = 3 };

/* 16 columns of every row and token of a tile. */
HL_INLINE void float_step(const uint8_t *const *w, const uint8_t *const *x, size_t n_rows, size_t n_tokens,
                          const float_kind *k, float32x4_t acc[HL_FLOAT_ROWS][HL_FLOAT_TOKENS][4]) {
    HL_UNROLL for (size_t half = 0; half < 2; half++) {
        float32x4_t xv[HL_FLOAT_TOKENS][2];
        HL_UNROLL for (size_t t = 0; t < n_tokens; t++) k->load_x(x[t] + 8 * half * k->x_bytes, xv[t]);
        HL_UNROLL for (size_t r = 0; r < n_rows; r++) {
            float32x4_t wv[2];
            k->load_w(w[r] + 8 * half * k->w_bytes, wv);
            HL_UNROLL for (size_t t = 0; t < n_tokens; t++) HL_UNROLL for (size_t i = 0; i < 2; i++)
                acc[r][t][2 * half + i] = vfmaq_f32(acc[r][t][2 * half + i], wv[i], xv[t][i]);
        }
    }
}

HL_INLINE void float_tile(const uint8_t *w, size_t row_bytes, const uint8_t *x, size_t n_cols, float *y,
                          size_t y_stride, size_t n_rows, size_t n_tokens, const float_kind *k) {
    const uint8_t *wp[HL_FLOAT_ROWS], *xp[HL_FLOAT_TOKENS];
    uint8_t        w_tail[HL_FLOAT_ROWS][64], x_tail[HL_FLOAT_TOKENS][64];
    float32x4_t    acc[HL_FLOAT_ROWS][HL_FLOAT_TOKENS][4];
    HL_UNROLL for (size_t r = 0; r < n_rows; r++) {
        wp[r] = w + r * row_bytes;
        HL_UNROLL for (size_t t = 0; t < n_tokens; t++) HL_UNROLL for (size_t i = 0; i < 4; i++)
            acc[r][t][i] = vdupq_n_f32(0);
    }
    HL_UNROLL for (size_t t = 0; t < n_tokens; t++) xp[t] = x + t * n_cols * k->x_bytes;
    for (size_t c = 0; c + 16 <= n_cols; c += 16) {
        float_step(wp, xp, n_rows, n_tokens, k, acc);
        HL_UNROLL for (size_t r = 0; r < n_rows; r++) wp[r] += 16 * k->w_bytes;
        HL_UNROLL for (size_t t = 0; t < n_tokens; t++) xp[t] += 16 * k->x_bytes;
    }
    const size_t rest = n_cols % 16;
    if (rest != 0) {
        memset(w_tail, 0, sizeof w_tail);
        memset(x_tail, 0, sizeof x_tail);
        HL_UNROLL for (size_t r = 0; r < n_rows; r++) wp[r] = memcpy(w_tail[r], wp[r], rest * k->w_bytes);
        HL_UNROLL for (size_t t = 0; t < n_tokens; t++) xp[t] = memcpy(x_tail[t], xp[t], rest * k->x_bytes);
        float_step(wp, xp, n_rows, n_tokens, k, acc);
    }
    HL_UNROLL for (size_t r = 0; r < n_rows; r++) HL_UNROLL for (size_t t = 0; t < n_tokens; t++)
        y[t * y_stride + r] = sum_lanes_4(acc[r][t]);
}

/* All tokens of n_rows <= 2 rows. */
HL_INLINE void float_rows(const uint8_t *w, size_t row_bytes, const uint8_t *x, size_t n_all, size_t n_cols,
                          float *y, size_t y_stride, size_t n_rows, const float_kind *k) {
    const size_t token_bytes = n_cols * k->x_bytes;
    size_t       t = 0;
    for (; t + HL_FLOAT_TOKENS <= n_all; t += HL_FLOAT_TOKENS)
        float_tile(w, row_bytes, x + t * token_bytes, n_cols, y + t * y_stride, y_stride, n_rows,
                   HL_FLOAT_TOKENS, k);
    for (; t < n_all; t++)
        float_tile(w, row_bytes, x + t * token_bytes, n_cols, y + t * y_stride, y_stride, n_rows, 1, k);
}

HL_INLINE void gemv_floats(size_t n_rows, const void *w, size_t row_bytes, const hl_act *x, const void *xs,
                           float *y, size_t y_stride, const float_kind *k) {
    const uint8_t *row = w;
    size_t         r = 0;
    for (; r + HL_FLOAT_ROWS <= n_rows; r += HL_FLOAT_ROWS)
        float_rows(row + r * row_bytes, row_bytes, xs, x->n_tokens, x->n_cols, y + r, y_stride, HL_FLOAT_ROWS,
                   k);
    for (; r < n_rows; r++)
        float_rows(row + r * row_bytes, row_bytes, xs, x->n_tokens, x->n_cols, y + r, y_stride, 1, k);
}

#endif
