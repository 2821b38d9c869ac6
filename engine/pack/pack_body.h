/* SPDX-License-Identifier: MIT
 *
 * pack_body.h - every type's blocks from f32, sixteen groups of weights at a time; a lane is a group.
 *
 * Compiled once per instruction set, whose file defines HL_LANES and HL_PACK_NAME(type); the same bytes
 * come out of all. Layouts: engine/quant/<type>.h.
 */
#ifndef HL_ENGINE_PACK_PACK_BODY_H
#define HL_ENGINE_PACK_PACK_BODY_H

#include <math.h>
#include <stdbool.h>

#include "engine/pack/fit.h"
#include "engine/pack/pack_list.h"
#include "engine/quant/iq4_nl.h"
#include "engine/quant/iq4_xs.h"
#include "engine/quant/mxfp4.h"
#include "engine/quant/q2_k.h"
#include "engine/quant/q3_k.h"
#include "engine/quant/q4_0.h"
#include "engine/quant/q4_1.h"
#include "engine/quant/q4_k.h"
#include "engine/quant/q5_0.h"
#include "engine/quant/q5_1.h"
#include "engine/quant/q5_k.h"
#include "engine/quant/q6_k.h"
#include "engine/quant/tq1_0.h"
#include "engine/quant/tq2_0.h"

enum { BATCH = 16 * HL_MAX_GROUP }; /* weights of sixteen groups of 32 */

/* How much errors count when nobody says so: by the magnitude, by that and the root mean square of the
 * group, or by the square. */
typedef enum weighting { BY_MAGNITUDE, BY_MAGNITUDE_AND_MEAN, BY_SQUARE } weighting;

/* Sixteen groups of n weights, and how much each counts. */
typedef struct batch {
    int   n; /* 16 or 32 */
    float x[BATCH], w[BATCH];
} batch;

/* `span` groups one after the other are one block: an importance counts times sqrt(2 * mean square of the
 * block + x^2). */
HL_INLINE void load_batch(const float *x, const float *importance, int n, int span, weighting by,
                          batch *ret) {
    const int per_mean = importance ? span * n : n;
    ret->n = n;
    memcpy(ret->x, x, (size_t)(16 * n) * sizeof *x);
    for (int first = 0; first < 16 * n; first += per_mean) {
        float square = 0.0f;
        for (int i = first; i < first + per_mean; i++) square += x[i] * x[i];
        const float mean = sqrtf(square / (float)per_mean);
        for (int i = first; i < first + per_mean; i++) {
            if (importance)
                ret->w[i] = importance[i] * sqrtf(2.0f * mean * mean + x[i] * x[i]);
            else
                ret->w[i] = by == BY_SQUARE ? x[i] * x[i] : fabsf(x[i]) + (by == BY_MAGNITUDE ? 0.0f : mean);
        }
    }
}

/* HL_LANES groups of the batch, from group `at` on. */
HL_INLINE void load_columns(const batch *b, int at, columns *ret) {
    ret->n = b->n;
    load_groups(b->x + at * b->n, b->n, ret->x);
    load_groups(b->w + at * b->n, b->n, ret->w);
}

/* Scale and minimum of each group, and the code of each weight. */
typedef struct batch_fit {
    float   scale[16], min[16];
    uint8_t code[BATCH];
} batch_fit;

HL_INLINE void fit_scales(const batch *b, float low, float high, batch_fit *ret) {
    for (int at = 0; at < 16; at += HL_LANES) {
        columns c;
        load_columns(b, at, &c);
        store_lanes(ret->scale + at, fit_scale(&c, low, high, 9));
    }
}

HL_INLINE void fit_lines(const batch *b, float top, float first, float step, int n_steps, bool not_above,
                         batch_fit *ret) {
    for (int at = 0; at < 16; at += HL_LANES) {
        columns c;
        load_columns(b, at, &c);
        const line_fit fit = fit_line(&c, top, first, step, n_steps, not_above);
        store_lanes(ret->scale + at, fit.scale);
        store_lanes(ret->min + at, fit.min);
    }
}

