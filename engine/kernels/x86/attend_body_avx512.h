/* SPDX-License-Identifier: MIT
 *
 * attend_body_avx512.h - attention with 16 lanes; attend_avx512.c and attend_avx512vnni.c are this body with
 * the two forms of the int8 dot product.
 *
 * Registers hold 6 queries x 64 positions of scores, then 6 queries x 64 columns of o. Many queries:
 * attend_many_avx512.h.
 */
#ifndef HL_ENGINE_KERNELS_X86_ATTEND_BODY_AVX512_H
#define HL_ENGINE_KERNELS_X86_ATTEND_BODY_AVX512_H

#include "engine/kernels/attend_tile.h"
#include "engine/kernels/x86/attend_load_avx512.h"
#include "engine/kernels/x86/exp_x86.h"

/* acc + sum over 4 of k * q, k without its offset when HL_ATTEND_START is 0; else it is -128, and the sum
 * starts at -128 times the sum of q. */
HL_INLINE __m512i dot4(__m512i acc, __m512i k, __m512i q);

HL_INLINE void page_scores(int type, size_t nq, const tile *t, const uint8_t *k, const uint8_t *prefetch,
                           float *s) {
    const size_t row_bytes = PAGE * element_bytes(type);
    __m512       acc[TILE][4];
    HL_UNROLL for (size_t j = 0; j < nq; j++) {
        HL_UNROLL for (size_t i = 0; i < 4; i++) acc[j][i] = _mm512_setzero_ps();
    }
    for (size_t c = 0; c < t->head_dim; c++) {
        __m512 x[4];
        prefetch_bytes(prefetch + c * row_bytes, row_bytes);
        HL_UNROLL for (size_t i = 0; i < 4; i++) x[i] = load_16(type, k, c * PAGE + i * 16, 0xffff);
        HL_UNROLL for (size_t j = 0; j < nq; j++) {
            __m512 q = _mm512_set1_ps(t->q[j][c]);
            HL_UNROLL for (size_t i = 0; i < 4; i++) acc[j][i] = _mm512_fmadd_ps(q, x[i], acc[j][i]);
        }
    }
    HL_UNROLL for (size_t j = 0; j < nq; j++) {
        HL_UNROLL for (size_t i = 0; i < 4; i++) _mm512_storeu_ps(s + j * SPLIT + i * 16, acc[j][i]);
    }
}

/* Scores of one page of q8_0, for the columns of one group, added to s. */
HL_INLINE void group_scores_q8_0(size_t nq, const tile *t, size_t g, const uint8_t *k,
                                 const uint8_t *prefetch, float *s) {
    size_t          n4 = t->head_dim - g * 32 < 32 ? (t->head_dim - g * 32) / 4 : 8;
    lanes_i32       sum[TILE][4];
    const uint16_t *d = (const uint16_t *)(const void *)(k + t->head_dim * PAGE) + g * PAGE;
    prefetch_bytes(prefetch + t->head_dim * PAGE + g * PAGE * 2, PAGE * 2);
    HL_UNROLL for (size_t j = 0; j < nq; j++) {
        HL_UNROLL for (size_t i = 0; i < 4; i++) sum[j][i] = (lanes_i32)_mm512_set1_epi32(t->start[j][g]);
    }
    for (size_t c = g * 8; c < g * 8 + n4; c++) {
        __m512i x[4];
        prefetch_bytes(prefetch + c * PAGE * 4, PAGE * 4);
        HL_UNROLL for (size_t i = 0; i < 4; i++) x[i] = _mm512_loadu_si512(k + (c * PAGE + i * 16) * 4);
        HL_UNROLL for (size_t j = 0; j < nq; j++) {
            int32_t four;
            memcpy(&four, &t->codes[j][c * 4], 4);
            __m512i q = _mm512_set1_epi32(four);
            HL_UNROLL for (size_t i = 0; i < 4; i++) sum[j][i] = (lanes_i32)dot4((__m512i)sum[j][i], x[i], q);
        }
    }
    HL_UNROLL for (size_t i = 0; i < 4; i++) {
        __m512 k_d = load_16(HL_KV_CACHE_F16, d, i * 16, 0xffff);
        HL_UNROLL for (size_t j = 0; j < nq; j++) {
            float *at = s + j * SPLIT + i * 16;
            __m512 x = _mm512_mul_ps(_mm512_cvtepi32_ps((__m512i)sum[j][i]), k_d);
            _mm512_storeu_ps(at, _mm512_fmadd_ps(x, _mm512_set1_ps(t->d[j][g]), _mm512_loadu_ps(at)));
        }
    }
}

