/* SPDX-License-Identifier: MIT
 *
 * attend_body_neon.h - attention with 4 lanes; attend_neon.c and attend_dotprod.c are this body with the two
 * forms of the int8 dot product.
 *
 * Registers hold 6 queries x 16 positions or columns, or 2 queries x 32. Codes of keys lose their offset
 * when they are loaded, so start[] is not used.
 */
#ifndef HL_ENGINE_KERNELS_ARM_ATTEND_BODY_NEON_H
#define HL_ENGINE_KERNELS_ARM_ATTEND_BODY_NEON_H

#include "engine/kernels/arm/vec_arm.h"
#include "engine/kernels/attend_tile.h"

/* acc + sum over 4 of k * q */
HL_INLINE int32x4_t dot4(int32x4_t acc, int8x16_t k, int8x16_t q);

/* Vectors in a strip. */
HL_INLINE size_t strip(size_t nq) { return nq <= 2 ? 8 : 4; }

HL_INLINE float32x4_t load_4(int type, const void *p, size_t i) {
    if (type == HL_KV_CACHE_F32) return vld1q_f32((const float *)p + i);
    uint16x4_t h = vld1_u16((const uint16_t *)p + i);
    if (type == HL_KV_CACHE_F16) return vcvt_f32_f16(vreinterpret_f16_u16(h));
    return vreinterpretq_f32_u32(vshll_n_u16(h, 16));
}

/* Scores of 4 * strip positions of a page, from slot `first` on. */
HL_INLINE void strip_scores(int type, size_t nq, const tile *t, const uint8_t *k, const uint8_t *prefetch,
                            size_t first, float *s) {
    const size_t n = strip(nq);
    float32x4_t  acc[TILE][8];
    HL_UNROLL for (size_t j = 0; j < nq; j++) {
        HL_UNROLL for (size_t i = 0; i < n; i++) acc[j][i] = vdupq_n_f32(0);
    }
    for (size_t c = 0; c < t->head_dim; c++) {
        float32x4_t x[8];
        prefetch_bytes(prefetch + (c * PAGE + first) * element_bytes(type), n * 4 * element_bytes(type));
        HL_UNROLL for (size_t i = 0; i < n; i++) x[i] = load_4(type, k, c * PAGE + first + i * 4);
        HL_UNROLL for (size_t j = 0; j < nq; j++) {
            float32x4_t q = vdupq_n_f32(t->q[j][c]);
            HL_UNROLL for (size_t i = 0; i < n; i++) acc[j][i] = vfmaq_f32(acc[j][i], q, x[i]);
        }
    }
    HL_UNROLL for (size_t j = 0; j < nq; j++) {
        HL_UNROLL for (size_t i = 0; i < n; i++) vst1q_f32(s + j * SPLIT + first + i * 4, acc[j][i]);
    }
}

/* Scores of 4 * strip positions of a page of q8_0, for the columns of one group, added to s. */
HL_INLINE void strip_scores_q8_0(size_t nq, const tile *t, size_t g, const uint8_t *k,
                                 const uint8_t *prefetch, size_t first, float *s) {
    const size_t    n = strip(nq);
    size_t          n4 = t->head_dim - g * 32 < 32 ? (t->head_dim - g * 32) / 4 : 8;
    const uint16_t *d = (const uint16_t *)(const void *)(k + t->head_dim * PAGE) + g * PAGE;
    int32x4_t       sum[TILE][8];
    prefetch_bytes(prefetch + t->head_dim * PAGE + (g * PAGE + first) * 2, n * 4 * 2);
    HL_UNROLL for (size_t j = 0; j < nq; j++) {
        HL_UNROLL for (size_t i = 0; i < n; i++) sum[j][i] = vdupq_n_s32(0);
    }
    for (size_t c = g * 8; c < g * 8 + n4; c++) {
        int8x16_t q[TILE];
        prefetch_bytes(prefetch + (c * PAGE + first) * 4, n * 4 * 4);
        HL_UNROLL for (size_t j = 0; j < nq; j++) {
            int32_t four;
            memcpy(&four, &t->codes[j][c * 4], 4);
            q[j] = vreinterpretq_s8_s32(vdupq_n_s32(four));
        }
        HL_UNROLL for (size_t i = 0; i < n; i++) {
            uint8x16_t x = veorq_u8(vld1q_u8(k + (c * PAGE + first + i * 4) * 4), vdupq_n_u8(0x80));
            HL_UNROLL for (size_t j = 0; j < nq; j++) sum[j][i] =
                dot4(sum[j][i], vreinterpretq_s8_u8(x), q[j]);
        }
    }
    HL_UNROLL for (size_t i = 0; i < n; i++) {
        float32x4_t k_d = load_4(HL_KV_CACHE_F16, d, first + i * 4);
        HL_UNROLL for (size_t j = 0; j < nq; j++) {
            float      *at = s + j * SPLIT + first + i * 4;
            float32x4_t x = vmulq_f32(vcvtq_f32_s32(sum[j][i]), k_d);
            vst1q_f32(at, vfmaq_f32(vld1q_f32(at), x, vdupq_n_f32(t->d[j][g])));
        }
    }
}