HL_INLINE void store_codes(lanes q, int n, int at, int j, batch_fit *ret) {
    for (int l = 0; l < HL_LANES; l++) ret->code[(at + l) * n + j] = (uint8_t)(int)q[l];
}

/* Codes of x ~ scale * (q - offset), plus min where the type has one. */
HL_INLINE void make_codes(const batch *b, bool has_min, float offset, float top, batch_fit *ret) {
    for (int at = 0; at < 16; at += HL_LANES) {
        lanes       x[HL_MAX_GROUP];
        const lanes per = inverse(load_lanes(ret->scale + at));
        const lanes min = has_min ? load_lanes(ret->min + at) : all_lanes(0.0f);
        load_groups(b->x + at * b->n, b->n, x);
        for (int j = 0; j < b->n; j++)
            store_codes(nearest_within((x[j] - min) * per + offset, 0.0f, top), b->n, at, j, ret);
    }
}

/* Of n floats the first `valid`, and zeros. */
HL_INLINE const float *padded(const float *x, size_t valid, size_t n, float *room) {
    if (!x || valid >= n) return x;
    memcpy(room, x, valid * sizeof *x);
    memset(room + valid, 0, (n - valid) * sizeof *x);
    return room;
}

/* Packs a batch of n_blocks blocks, all of which are there to be read. */
typedef void pack_batch_fn(const float *x, const float *importance, size_t n_blocks, void *ret_w);

/* All of a row, `at_once` weights at a time; the last batch is filled up with zeros. */
HL_INLINE void pack_batches(const float *x, const float *importance, size_t n, void *ret_w, size_t at_once,
                            size_t block, size_t block_bytes, pack_batch_fn *pack) {
    float    room[2][BATCH];
    uint8_t *w = ret_w;
    for (size_t at = 0; at < n; at += at_once) {
        const size_t valid = n - at < at_once ? n - at : at_once;
        pack(padded(x + at, valid, at_once, room[0]),
             importance ? padded(importance + at, valid, at_once, room[1]) : NULL, valid / block,
             w + at / block * block_bytes);
    }
}

HL_INLINE uint16_t half(float x) { return hl_f16_of_f32(x); }

/* What 16 scales or minimums become when they are stored as f16. */
HL_INLINE void round_to_halves(float *x, uint16_t *ret) {
    for (int l = 0; l < 16; l++) {
        ret[l] = half(x[l]);
        x[l] = hl_f32_of_f16(ret[l]);
    }
}

/* ---- blocks of 32 with one scale, or a scale and a minimum ---- */

HL_INLINE void nibbles_of(const uint8_t *code, uint8_t *ret) {
    for (int j = 0; j < 16; j++) ret[j] = (uint8_t)((code[j] & 15) | code[j + 16] << 4);
}

HL_INLINE void fifths_of(const uint8_t *code, uint8_t *ret) {
    for (int i = 0; i < 4; i++) ret[i] = 0;
    for (int j = 0; j < 32; j++) ret[j / 8] |= (uint8_t)((code[j] >> 4) << j % 8);
}

HL_INLINE void fit_symmetric(const float *x, const float *importance, float low, uint16_t *ret_d,
                             batch_fit *ret) {
    batch b;
    load_batch(x, importance, 32, 16, BY_SQUARE, &b);
    fit_scales(&b, low, -low - 1.0f, ret);
    round_to_halves(ret->scale, ret_d);
    make_codes(&b, false, -low, -2.0f * low - 1.0f, ret);
}

HL_INLINE void fit_with_min(const float *x, const float *importance, float top, uint16_t *ret_d,
                            uint16_t *ret_m, batch_fit *ret) {
    batch b;
    load_batch(x, importance, 32, 16, BY_MAGNITUDE_AND_MEAN, &b);
    fit_lines(&b, top, -0.9f, 0.05f, 36, false, ret);
    round_to_halves(ret->scale, ret_d);
    round_to_halves(ret->min, ret_m);
    make_codes(&b, true, 0.0f, top, ret);
}