HL_INLINE void page_scores_q8_0(size_t nq, const tile *t, const uint8_t *k, const uint8_t *prefetch,
                                float *s) {
    for (size_t j = 0; j < nq; j++)
        for (size_t i = 0; i < 4; i++) _mm512_storeu_ps(s + j * SPLIT + i * 16, _mm512_setzero_ps());
    for (size_t g = 0; g < hl_kv_n_groups(t->head_dim); g++) group_scores_q8_0(nq, t, g, k, prefetch, s);
}

/* Add positions [begin, end), all of one page, to nd vectors of columns of o from c0 on; the mask is that of
 * the last vector. Adding 0 at the end makes -0 into 0. */
HL_INLINE void columns(int type, size_t nq, size_t nd, const tile *t, size_t begin, size_t end, size_t c0,
                       __mmask16 mask, float *o) {
    const uint8_t *v = t->values[begin / PAGE], *prefetch = t->v_prefetch[begin / PAGE];
    const float   *v_scale = t->v_scale + begin / PAGE * PAGE * hl_kv_n_groups(t->head_dim);
    __m512         acc[TILE][4];
    HL_UNROLL for (size_t j = 0; j < nq; j++) {
        HL_UNROLL for (size_t i = 0; i < nd; i++) acc[j][i] =
            _mm512_maskz_loadu_ps(i + 1 < nd ? 0xffff : mask, o + j * t->head_dim + c0 + i * 16);
    }
    for (; begin < end; begin++) {
        __m512 x[4];
        prefetch_bytes(prefetch + (begin % PAGE * t->head_dim + c0) * element_bytes(type),
                       nd * 16 * element_bytes(type));
        HL_UNROLL for (size_t i = 0; i < nd; i++) x[i] =
            load_value(type, t->head_dim, v_scale, v, begin % PAGE, c0 + i * 16, i + 1 < nd ? 0xffff : mask);
        HL_UNROLL for (size_t j = 0; j < nq; j++) {
            __m512 p = _mm512_set1_ps(t->s[j * SPLIT + begin]);
            HL_UNROLL for (size_t i = 0; i < nd; i++) acc[j][i] = _mm512_fmadd_ps(p, x[i], acc[j][i]);
        }
    }
    HL_UNROLL for (size_t j = 0; j < nq; j++) {
        HL_UNROLL for (size_t i = 0; i < nd; i++)
            _mm512_mask_storeu_ps(o + j * t->head_dim + c0 + i * 16, i + 1 < nd ? 0xffff : mask,
                                  _mm512_add_ps(acc[j][i], _mm512_setzero_ps()));
    }
}

/* Scores and values of a tile with a constant type and number of queries. */
HL_INLINE void tile_scores(int type, size_t nq, const tile *t) {
    for (size_t page = t->tile_lo / PAGE; page * PAGE < t->tile_hi; page++) {
        if (type == HL_KV_CACHE_Q8_0)
            page_scores_q8_0(nq, t, t->pages[page], t->k_prefetch[page], t->s + page * PAGE);
        else
            page_scores(type, nq, t, t->pages[page], t->k_prefetch[page], t->s + page * PAGE);
    }
}

HL_INLINE void tile_values(int type, size_t nq, const tile *t, float *o) {
    for (size_t begin = t->tile_lo, end; begin < t->tile_hi; begin = end) {
        size_t c = 0;
        end = (begin / PAGE + 1) * PAGE < t->tile_hi ? (begin / PAGE + 1) * PAGE : t->tile_hi;
        for (; c + 64 <= t->head_dim; c += 64) columns(type, nq, 4, t, begin, end, c, 0xffff, o);
        for (; c + 32 <= t->head_dim; c += 32) columns(type, nq, 2, t, begin, end, c, 0xffff, o);
        for (; c < t->head_dim; c += 16)
            columns(type, nq, 1, t, begin, end, c, t->head_dim - c < 16 ? 0xff : 0xffff, o);
    }
}

