/* SPDX-License-Identifier: MIT
 *
 * rows4_neon.h - gemv and panels of quantized weights, four rows at a time: a lane is a row.
 *
 * A block of four rows is decoded one group of 32 columns after the other (decode_neon.h), in registers, and
 * each group is multiplied with every token of the batch before the next one is decoded: so one token and
 * twelve read and decode the weights once. Integer sums are exact per row whatever way they are made, and
 * every f32 step is the scalar definition's, lane by lane: no horizontal float sum, the same bits.
 *
 * How codes lie in the eight registers of a group is the choice of who multiplies (code_layout): the
 * instructions want it differently. Codes whose offset is 128 are given as signed numbers, offset taken off;
 * all others are at most 63, signed or not.
 */
#ifndef HL_ENGINE_KERNELS_ARM_ROWS4_NEON_H
#define HL_ENGINE_KERNELS_ARM_ROWS4_NEON_H

#include <arm_neon.h>
#include <string.h>

#include "engine/kernels/kernels.h"
#include "engine/kernels/unroll.h"
#include "engine/quant/group.h"

typedef enum code_layout {
    HL_LAYOUT_ROWS,  /* code[r], code[r + 4]: columns 0..15 and 16..31 of row r */
    HL_LAYOUT_QUADS, /* code[k]: columns 4k .. 4k + 3 of rows 0, 1, 2, 3 */
} code_layout;

/* What a decoder keeps of four rows' block from group to group. */
typedef struct block4 {
    float32x4_t scale[16]; /* of 32 or 16 columns each; lane = row */
    float32x4_t min[16];
    uint8x16_t  low[16], high[8]; /* packed codes that later groups share */
} block4;

/* Codes of group i of four rows' block; called for all groups in order, with constants. The first call makes
 * all scales and minimums. */
typedef void decode4_fn(const uint8_t *const *block, size_t i, code_layout layout, block4 *s,
                        uint8x16_t *ret_code);

/* What stays the same for a type. */
typedef struct rows4 {
    hl_code_format format;
    size_t         block_bytes;
    size_t         block_groups; /* groups of 32 columns in a block */
    decode4_fn    *decode;
} rows4;

/* Sums of products over columns 16 s .. 16 s + n - 1 of a group, added to start; x holds 32 columns. n: 16,
 * 32. */
typedef int32x4_t dot4_fn(const uint8x16_t *code, size_t s, size_t n, bool is_signed, const int8x16_t *x,
                          int32x4_t start);

/* One group's part in a token's sums, and where it comes from. */
typedef struct part4 {
    const uint8x16_t  *code;
    const float32x4_t *scale, *min;
    const hl_act      *x;
    size_t             group; /* of the row */
} part4;

/* What begins the integer sums: - offset * sum of x, as kernels.h says; nothing for signed codes. */
HL_INLINE int32x4_t start4(hl_code_format f, int32x2_t xsum, int s) {
    if (f.offset == 0 || f.offset == 128) return vdupq_n_s32(0);
    const int32x4_t less = vdupq_n_s32(-f.offset);
    return s == 0 ? vmulq_lane_s32(less, xsum, 0) : vmulq_lane_s32(less, xsum, 1);
}

/* Sums of x over the columns that share a scale: lane 0, and lane 1 when there are two. */
HL_INLINE int32x2_t sums_of_x(hl_code_format f, const int16_t *sum16) {
    int32_t both;
    memcpy(&both, sum16, sizeof both);
    const int16x4_t two = vreinterpret_s16_s32(vdup_n_s32(both));
    return f.group == 32 ? vpaddl_s16(two) : vget_low_s32(vmovl_s16(two));
}

/* acc + one group from its integer sums. */
HL_INLINE float32x4_t finish4(hl_code_format f, const float32x4_t *scale, const float32x4_t *min,
                              const int32x4_t *isum, int32x2_t xsum, float d, float32x4_t acc) {
    float32x4_t t = vmulq_f32(vcvtq_f32_s32(isum[0]), scale[0]);
    if (f.group == 16) t = vfmaq_f32(t, vcvtq_f32_s32(isum[1]), scale[1]);
    if (f.has_min) {
        const float32x2_t m = vcvt_f32_s32(xsum);
        t = vfmsq_lane_f32(t, min[0], m, 0);
        if (f.group == 16) t = vfmsq_lane_f32(t, min[1], m, 1);
    }
    return vfmaq_n_f32(acc, t, d);
}