HL_INLINE void batch_q4_0(const float *x, const float *importance, size_t n_blocks, void *ret_w) {
    hl_block_q4_0 *b = ret_w;
    batch_fit      q;
    uint16_t       d[16];
    fit_symmetric(x, importance, -8.0f, d, &q);
    for (size_t i = 0; i < n_blocks; i++) {
        b[i].d = d[i];
        nibbles_of(q.code + 32 * i, b[i].qs);
    }
}

HL_INLINE void batch_q5_0(const float *x, const float *importance, size_t n_blocks, void *ret_w) {
    hl_block_q5_0 *b = ret_w;
    batch_fit      q;
    uint16_t       d[16];
    fit_symmetric(x, importance, -16.0f, d, &q);
    for (size_t i = 0; i < n_blocks; i++) {
        b[i].d = d[i];
        fifths_of(q.code + 32 * i, b[i].qh);
        nibbles_of(q.code + 32 * i, b[i].qs);
    }
}

HL_INLINE void batch_q4_1(const float *x, const float *importance, size_t n_blocks, void *ret_w) {
    hl_block_q4_1 *b = ret_w;
    batch_fit      q;
    uint16_t       d[16], m[16];
    fit_with_min(x, importance, 15.0f, d, m, &q);
    for (size_t i = 0; i < n_blocks; i++) {
        b[i].d = d[i];
        b[i].m = m[i];
        nibbles_of(q.code + 32 * i, b[i].qs);
    }
}

HL_INLINE void batch_q5_1(const float *x, const float *importance, size_t n_blocks, void *ret_w) {
    hl_block_q5_1 *b = ret_w;
    batch_fit      q;
    uint16_t       d[16], m[16];
    fit_with_min(x, importance, 31.0f, d, m, &q);
    for (size_t i = 0; i < n_blocks; i++) {
        b[i].d = d[i];
        b[i].m = m[i];
        fifths_of(q.code + 32 * i, b[i].qh);
        nibbles_of(q.code + 32 * i, b[i].qs);
    }
}

/* ---- superblocks of 256 ---- */

/* The two scales of a superblock and the small integers of its groups. */
typedef struct k_scales {
    uint16_t d[2], dmin[2]; /* of the superblocks of a batch */
    uint8_t  scale[16], min[16];
} k_scales;

/* Integers up to `top` of n values that are not negative; *ret_unit: what one of them is worth, as an f16. */
HL_INLINE void share_unit(const float *x, int n, float top, uint16_t *ret_unit, uint8_t *ret) {
    float most = 0.0f;
    for (int i = 0; i < n; i++) most = x[i] > most ? x[i] : most;
    const float per = most > 0.0f ? top / most : 0.0f;
    *ret_unit = half(most / top);
    for (int i = 0; i < n; i++) {
        const float q = rintf(x[i] * per);
        ret[i] = (uint8_t)(q > top ? top : q > 0.0f ? q : 0.0f);
    }
}

/* Scales and minimums of a fit as the superblocks, of n_groups each, can hold them; the fit has what they
 * are then. */
HL_INLINE void share_scales(batch_fit *fit, int n_groups, float top, k_scales *ret) {
    for (int l = 0; l < 16; l++) fit->min[l] = -fit->min[l];
    for (int s = 0; s < 16 / n_groups; s++) {
        share_unit(fit->scale + s * n_groups, n_groups, top, &ret->d[s], ret->scale + s * n_groups);
        share_unit(fit->min + s * n_groups, n_groups, top, &ret->dmin[s], ret->min + s * n_groups);
    }
    for (int l = 0; l < 16; l++) {
        fit->scale[l] = hl_f32_of_f16(ret->d[l / n_groups]) * (float)ret->scale[l];
        fit->min[l] = -(hl_f32_of_f16(ret->dmin[l / n_groups]) * (float)ret->min[l]);
    }
}

