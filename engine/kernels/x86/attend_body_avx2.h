/* SPDX-License-Identifier: MIT
 *
 * attend_body_avx2.h - attention with 8 lanes; attend_avx2.c and attend_avxvnni.c are this body with the two
 * forms of the int8 dot product.
 *
 * 16 registers hold 6 queries x 16 positions or columns, or fewer queries and longer strips, so that a lone
 * query reads whole rows of a page.
 */
#ifndef HL_ENGINE_KERNELS_X86_ATTEND_BODY_AVX2_H
#define HL_ENGINE_KERNELS_X86_ATTEND_BODY_AVX2_H

#include "engine/kernels/attend_tile.h"
#include "engine/kernels/x86/exp_x86.h"

/* The product of four columns of 8 keys (codes + 128) with those of query j, in HL_ATTEND_PARTS steps: acc
 * joined by each part of k and q. c counts fours. The sum starts at HL_ATTEND_START times the sum of q. */
HL_INLINE __m256i key_part(__m256i k, size_t part);
HL_INLINE __m256i query_part(const tile *t, size_t j, size_t c, size_t part);
HL_INLINE __m256i dot_part(__m256i acc, __m256i k, __m256i q);

/* Vectors in a strip. */
HL_INLINE size_t strip(size_t nq) { return nq == 1 ? 8 : nq <= 3 ? 4 : 2; }

HL_INLINE __m256 load_8(int type, const void *p, size_t i) {
    if (type == HL_KV_CACHE_F32) return _mm256_loadu_ps((const float *)p + i);
    __m128i h = _mm_loadu_si128((const __m128i *)(const void *)((const uint16_t *)p + i));
    if (type == HL_KV_CACHE_F16) return _mm256_cvtph_ps(h);
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(h), 16));
}

/* Scores of 8 * strip positions of a page, from slot `first` on. */
HL_INLINE void strip_scores(int type, size_t nq, const tile *t, const uint8_t *k, const uint8_t *prefetch,
                            size_t first, float *s) {
    const size_t n = strip(nq);
    __m256       acc[TILE][8];
    HL_UNROLL for (size_t j = 0; j < nq; j++) {
        HL_UNROLL for (size_t i = 0; i < n; i++) acc[j][i] = _mm256_setzero_ps();
    }
    for (size_t c = 0; c < t->head_dim; c++) {
        __m256 x[2], q[TILE];
        prefetch_bytes(prefetch + (c * PAGE + first) * element_bytes(type), n * 8 * element_bytes(type));
        if (nq <= 3) { /* few queries stay in registers, else the strip does */
            HL_UNROLL for (size_t j = 0; j < nq; j++) q[j] = _mm256_set1_ps(t->q[j][c]);
            HL_UNROLL for (size_t i = 0; i < n; i++) {
                x[0] = load_8(type, k, c * PAGE + first + i * 8);
                HL_UNROLL for (size_t j = 0; j < nq; j++) acc[j][i] = _mm256_fmadd_ps(q[j], x[0], acc[j][i]);
            }
        } else {
            HL_UNROLL for (size_t i = 0; i < n; i++) x[i] = load_8(type, k, c * PAGE + first + i * 8);
            HL_UNROLL for (size_t j = 0; j < nq; j++) {
                q[0] = _mm256_set1_ps(t->q[j][c]);
                HL_UNROLL for (size_t i = 0; i < n; i++) acc[j][i] = _mm256_fmadd_ps(q[0], x[i], acc[j][i]);
            }
        }
    }
    HL_UNROLL for (size_t j = 0; j < nq; j++) {
        HL_UNROLL for (size_t i = 0; i < n; i++) _mm256_storeu_ps(s + j * SPLIT + first + i * 8, acc[j][i]);
    }
}

HL_INLINE __m256i load_codes(const uint8_t *p) {
    return _mm256_loadu_si256((const __m256i *)(const void *)p);
}