/* acc + one group of token t. */
HL_INLINE float32x4_t step4(const part4 *p, hl_code_format f, size_t t, dot4_fn *dot, float32x4_t acc) {
    const size_t    at = t * (p->x->n_cols / 32) + p->group;
    const int8x16_t x[2] = {vld1q_s8(p->x->q + 32 * at), vld1q_s8(p->x->q + 32 * at + 16)};
    const int32x2_t xsum = sums_of_x(f, p->x->sum16 + 2 * at);
    const bool      is_signed = f.offset == 128;
    int32x4_t       isum[2];
    isum[0] = dot(p->code, 0, f.group, is_signed, x, start4(f, xsum, 0));
    if (f.group == 16) isum[1] = dot(p->code, 1, 16, is_signed, x, start4(f, xsum, 1));
    return finish4(f, p->scale, p->min, isum, xsum, p->x->d[at], acc);
}

/* One group for all tokens of the batch. */
typedef void tokens4_fn(const part4 *p, hl_code_format f, float32x4_t *acc);

/* Pointers to four rows from r on; past the last one, the last one again. */
HL_INLINE void rows4_at(const void *w, size_t row_bytes, size_t r, size_t n_rows, const uint8_t **row) {
    HL_UNROLL for (size_t i = 0; i < 4; i++) row[i] =
        (const uint8_t *)w + (r + i < n_rows ? r + i : n_rows - 1) * row_bytes;
}

HL_INLINE void store_rows4(float *y, size_t n_left, float32x4_t acc) {
    float out[4];
    if (n_left >= 4) {
        vst1q_f32(y, acc);
        return;
    }
    vst1q_f32(out, acc);
    for (size_t k = 0; k < n_left; k++) y[k] = out[k];
}

/* y = W x. With one token its sums stay in registers: n_tokens is the constant 1 or that of the batch. */
HL_INLINE void gemv_rows4(size_t n_rows, const void *w, size_t row_bytes, const hl_act *x, float *y,
                          size_t y_stride, size_t n_tokens, rows4 type, code_layout layout,
                          tokens4_fn *tokens) {
    const size_t n_groups = x->n_cols / 32, n_scales = 32 / type.format.group;
    for (size_t r = 0; r < n_rows; r += 4) {
        const uint8_t *row[4];
        float32x4_t    acc[HL_GEMV_MAX_TOKENS];
        rows4_at(w, row_bytes, r, n_rows, row);
        for (size_t t = 0; t < n_tokens; t++) acc[t] = vdupq_n_f32(0);
        for (size_t i = 0; i < n_groups; i += type.block_groups) {
            block4 block;
            HL_UNROLL for (size_t j = 0; j < type.block_groups; j++) {
                uint8x16_t code[8];
                type.decode(row, j, layout, &block, code);
                const part4 part = {code, block.scale + j * n_scales, block.min + j * n_scales, x, i + j};
                tokens(&part, type.format, acc);
            }
            HL_UNROLL for (size_t k = 0; k < 4; k++) row[k] += type.block_bytes;
        }
        for (size_t t = 0; t < n_tokens; t++) store_rows4(y + t * y_stride + r, n_rows - r, acc[t]);
    }
}

HL_INLINE void unpack_rows4(const void *w, size_t row_bytes, hl_panel *p, rows4 type) {
    const hl_code_format f = type.format;
    const size_t         n_scales = 32 / f.group;
    p->group = f.group;
    p->offset = f.offset;
    p->has_min = f.has_min;
    p->max_code = f.max_code;
    for (size_t r = 0; r < HL_PANEL_ROWS; r += 4) {
        const uint8_t *row[4];
        rows4_at(w, row_bytes, r, p->n_rows, row);
        for (size_t i = 0; i < p->n_cols / 32; i += type.block_groups) {
            block4 block;
            HL_UNROLL for (size_t j = 0; j < type.block_groups; j++) {
                uint8_t   *codes = p->codes + ((i + j) * 8 * HL_PANEL_ROWS + r) * 4;
                uint8x16_t code[8];
                type.decode(row, j, HL_LAYOUT_QUADS, &block, code);
                HL_UNROLL for (size_t k = 0; k < 8; k++) {
                    if (f.offset == 128) code[k] = veorq_u8(code[k], vdupq_n_u8(0x80));
                    vst1q_u8(codes + k * 4 * HL_PANEL_ROWS, code[k]);
                }
                HL_UNROLL for (size_t s = 0; s < n_scales; s++) {
                    const size_t at = ((i + j) * n_scales + s) * HL_PANEL_ROWS + r;
                    vst1q_f32(p->scale + at, block.scale[j * n_scales + s]);
                    if (f.has_min) vst1q_f32(p->min + at, block.min[j * n_scales + s]);
                }
            }
            HL_UNROLL for (size_t k = 0; k < 4; k++) row[k] += type.block_bytes;
        }
    }
}

#endif