/* Superblocks of n_groups groups of n weights, with a minimum. */
HL_INLINE void fit_k(const float *x, const float *importance, int n, int n_groups, weighting by, float top,
                     float first, int n_steps, float top_scale, k_scales *ret_k, batch_fit *ret) {
    batch b;
    load_batch(x, importance, n, n_groups, by, &b);
    fit_lines(&b, top, first, 0.1f, n_steps, true, ret);
    share_scales(ret, n_groups, top_scale, ret_k);
    make_codes(&b, true, 0.0f, top, ret);
}

/* The twelve bytes of hl_q4_k_scale() and hl_q4_k_min(). */
HL_INLINE void put_k45_scales(const uint8_t *scale, const uint8_t *min, uint8_t *ret) {
    for (int j = 0; j < 4; j++) {
        ret[j] = (uint8_t)(scale[j] | (scale[j + 4] >> 4) << 6);
        ret[j + 4] = (uint8_t)(min[j] | (min[j + 4] >> 4) << 6);
        ret[j + 8] = (uint8_t)((scale[j + 4] & 15) | (min[j + 4] & 15) << 4);
    }
}

HL_INLINE void batch_q4_k(const float *x, const float *importance, size_t n_blocks, void *ret_w) {
    hl_block_q4_k *b = ret_w;
    k_scales       k;
    batch_fit      q;
    fit_k(x, importance, 32, 8, BY_MAGNITUDE_AND_MEAN, 15.0f, -1.0f, 21, 63.0f, &k, &q);
    for (size_t i = 0; i < n_blocks; i++) {
        const uint8_t *code = q.code + 256 * i;
        b[i].d = k.d[i];
        b[i].dmin = k.dmin[i];
        put_k45_scales(k.scale + 8 * i, k.min + 8 * i, b[i].scales);
        for (int j = 0; j < 128; j++) {
            const int at = j / 32 * 64 + j % 32;
            b[i].qs[j] = (uint8_t)(code[at] | code[at + 32] << 4);
        }
    }
}

HL_INLINE void batch_q5_k(const float *x, const float *importance, size_t n_blocks, void *ret_w) {
    hl_block_q5_k *b = ret_w;
    k_scales       k;
    batch_fit      q;
    fit_k(x, importance, 32, 8, BY_MAGNITUDE_AND_MEAN, 31.0f, -0.5f, 16, 63.0f, &k, &q);
    for (size_t i = 0; i < n_blocks; i++) {
        const uint8_t *code = q.code + 256 * i;
        b[i].d = k.d[i];
        b[i].dmin = k.dmin[i];
        put_k45_scales(k.scale + 8 * i, k.min + 8 * i, b[i].scales);
        for (int j = 0; j < 128; j++) {
            const int at = j / 32 * 64 + j % 32;
            b[i].qs[j] = (uint8_t)((code[at] & 15) | (code[at + 32] & 15) << 4);
        }
        for (int j = 0; j < 32; j++) {
            unsigned bits = 0;
            for (int g = 0; g < 8; g++) bits |= (unsigned)(code[32 * g + j] >> 4) << g;
            b[i].qh[j] = (uint8_t)bits;
        }
    }
}

/* The low two bits of 256 codes: per 128 weights 32 bytes, bits 2k of byte l are weight 32 k + l. */
HL_INLINE void put_pairs(const uint8_t *code, int shift, uint8_t *ret) {
    for (int j = 0; j < 64; j++) {
        const uint8_t *at = code + j / 32 * 128 + j % 32;
        unsigned       bits = 0;
        for (int k = 0; k < 4; k++) bits |= (unsigned)(at[32 * k] >> shift & 3) << 2 * k;
        ret[j] = (uint8_t)bits;
    }
}