/* Scores of 8 * strip positions of a page of q8_0, for the columns of one group, added to s. */
HL_INLINE void strip_scores_q8_0(size_t nq, const tile *t, size_t g, const uint8_t *k,
                                 const uint8_t *prefetch, size_t first, float *s) {
    const size_t    n = strip(nq);
    size_t          n4 = t->head_dim - g * 32 < 32 ? (t->head_dim - g * 32) / 4 : 8;
    const uint16_t *d = (const uint16_t *)(const void *)(k + t->head_dim * PAGE) + g * PAGE;
    __m256i         sum[TILE][8];
    prefetch_bytes(prefetch + t->head_dim * PAGE + (g * PAGE + first) * 2, n * 8 * 2);
    HL_UNROLL for (size_t j = 0; j < nq; j++) {
        HL_UNROLL for (size_t i = 0; i < n; i++) sum[j][i] = _mm256_set1_epi32(t->start[j][g]);
    }
    for (size_t c = g * 8; c < g * 8 + n4; c++) {
        const uint8_t *at = k + (c * PAGE + first) * 4;
        prefetch_bytes(prefetch + (c * PAGE + first) * 4, n * 8 * 4);
        HL_UNROLL for (size_t part = 0; part < HL_ATTEND_PARTS; part++) {
            __m256i x[2], q[TILE];
            if (nq <= 3) { /* as in strip_scores */
                HL_UNROLL for (size_t j = 0; j < nq; j++) q[j] = query_part(t, j, c, part);
                HL_UNROLL for (size_t i = 0; i < n; i++) {
                    x[0] = key_part(load_codes(at + i * 32), part);
                    HL_UNROLL for (size_t j = 0; j < nq; j++) sum[j][i] = dot_part(sum[j][i], x[0], q[j]);
                }
                continue;
            }
            HL_UNROLL for (size_t i = 0; i < n; i++) x[i] = key_part(load_codes(at + i * 32), part);
            HL_UNROLL for (size_t j = 0; j < nq; j++) {
                q[0] = query_part(t, j, c, part);
                HL_UNROLL for (size_t i = 0; i < n; i++) sum[j][i] = dot_part(sum[j][i], x[i], q[0]);
            }
        }
    }
    HL_UNROLL for (size_t i = 0; i < n; i++) {
        __m256 k_d = load_8(HL_KV_CACHE_F16, d, first + i * 8);
        HL_UNROLL for (size_t j = 0; j < nq; j++) {
            float *at = s + j * SPLIT + first + i * 8;
            __m256 x = _mm256_mul_ps(_mm256_cvtepi32_ps(sum[j][i]), k_d);
            _mm256_storeu_ps(at, _mm256_fmadd_ps(x, _mm256_set1_ps(t->d[j][g]), _mm256_loadu_ps(at)));
        }
    }
}

/* 8 columns of one position's values. */
HL_INLINE __m256 load_value(int type, const tile *t, const uint8_t *v, size_t pos, size_t c) {
    size_t at = pos % PAGE * t->head_dim + c;
    if (type != HL_KV_CACHE_Q8_0) return load_8(type, v, at);
    __m128i b = _mm_loadl_epi64((const __m128i *)(const void *)(v + at));
    __m256  x = _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(b));
    return _mm256_mul_ps(x, _mm256_set1_ps(t->v_scale[pos * hl_kv_n_groups(t->head_dim) + c / 32]));
}

/* Add positions [begin, end), all of one page, to n vectors of columns of o from c0 on. Adding 0 at the end
 * makes -0 into 0. */
HL_INLINE void columns(int type, size_t nq, size_t n, const tile *t, size_t begin, size_t end, size_t c0,
                       float *o) {
    const uint8_t *v = t->values[begin / PAGE], *prefetch = t->v_prefetch[begin / PAGE];
    __m256         acc[TILE][8];
    HL_UNROLL for (size_t j = 0; j < nq; j++) {
        HL_UNROLL for (size_t i = 0; i < n; i++) acc[j][i] =
            _mm256_loadu_ps(o + j * t->head_dim + c0 + i * 8);
    }
    for (; begin < end; begin++) {
        __m256 x[2], p[TILE];
        prefetch_bytes(prefetch + (begin % PAGE * t->head_dim + c0) * element_bytes(type),
                       n * 8 * element_bytes(type));
        if (nq <= 3) {
            HL_UNROLL for (size_t j = 0; j < nq; j++) p[j] = _mm256_set1_ps(t->s[j * SPLIT + begin]);
            HL_UNROLL for (size_t i = 0; i < n; i++) {
                x[0] = load_value(type, t, v, begin, c0 + i * 8);
                HL_UNROLL for (size_t j = 0; j < nq; j++) acc[j][i] = _mm256_fmadd_ps(p[j], x[0], acc[j][i]);
            }
        } else {
            HL_UNROLL for (size_t i = 0; i < n; i++) x[i] = load_value(type, t, v, begin, c0 + i * 8);
            HL_UNROLL for (size_t j = 0; j < nq; j++) {
                p[0] = _mm256_set1_ps(t->s[j * SPLIT + begin]);
                HL_UNROLL for (size_t i = 0; i < n; i++) acc[j][i] = _mm256_fmadd_ps(p[0], x[i], acc[j][i]);
            }
        }
    }
    HL_UNROLL for (size_t j = 0; j < nq; j++) {
        HL_UNROLL for (size_t i = 0; i < n; i++)
            _mm256_storeu_ps(o + j * t->head_dim + c0 + i * 8, _mm256_add_ps(acc[j][i], _mm256_setzero_ps()));
    }
}