/* 4 columns of one position's values. */
HL_INLINE float32x4_t load_value(int type, const tile *t, const uint8_t *v, size_t pos, size_t c) {
    size_t at = pos % PAGE * t->head_dim + c;
    if (type != HL_KV_CACHE_Q8_0) return load_4(type, v, at);
    uint32_t four;
    memcpy(&four, v + at, 4);
    int8x8_t    b = vcreate_s8(four);
    float32x4_t x = vcvtq_f32_s32(vmovl_s16(vget_low_s16(vmovl_s8(b))));
    return vmulq_n_f32(x, t->v_scale[pos * hl_kv_n_groups(t->head_dim) + c / 32]);
}

/* Add positions [begin, end), all of one page, to n vectors of columns of o from c0 on. Adding 0 at the end
 * makes -0 into 0. */
HL_INLINE void columns(int type, size_t nq, size_t n, const tile *t, size_t begin, size_t end, size_t c0,
                       float *o) {
    const uint8_t *v = t->values[begin / PAGE], *prefetch = t->v_prefetch[begin / PAGE];
    float32x4_t    acc[TILE][8];
    HL_UNROLL for (size_t j = 0; j < nq; j++) {
        HL_UNROLL for (size_t i = 0; i < n; i++) acc[j][i] = vld1q_f32(o + j * t->head_dim + c0 + i * 4);
    }
    for (; begin < end; begin++) {
        float32x4_t x[8];
        prefetch_bytes(prefetch + (begin % PAGE * t->head_dim + c0) * element_bytes(type),
                       n * 4 * element_bytes(type));
        HL_UNROLL for (size_t i = 0; i < n; i++) x[i] = load_value(type, t, v, begin, c0 + i * 4);
        HL_UNROLL for (size_t j = 0; j < nq; j++) {
            float32x4_t p = vdupq_n_f32(t->s[j * SPLIT + begin]);
            HL_UNROLL for (size_t i = 0; i < n; i++) acc[j][i] = vfmaq_f32(acc[j][i], p, x[i]);
        }
    }
    HL_UNROLL for (size_t j = 0; j < nq; j++) {
        HL_UNROLL for (size_t i = 0; i < n; i++)
            vst1q_f32(o + j * t->head_dim + c0 + i * 4, vaddq_f32(acc[j][i], vdupq_n_f32(0)));
    }
}

HL_INLINE void tile_scores(int type, size_t nq, const tile *t) {
    for (size_t page = t->tile_lo / PAGE; page * PAGE < t->tile_hi; page++) {
        const uint8_t *k = t->pages[page], *prefetch = t->k_prefetch[page];
        float         *s = t->s + page * PAGE;
        if (type == HL_KV_CACHE_Q8_0)
            for (size_t j = 0; j < nq; j++) memset(s + j * SPLIT, 0, PAGE * sizeof *s);
        for (size_t first = 0; first < PAGE; first += strip(nq) * 4) {
            if (type != HL_KV_CACHE_Q8_0) {
                strip_scores(type, nq, t, k, prefetch, first, s);
                continue;
            }
            for (size_t g = 0; g < hl_kv_n_groups(t->head_dim); g++)
                strip_scores_q8_0(nq, t, g, k, prefetch, first, s);
        }
    }
}