HL_INLINE void batch_q2_k(const float *x, const float *importance, size_t n_blocks, void *ret_w) {
    hl_block_q2_k *b = ret_w;
    k_scales       k;
    batch_fit      q;
    (void)n_blocks;
    fit_k(x, importance, 16, 16, BY_MAGNITUDE, 3.0f, -0.5f, 16, 15.0f, &k, &q);
    b->d = k.d[0];
    b->dmin = k.dmin[0];
    for (int i = 0; i < 16; i++) b->scales[i] = (uint8_t)(k.scale[i] | k.min[i] << 4);
    put_pairs(q.code, 0, b->qs);
}

/* Signed scales of a superblock's n groups as integers low .. -low - 1, the largest one as `low`. */
HL_INLINE void share_signed(float *scale, int n, float low, uint16_t *ret_d, int8_t *ret) {
    float most = 0.0f, at = 0.0f;
    for (int l = 0; l < n; l++) {
        if (fabsf(scale[l]) <= most) continue;
        most = fabsf(scale[l]);
        at = scale[l];
    }
    const float per = most > 0.0f ? low / at : 0.0f;
    *ret_d = half(at / low);
    for (int l = 0; l < n; l++) {
        float q = rintf(scale[l] * per);
        if (q > -low - 1.0f) q = -low - 1.0f;
        ret[l] = (int8_t)q;
        scale[l] = hl_f32_of_f16(*ret_d) * q;
    }
}

HL_INLINE void batch_q3_k(const float *x, const float *importance, size_t n_blocks, void *ret_w) {
    hl_block_q3_k *b = ret_w;
    batch          all;
    batch_fit      q;
    int8_t         scales[16];
    (void)n_blocks;
    load_batch(x, importance, 16, 16, BY_SQUARE, &all);
    fit_scales(&all, -4.0f, 3.0f, &q);
    share_signed(q.scale, 16, -32.0f, &b->d, scales);
    make_codes(&all, false, 4.0f, 7.0f, &q);
    memset(b->scales, 0, sizeof b->scales);
    for (int j = 0; j < 16; j++) {
        const unsigned six = (unsigned)(scales[j] + 32);
        b->scales[j % 8] |= (uint8_t)((six & 15) << 4 * (j / 8));
        b->scales[8 + j % 4] |= (uint8_t)((six >> 4) << 2 * (j / 4));
    }
    put_pairs(q.code, 0, b->qs);
    for (int j = 0; j < 32; j++) {
        unsigned bits = 0;
        for (int g = 0; g < 8; g++) bits |= (unsigned)(q.code[32 * g + j] >> 2) << g;
        b->hmask[j] = (uint8_t)bits;
    }
}

HL_INLINE void batch_q6_k(const float *x, const float *importance, size_t n_blocks, void *ret_w) {
    hl_block_q6_k *b = ret_w;
    batch          all;
    batch_fit      q;
    (void)n_blocks;
    load_batch(x, importance, 16, 16, BY_SQUARE, &all);
    fit_scales(&all, -32.0f, 31.0f, &q);
    share_signed(q.scale, 16, -128.0f, &b->d, b->scales);
    make_codes(&all, false, 32.0f, 63.0f, &q);
    for (int j = 0; j < 128; j++) {
        const int at = j / 64 * 128 + j % 64;
        b->ql[j] = (uint8_t)((q.code[at] & 15) | (q.code[at + 64] & 15) << 4);
    }
    put_pairs(q.code, 4, b->qh);
}

/* ---- codes that are places of a table ---- */

HL_INLINE value_table iq4_values(void) {
    value_table t = {.n = 16};
    for (unsigned i = 0; i < 16; i++) t.value[i] = (float)hl_iq4_nl_code(i) - 128.0f;
    return t;
}

HL_INLINE void fit_to_table(const batch *b, const value_table *t, batch_fit *ret) {
    for (int at = 0; at < 16; at += HL_LANES) {
        columns c;
        load_columns(b, at, &c);
        store_lanes(ret->scale + at, fit_table(&c, t, 7));
    }
}