HL_INLINE void tile_scores(int type, size_t nq, const tile *t) {
    for (size_t page = t->tile_lo / PAGE; page * PAGE < t->tile_hi; page++) {
        const uint8_t *k = t->pages[page], *prefetch = t->k_prefetch[page];
        const size_t   width = strip(nq) * 8, lo = page * PAGE;
        const size_t   begin = t->tile_lo > lo ? (t->tile_lo - lo) / width * width : 0;
        const size_t   end = t->tile_hi < lo + PAGE ? t->tile_hi - lo : PAGE;
        float         *s = t->s + lo;
        if (type == HL_KV_CACHE_Q8_0)
            for (size_t j = 0; j < nq; j++) memset(s + j * SPLIT, 0, PAGE * sizeof *s);
        for (size_t first = begin; first < end; first += width) {
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
        for (; c + n * 8 <= t->head_dim; c += n * 8) columns(type, nq, n, t, begin, end, c, o);
        for (; c < t->head_dim; c += 8) columns(type, nq, 1, t, begin, end, c, o);
    }
}

static inline void quantize_query(tile *t, size_t j) {
    const __m256 max = _mm256_set1_ps(HL_F32_MAX), min = _mm256_set1_ps(-HL_F32_MAX);
    for (size_t c0 = 0, g = 0; c0 < t->head_dim; c0 += 32, g++) {
        size_t n = t->head_dim - c0 < 32 ? t->head_dim - c0 : 32;
        __m256 x[4], amax8 = _mm256_setzero_ps();
        for (size_t i = 0; i < n / 8; i++) {
            x[i] = _mm256_max_ps(_mm256_min_ps(_mm256_loadu_ps(t->q[j] + c0 + i * 8), max), min);
            amax8 = _mm256_max_ps(amax8, _mm256_andnot_ps(_mm256_set1_ps(-0.0f), x[i]));
        }
        float   amax = max_lanes_8(amax8);
        __m256  inv = _mm256_set1_ps(amax < 1e-30f ? 0.0f : 127.0f / amax);
        __m128i sum = _mm_setzero_si128();
        for (size_t i = 0; i < n / 8; i++) {
            __m256i q = _mm256_cvtps_epi32(_mm256_mul_ps(x[i], inv));
            __m128i w = _mm_packs_epi32(_mm256_castsi256_si128(q), _mm256_extracti128_si256(q, 1));
            sum = _mm_add_epi32(sum, _mm_madd_epi16(w, _mm_set1_epi16(1)));
            _mm_storel_epi64((__m128i *)(void *)&t->codes[j][c0 + i * 8], _mm_packs_epi16(w, w));
            w = _mm_shufflehi_epi16(_mm_shufflelo_epi16(w, _MM_SHUFFLE(3, 1, 2, 0)), _MM_SHUFFLE(3, 1, 2, 0));
            _mm_storeu_si128((__m128i *)(void *)&t->pairs[j][c0 + i * 8], w);
        }
        sum = _mm_add_epi32(sum, _mm_unpackhi_epi64(sum, sum));
        sum = _mm_add_epi32(sum, _mm_shuffle_epi32(sum, 1));
        t->d[j][g] = amax < 1e-30f ? 0.0f : amax / 127.0f;
        t->start[j][g] = HL_ATTEND_START * _mm_cvtsi128_si32(sum);
    }
}

/* What softmax needs to know of a row of scores. */
typedef struct row_range {
    __m256 max, min; /* of what is visible; min -INFINITY: not looked for */
} row_range;

/* Scale the scores [from, to), all visible. */
static inline row_range scale_all(const hl_attend_in *in, size_t from, size_t to, float *s) {
    const __m256 scale = _mm256_set1_ps(in->qk_scale);
    __m256       max[2], min[2];
    for (size_t k = 0; k < 2; k++) max[k] = _mm256_set1_ps(-INFINITY), min[k] = _mm256_set1_ps(INFINITY);
    for (size_t i = from; i < to; i += 16) {
        HL_UNROLL for (size_t k = 0; k < 2; k++) {
            __m256 x = _mm256_mul_ps(_mm256_loadu_ps(s + i + k * 8), scale);
            max[k] = _mm256_max_ps(x, max[k]), min[k] = _mm256_min_ps(x, min[k]);
            _mm256_storeu_ps(s + i + k * 8, x);
        }
    }
    return (row_range){_mm256_max_ps(max[1], max[0]), _mm256_min_ps(min[1], min[0])};
}

/* The same with a softcap, and -INFINITY for what query j does not see. */
static inline row_range scale_visible(const hl_attend_in *in, const tile *t, size_t j, size_t from, size_t to,
                                      float *s) {
    const __m256  none = _mm256_set1_ps(-INFINITY), scale = _mm256_set1_ps(in->qk_scale);
    const __m256  cap = _mm256_set1_ps(in->softcap), inv_cap = _mm256_set1_ps(1.0f / in->softcap);
    const __m256i before = _mm256_set1_epi32((int32_t)t->lo[j] - 1),
                  end = _mm256_set1_epi32((int32_t)t->hi[j]);
    __m256 max = none;
    for (size_t i = from; i < to; i += 8) {
        __m256i pos =
            _mm256_add_epi32(_mm256_set1_epi32((int32_t)i), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
        __m256i visible = _mm256_and_si256(_mm256_cmpgt_epi32(pos, before), _mm256_cmpgt_epi32(end, pos));
        __m256  x = _mm256_mul_ps(_mm256_loadu_ps(s + i), scale);
        if (in->softcap != 0.0f) x = _mm256_mul_ps(cap, tanh_8(_mm256_mul_ps(x, inv_cap)));
        x = _mm256_blendv_ps(none, x, _mm256_castsi256_ps(visible));
        max = _mm256_max_ps(x, max);
        _mm256_storeu_ps(s + i, x);
    }
    return (row_range){max, none};
}

/* Scores become exp(s - max); returns their sum. is_normal: s - max >= HL_EXP_NORMAL or NaN everywhere. */
HL_INLINE float exp_row(bool is_normal, size_t from, size_t to, float max, float *s) {
    const __m256 max8 = _mm256_set1_ps(max);
    __m256       sum[2] = {_mm256_setzero_ps(), _mm256_setzero_ps()};
    for (size_t i = from; i < to; i += 16) {
        HL_UNROLL for (size_t k = 0; k < 2; k++) {
            __m256 x = _mm256_sub_ps(_mm256_loadu_ps(s + i + k * 8), max8);
            __m256 p = is_normal ? exp_normal_8(x) : exp_8(x);
            sum[k] = _mm256_add_ps(sum[k], p);
            _mm256_storeu_ps(s + i + k * 8, p);
        }
    }
    return sum_lanes_8(sum[0], sum[1]);
}

static inline void softmax_row(const hl_attend_in *in, const tile *t, size_t j, float *ret_max,
                               float *ret_sum) {
    float          *s = t->s + j * SPLIT;
    const size_t    from = t->tile_lo / 16 * 16, to = (t->tile_hi + 15) / 16 * 16;
    const bool      sees_all = in->softcap == 0.0f && t->lo[j] <= from && t->hi[j] >= to;
    const row_range r = sees_all ? scale_all(in, from, to, s) : scale_visible(in, t, j, from, to, s);
    const float     min = -max_lanes_8(_mm256_sub_ps(_mm256_setzero_ps(), r.min));
    *ret_max = max_lanes_8(r.max);
    *ret_sum = 0.0f;
    if (*ret_max == -INFINITY)
        memset(s, 0, SPLIT * sizeof *s);
    else if (min - *ret_max >= HL_EXP_NORMAL)
        *ret_sum = exp_row(true, from, to, *ret_max, s);
    else
        *ret_sum = exp_row(false, from, to, *ret_max, s);
}

static inline void convert_v_scales(const hl_attend_in *in, float *ret_scale) {
    size_t n = PAGE * hl_kv_n_groups(in->head_dim);
    for (size_t page = 0; page * PAGE < (size_t)(in->pos_end - in->pos_begin); page++) {
        const uint8_t *d = hl_attend_values(in, page) + PAGE * in->head_dim;
        for (size_t i = 0; i < n; i += 8)
            _mm256_storeu_ps(ret_scale + page * n + i, load_8(HL_KV_CACHE_F16, d, i));
    }
}

#endif