HL_INLINE void tile_values(int type, size_t nq, const tile *t, float *o) {
    const size_t n = strip(nq);
    for (size_t begin = t->tile_lo, end; begin < t->tile_hi; begin = end) {
        size_t c = 0;
        end = (begin / PAGE + 1) * PAGE < t->tile_hi ? (begin / PAGE + 1) * PAGE : t->tile_hi;
        for (; c + n * 4 <= t->head_dim; c += n * 4) columns(type, nq, n, t, begin, end, c, o);
        for (; c < t->head_dim; c += 8) columns(type, nq, 2, t, begin, end, c, o);
    }
}

static inline void quantize_query(tile *t, size_t j) {
    for (size_t c0 = 0, g = 0; c0 < t->head_dim; c0 += 32, g++) {
        size_t      n = t->head_dim - c0 < 32 ? t->head_dim - c0 : 32;
        float32x4_t x[8], max = vdupq_n_f32(0);
        for (size_t i = 0; i < n / 4; i++) {
            x[i] =
                vminnmq_f32(vld1q_f32(t->q[j] + c0 + i * 4), vdupq_n_f32(HL_F32_MAX)); /* NaN: the largest */
            x[i] = vmaxq_f32(x[i], vdupq_n_f32(-HL_F32_MAX));
            max = vmaxq_f32(max, vabsq_f32(x[i]));
        }
        float amax = vmaxvq_f32(max), inv = amax < 1e-30f ? 0.0f : 127.0f / amax;
        t->d[j][g] = amax < 1e-30f ? 0.0f : amax / 127.0f;
        for (size_t i = 0; i < n / 8; i++) {
            int16x4_t a = vmovn_s32(vcvtnq_s32_f32(vmulq_n_f32(x[i * 2], inv)));
            int16x4_t b = vmovn_s32(vcvtnq_s32_f32(vmulq_n_f32(x[i * 2 + 1], inv)));
            vst1_s8(&t->codes[j][c0 + i * 8], vmovn_s16(vcombine_s16(a, b)));
        }
    }
}

static inline void softmax_row(const hl_attend_in *in, const tile *t, size_t j, float *ret_max,
                               float *ret_sum) {
    static const int32_t index[4] = {0, 1, 2, 3};
    float               *s = t->s + j * SPLIT;
    const float32x4_t    none = vdupq_n_f32(-INFINITY), zero = vdupq_n_f32(0);
    const float          inv_cap = 1.0f / in->softcap;
    const int32x4_t      lo = vdupq_n_s32((int32_t)t->lo[j]), hi = vdupq_n_s32((int32_t)t->hi[j]);
    size_t               from = t->tile_lo / 16 * 16, to = (t->tile_hi + 15) / 16 * 16;
    float32x4_t          max = none, lanes[4] = {zero, zero, zero, zero};
    for (size_t i = from; i < to; i += 4) {
        int32x4_t   pos = vaddq_s32(vdupq_n_s32((int32_t)i), vld1q_s32(index));
        uint32x4_t  visible = vandq_u32(vcgeq_s32(pos, lo), vcltq_s32(pos, hi));
        float32x4_t x = vmulq_n_f32(vld1q_f32(s + i), in->qk_scale);
        if (in->softcap != 0.0f) x = vmulq_n_f32(tanh_4(vmulq_n_f32(x, inv_cap)), in->softcap);
        x = vbslq_f32(visible, x, none);
        max = vmaxnmq_f32(max, x);
        vst1q_f32(s + i, x);
    }
    *ret_max = vmaxnmvq_f32(max);
    *ret_sum = 0.0f;
    if (*ret_max == -INFINITY) {
        memset(s, 0, SPLIT * sizeof *s);
        return;
    }
    max = vdupq_n_f32(*ret_max);
    for (size_t i = from; i < to; i += 4) {
        float32x4_t p = exp_4(vsubq_f32(vld1q_f32(s + i), max));
        lanes[i / 4 % 4] = vaddq_f32(lanes[i / 4 % 4], p);
        vst1q_f32(s + i, p);
    }
    *ret_sum = sum_lanes_4(lanes);
}

static inline void convert_v_scales(const hl_attend_in *in, float *ret_scale) {
    size_t n = PAGE * hl_kv_n_groups(in->head_dim);
    for (size_t page = 0; page * PAGE < (size_t)(in->pos_end - in->pos_begin); page++) {
        const uint8_t *d = hl_attend_values(in, page) + PAGE * in->head_dim;
        for (size_t i = 0; i < n; i += 4) vst1q_f32(ret_scale + page * n + i, load_4(HL_KV_CACHE_F16, d, i));
    }
}

#endif