HL_INLINE void make_places(const batch *b, const value_table *t, batch_fit *ret) {
    for (int at = 0; at < 16; at += HL_LANES) {
        lanes       x[HL_MAX_GROUP];
        const lanes per = inverse(load_lanes(ret->scale + at));
        load_groups(b->x + at * b->n, b->n, x);
        for (int j = 0; j < b->n; j++) {
            lanes value, place;
            closest(t, x[j] * per, &value, &place);
            store_codes(place, b->n, at, j, ret);
        }
    }
}

HL_INLINE void batch_iq4_nl(const float *x, const float *importance, size_t n_blocks, void *ret_w) {
    hl_block_iq4_nl  *b = ret_w;
    const value_table t = iq4_values();
    batch             all;
    batch_fit         q;
    uint16_t          d[16];
    load_batch(x, importance, 32, 16, BY_SQUARE, &all);
    fit_to_table(&all, &t, &q);
    round_to_halves(q.scale, d);
    make_places(&all, &t, &q);
    for (size_t i = 0; i < n_blocks; i++) {
        b[i].d = d[i];
        nibbles_of(q.code + 32 * i, b[i].qs);
    }
}

HL_INLINE void batch_iq4_xs(const float *x, const float *importance, size_t n_blocks, void *ret_w) {
    hl_block_iq4_xs  *b = ret_w;
    const value_table t = iq4_values();
    batch             all;
    batch_fit         q;
    uint16_t          d[2];
    int8_t            scales[2][8];
    load_batch(x, importance, 32, 8, BY_SQUARE, &all);
    fit_to_table(&all, &t, &q);
    for (int i = 0; i < 2; i++) share_signed(q.scale + 8 * i, 8, -32.0f, &d[i], scales[i]);
    make_places(&all, &t, &q);
    for (size_t i = 0; i < n_blocks; i++) {
        b[i].d = d[i];
        b[i].scales_h = 0;
        memset(b[i].scales_l, 0, sizeof b[i].scales_l);
        for (int g = 0; g < 8; g++) {
            const unsigned six = (unsigned)(scales[i][g] + 32);
            b[i].scales_l[g / 2] |= (uint8_t)((six & 15) << 4 * (g % 2));
            b[i].scales_h |= (uint16_t)((six >> 4) << 2 * g);
            nibbles_of(q.code + 256 * i + 32 * (size_t)g, b[i].qs + 16 * g);
        }
    }
}

/* 0, the positive and the negative values of the 4-bit float, doubled, in rising order; and their codes. */
static const value_table e2m1 = {15, {-12, -8, -6, -4, -3, -2, -1, 0, 1, 2, 3, 4, 6, 8, 12}};
static const uint8_t     e2m1_code[15] = {15, 14, 13, 12, 11, 10, 9, 0, 1, 2, 3, 4, 5, 6, 7};

/* The exponent with which the largest weight falls to 4..8 (6 is the largest value), plus `more`; kept
 * within what a byte can say. */
HL_INLINE uint8_t exponent_of(const float *x, int more) {
    float most = 0.0f;
    for (int j = 0; j < 32; j++) most = fabsf(x[j]) > most ? fabsf(x[j]) : most;
    const int exponent = (int)(hl_bits_of_f32(most) >> 23) - 2 + more;
    return (uint8_t)(most == 0.0f || exponent < 0 ? 0 : exponent > 254 ? 254 : exponent);
}