/* Query j of the tile as int8 (quantize_query of attend_scalar.c). */
static inline void quantize_query(tile *t, size_t j) {
    const __m512 max = _mm512_set1_ps(HL_F32_MAX), min = _mm512_set1_ps(-HL_F32_MAX);
    for (size_t c = 0, g = 0; c < t->head_dim; c += 32, g++) {
        __mmask32 mask = t->head_dim - c < 32 ? (1u << (t->head_dim - c)) - 1 : 0xffffffffu;
        __m512    a = _mm512_maskz_loadu_ps((__mmask16)mask, t->q[j] + c);
        __m512    b = _mm512_maskz_loadu_ps((__mmask16)(mask >> 16), t->q[j] + c + 16);
        a = _mm512_max_ps(_mm512_min_ps(a, max), min);
        b = _mm512_max_ps(_mm512_min_ps(b, max), min);
        float   amax = max_lanes_16(_mm512_max_ps(_mm512_abs_ps(a), _mm512_abs_ps(b)));
        __m512  inv = _mm512_set1_ps(amax < 1e-30f ? 0.0f : 127.0f / amax);
        __m512i ia = _mm512_cvtps_epi32(_mm512_mul_ps(a, inv)),
                ib = _mm512_cvtps_epi32(_mm512_mul_ps(b, inv));
        t->d[j][g] = amax < 1e-30f ? 0.0f : amax / 127.0f;
        t->start[j][g] = HL_ATTEND_START * _mm512_reduce_add_epi32(_mm512_add_epi32(ia, ib));
        _mm_store_si128((__m128i *)(void *)&t->codes[j][c], _mm512_cvtepi32_epi8(ia));
        _mm_store_si128((__m128i *)(void *)&t->codes[j][c + 16], _mm512_cvtepi32_epi8(ib));
    }
}

/* Scale the scores [from, to), multiples of 16, of a row that sees [lo, hi), -INFINITY elsewhere; returns the
 * largest. */
static inline float scale_row(const hl_attend_in *in, size_t lo, size_t hi, size_t from, size_t to,
                              float *s) {
    const __m512 none = _mm512_set1_ps(-INFINITY), scale = _mm512_set1_ps(in->qk_scale);
    const __m512 cap = _mm512_set1_ps(in->softcap), inv_cap = _mm512_set1_ps(1.0f / in->softcap);
    __m512       max = none;
    if (in->softcap == 0.0f && lo <= from && hi >= to) {
        for (size_t i = from; i < to; i += 16) {
            const __m512 x = _mm512_mul_ps(_mm512_loadu_ps(s + i), scale);
            _mm512_storeu_ps(s + i, x);
            max = _mm512_max_ps(x, max);
        }
        return max_lanes_16(max);
    }
    for (size_t i = from; i < to; i += 16) {
        uint32_t below = lo <= i ? 0 : lo >= i + 16 ? 0xffff : (1u << (lo - i)) - 1;
        uint32_t up_to = hi <= i ? 0 : hi >= i + 16 ? 0xffff : (1u << (hi - i)) - 1;
        __m512   x = _mm512_mul_ps(_mm512_loadu_ps(s + i), scale);
        if (in->softcap != 0.0f) x = _mm512_mul_ps(cap, tanh_16(_mm512_mul_ps(x, inv_cap)));
        x = _mm512_mask_mov_ps(none, (__mmask16)(up_to & ~below), x);
        max = _mm512_max_ps(x, max);
        _mm512_storeu_ps(s + i, x);
    }
    return max_lanes_16(max);
}

/* Scores become p = exp(s - max); returns their sum. */
static inline float exp_row(size_t from, size_t to, float max, float *s) {
    if (max == -INFINITY) {
        memset(s, 0, SPLIT * sizeof *s);
        return 0.0f;
    }
    const __m512 max_16 = _mm512_set1_ps(max);
    __m512       sum = _mm512_setzero_ps();
    for (size_t i = from; i < to; i += 16) {
        const __m512 p = exp_negative_16(_mm512_sub_ps(_mm512_loadu_ps(s + i), max_16));
        sum = _mm512_add_ps(sum, p);
        _mm512_storeu_ps(s + i, p);
    }
    return sum_lanes_16(sum);
}

static inline void softmax_row(const hl_attend_in *in, const tile *t, size_t j, float *ret_max,
                               float *ret_sum) {
    const size_t from = t->tile_lo / 16 * 16, to = (t->tile_hi + 15) / 16 * 16;
    float       *s = t->s + j * SPLIT;
    *ret_max = scale_row(in, t->lo[j], t->hi[j], from, to, s);
    *ret_sum = exp_row(from, to, *ret_max, s);
}

/* Value scales of all pages as f32. */
static inline void convert_v_scales(const hl_attend_in *in, float *ret_scale) {
    size_t n = PAGE * hl_kv_n_groups(in->head_dim);
    for (size_t page = 0; page * PAGE < (size_t)(in->pos_end - in->pos_begin); page++) {
        const uint8_t *d = hl_attend_values(in, page) + PAGE * in->head_dim;
        for (size_t i = 0; i < n; i += 16)
            _mm512_storeu_ps(ret_scale + page * n + i, load_16(HL_KV_CACHE_F16, d, i, 0xffff));
    }
}

#include "engine/kernels/x86/attend_many_avx512.h"

#endif