/* The scale is a power of two: that one or the next, whichever has the smaller error. */
HL_INLINE void batch_mxfp4(const float *x, const float *importance, size_t n_blocks, void *ret_w) {
    hl_block_mxfp4 *b = ret_w;
    batch_fit       q[2];
    uint8_t         e[2][16];
    float           error[2][16];
    for (int k = 0; k < 2; k++) {
        for (int i = 0; i < 16; i++) {
            e[k][i] = exponent_of(x + 32 * i, k);
            q[k].scale[i] = hl_mxfp4_half_scale(e[k][i]);
        }
        for (int at = 0; at < 16; at += HL_LANES) {
            const lanes scale = load_lanes(q[k].scale + at);
            lanes       v[32], w[32], sum = all_lanes(0.0f);
            load_groups(x + 32 * at, 32, v);
            if (importance) load_groups(importance + 32 * at, 32, w);
            for (int j = 0; j < 32; j++) {
                lanes value, place;
                closest(&e2m1, v[j] / scale, &value, &place);
                const lanes off = v[j] - value * scale;
                sum += importance ? w[j] * off * off : off * off;
                store_codes(place, 32, at, j, &q[k]);
            }
            store_lanes(error[k] + at, sum);
        }
    }
    for (size_t i = 0; i < n_blocks; i++) {
        const int k = error[1][i] < error[0][i];
        b[i].e = e[k][i];
        for (int j = 0; j < 16; j++) {
            const uint8_t *code = q[k].code + 32 * i + j;
            b[i].qs[j] = (uint8_t)(e2m1_code[code[0]] | e2m1_code[code[16]] << 4);
        }
    }
}

/* ---- -1, 0, 1 ---- */

HL_INLINE uint16_t digits_of_256(const float *x, uint8_t *ret) {
    float most = 0.0f;
    for (int i = 0; i < 256; i++) most = fabsf(x[i]) > most ? fabsf(x[i]) : most;
    const float per = most > 0.0f ? 1.0f / most : 0.0f;
    for (int i = 0; i < 256; i++) ret[i] = (uint8_t)(rintf(x[i] * per) + 1.0f);
    return half(most);
}

HL_INLINE void batch_tq2_0(const float *x, const float *importance, size_t n_blocks, void *ret_w) {
    hl_block_tq2_0 *b = ret_w;
    uint8_t         digit[256];
    (void)importance;
    (void)n_blocks;
    b->d = digits_of_256(x, digit);
    put_pairs(digit, 0, b->qs);
}

/* n digits that lie `apart`, the first one's place the highest of five, as a fraction of 256, rounded up. */
HL_INLINE uint8_t five_digits(const uint8_t *digit, int n, int apart) {
    unsigned x = 0;
    for (int i = 0; i < 5; i++) x = 3 * x + (i < n ? digit[i * apart] : 0);
    return (uint8_t)((x * 256 + 242) / 243);
}

HL_INLINE void batch_tq1_0(const float *x, const float *importance, size_t n_blocks, void *ret_w) {
    hl_block_tq1_0 *b = ret_w;
    uint8_t         digit[256];
    (void)importance;
    (void)n_blocks;
    b->d = digits_of_256(x, digit);
    for (int j = 0; j < 32; j++) b->qs[j] = five_digits(digit + j, 5, 32);
    for (int j = 0; j < 16; j++) b->qs[32 + j] = five_digits(digit + 160 + j, 5, 16);
    for (int j = 0; j < 4; j++) b->qh[j] = five_digits(digit + 240 + j, 4, 4);
}

/* Weights of a batch: sixteen groups of 32 or of 16. */
enum {
    BATCH_q4_0 = 512,
    BATCH_q4_1 = 512,
    BATCH_q5_0 = 512,
    BATCH_q5_1 = 512,
    BATCH_q2_k = 256,
    BATCH_q3_k = 256,
    BATCH_q4_k = 512,
    BATCH_q5_k = 512,
    BATCH_q6_k = 256,
    BATCH_iq4_nl = 512,
    BATCH_iq4_xs = 512,
    BATCH_mxfp4 = 512,
    BATCH_tq1_0 = 256,
    BATCH_tq2_0 = 256,
};

#ifndef HL_PACK_NAME
#define HL_PACK_NAME(type) hl_pack_##type##_scalar
#endif
#define HL_PACKER(type)                                                                                      \
    void HL_PACK_NAME(type)(const float *x, const float *importance, size_t n, void *ret_w) {                \
        pack_batches(x, importance, n, ret_w, BATCH_##type, HL_BLOCK_GROUPS_##type *(size_t)32,              \
                     HL_BLOCK_BYTES_##type, batch_##type);                                                   \
    }
#include "engine/pack/packers.def"
#undef HL_PACKER

#endif
