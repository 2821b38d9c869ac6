/* SPDX-License-Identifier: MIT
 *
 * attend_many_avx512.h - attention of more than a dozen query rows with 16 lanes. Order: attend_scalar.c.
 *
 * What comes from the cache is widened to f32 once for all rows, one strip at a time that stays in the
 * first-level cache while all rows go over it, in tiles of up to 12: keys in strips of 32 positions (those
 * of q8_0 stay int8), then, when the whole split has its exponentials, values in strips of 128 positions and
 * 32 columns. Registers hold sums of 12 queries x 2 vectors: 2 loads and 12 broadcasts serve 24
 * multiplications. Queries are transposed, so that the broadcasts of one column stand side by side.
 */
#ifndef HL_ENGINE_KERNELS_X86_ATTEND_MANY_AVX512_H
#define HL_ENGINE_KERNELS_X86_ATTEND_MANY_AVX512_H

#include "engine/kernels/x86/attend_load_avx512.h"

enum {
    MANY_FROM = 13,    /* rows; fewer are faster in the tiles of attend_tile.h */
    MANY = 12,         /* rows of the largest tile */
    MANY_MIN_TILE = 6, /* and of the smallest: 13 rows are 6 and 7 */
    MANY_TILES = (HL_ATTEND_MAX_QUERIES + MANY - 1) / MANY,
    K_STRIP = 32,  /* positions */
    V_STRIP = 128, /* positions */
    V_COLUMNS = 32
};

/* The strip and the value scales share the last part of HL_ATTEND_SCRATCH_BYTES. */
_Static_assert(V_STRIP *V_COLUMNS <= K_STRIP * HL_ATTEND_MAX_HEAD_DIM, "values use the strip of the keys");
_Static_assert(K_STRIP *HL_ATTEND_MAX_HEAD_DIM + SPLIT * HL_ATTEND_MAX_HEAD_DIM / 32 <=
                   64 * HL_ATTEND_MAX_HEAD_DIM,
               "strip and scales fit");

/* Positions [lo, hi) of a split; lo >= hi: none. */
typedef struct many_span {
    size_t lo, hi;
} many_span;

typedef struct many_tile {
    size_t    begin, n; /* rows */
    many_span sees;     /* what some of its rows see */
    float    *q;        /* [head_dim][n], or what transpose_codes() gives */
    float    *s;        /* [n][SPLIT] scores, then exponentials p */
} many_tile;

typedef struct many {
    const hl_attend_in *in;
    size_t              head_dim, v_offset;
    many_span           rows[HL_ATTEND_MAX_QUERIES]; /* what each row sees */
    many_span           all;                         /* what some row sees */
    many_tile           tiles[MANY_TILES];
    size_t              n_tiles;
    float              *strip;   /* [head_dim][K_STRIP], then [V_STRIP][V_COLUMNS] */
    float              *v_scale; /* [SPLIT][n_groups] of q8_0 */
} many;

static inline many_span join_spans(many_span a, many_span b) {
    if (a.lo >= a.hi) return b;
    if (b.lo >= b.hi) return a;
    return (many_span){a.lo < b.lo ? a.lo : b.lo, a.hi > b.hi ? a.hi : b.hi};
}

static inline many_span common_span(many_span a, many_span b) {
    return (many_span){a.lo > b.lo ? a.lo : b.lo, a.hi < b.hi ? a.hi : b.hi};
}

/* ---- preparation ----------------------------------------------------------------------------- */

/* ret[c][j] = q[j][c] for n <= 12 rows, four columns at a time. */
static inline void transpose_queries(const float *const *q, size_t n, size_t head_dim, float *ret) {
    const __mmask16 mask = (__mmask16)((1u << n) - 1);
    const float    *row[16];
    for (size_t j = 0; j < 16; j++) row[j] = q[j < n ? j : 0];
    for (size_t c = 0; c < head_dim; c += 4) {
        __m512 x[4]; /* lane 4 i + k of x[j]: row 4 i + j, column c + k */
        HL_UNROLL for (size_t j = 0; j < 4; j++) {
            x[j] = _mm512_castps128_ps512(_mm_loadu_ps(row[j] + c));
            x[j] = _mm512_insertf32x4(x[j], _mm_loadu_ps(row[j + 4] + c), 1);
            x[j] = _mm512_insertf32x4(x[j], _mm_loadu_ps(row[j + 8] + c), 2);
        }
        const __m512d ab_lo = _mm512_castps_pd(_mm512_unpacklo_ps(x[0], x[1]));
        const __m512d ab_hi = _mm512_castps_pd(_mm512_unpackhi_ps(x[0], x[1]));
        const __m512d cd_lo = _mm512_castps_pd(_mm512_unpacklo_ps(x[2], x[3]));
        const __m512d cd_hi = _mm512_castps_pd(_mm512_unpackhi_ps(x[2], x[3]));
        _mm512_mask_storeu_ps(ret + c * n, mask, _mm512_castpd_ps(_mm512_unpacklo_pd(ab_lo, cd_lo)));
        _mm512_mask_storeu_ps(ret + (c + 1) * n, mask, _mm512_castpd_ps(_mm512_unpackhi_pd(ab_lo, cd_lo)));
        _mm512_mask_storeu_ps(ret + (c + 2) * n, mask, _mm512_castpd_ps(_mm512_unpacklo_pd(ab_hi, cd_hi)));
        _mm512_mask_storeu_ps(ret + (c + 3) * n, mask, _mm512_castpd_ps(_mm512_unpackhi_pd(ab_hi, cd_hi)));
    }
}

/* Queries as int8 (quantize_query) in units of four codes, ret [head_dim / 4][n]; behind them, per group of
 * 32 columns, where their integer sums start, [n], and their scales, [n]. */
static inline void transpose_codes(const float *const *q, size_t n, size_t head_dim, float *ret) {
    const size_t n_groups = hl_kv_n_groups(head_dim);
    float       *group = ret + head_dim / 4 * n;
    tile         t; /* only what quantize_query reads and writes */
    t.head_dim = head_dim;
    for (size_t j = 0; j < n; j++) {
        t.q[0] = q[j];
        quantize_query(&t, 0);
        for (size_t c = 0; c < head_dim / 4; c++) memcpy(ret + c * n + j, &t.codes[0][c * 4], 4);
        for (size_t g = 0; g < n_groups; g++) {
            memcpy(group + g * 2 * n + j, &t.start[0][g], 4);
            group[(g * 2 + 1) * n + j] = t.d[0][g];
        }
    }
}

/* Rows in about equal parts, from q and s on. */
static inline void make_tiles(many *m, float *q, float *s) {
    const hl_attend_in *in = m->in;
    const bool          is_q8_0 = in->kv_type == HL_KV_CACHE_Q8_0;
    const size_t        q_floats = is_q8_0 ? m->head_dim / 4 + 2 * hl_kv_n_groups(m->head_dim) : m->head_dim;
    m->n_tiles = (in->n_queries + MANY - 1) / MANY;
    m->all = (many_span){0, 0};
    for (size_t i = 0; i < m->n_tiles; i++) {
        many_tile *t = &m->tiles[i];
        t->begin = in->n_queries * i / m->n_tiles;
        t->n = in->n_queries * (i + 1) / m->n_tiles - t->begin;
        t->q = q + t->begin * q_floats;
        t->s = s + t->begin * SPLIT;
        t->sees = (many_span){0, 0};
        for (size_t j = t->begin; j < t->begin + t->n; j++) {
            set_range(in, j, &m->rows[j].lo, &m->rows[j].hi);
            t->sees = join_spans(t->sees, m->rows[j]);
        }
        m->all = join_spans(m->all, t->sees);
        if (is_q8_0)
            transpose_codes(in->q + t->begin, t->n, m->head_dim, t->q);
        else
            transpose_queries(in->q + t->begin, t->n, m->head_dim, t->q);
    }
}

/* What a tile prefetches while it multiplies keys: p, p + step, .. once per row of keys. */
typedef struct many_prefetch {
    const uint8_t *p;
    size_t         step;
} many_prefetch;

/* Part i of n of what comes after the keys of a page: its values, then the next keys. In one burst they would
 * keep the few miss buffers busy that the queries need, which come from the second-level cache. */
static inline many_prefetch part_prefetch(const many *m, size_t page, size_t i, size_t n) {
    const size_t   n_rows = m->in->kv_type == HL_KV_CACHE_Q8_0 ? m->head_dim / 4 : m->head_dim;
    const size_t   step = 2 * m->v_offset / n / n_rows;
    const bool     is_last = (page + 1) * PAGE >= (size_t)(m->in->pos_end - m->in->pos_begin);
    const uint8_t *values = hl_attend_values(m->in, page);
    const uint8_t *keys = is_last ? m->in->next_page : m->in->pages[page + 1];
    if (2 * i < n) return (many_prefetch){values + i * step * n_rows, step};
    if (keys == NULL) return (many_prefetch){values, 0};
    return (many_prefetch){keys + (i - n / 2) * step * n_rows, step};
}

/* ---- scores ---------------------------------------------------------------------------------- */

HL_INLINE void widen_keys(int type, size_t head_dim, const uint8_t *k, size_t first, float *ret) {
    for (size_t c = 0; c < head_dim; c++) {
        HL_UNROLL for (size_t i = 0; i < K_STRIP; i += 16)
            _mm512_store_ps(ret + c * K_STRIP + i, load_16(type, k, c * PAGE + first + i, 0xffff));
    }
}

/* k [head_dim][K_STRIP]; s: the strip's scores of the first row. */
HL_INLINE void many_scores(size_t nq, size_t head_dim, const float *k, const float *q, many_prefetch prefetch,
                           float *s) {
    __m512 acc[MANY][2];
    HL_UNROLL for (size_t j = 0; j < nq; j++) {
        HL_UNROLL for (size_t i = 0; i < 2; i++) acc[j][i] = _mm512_setzero_ps();
    }
    for (size_t c = 0; c < head_dim; c++) {
        const __m512 x0 = _mm512_load_ps(k + c * K_STRIP), x1 = _mm512_load_ps(k + c * K_STRIP + 16);
        __builtin_prefetch(prefetch.p + c * prefetch.step, 0, 2);
        HL_UNROLL for (size_t j = 0; j < nq; j++) {
            const __m512 y = _mm512_set1_ps(q[c * nq + j]);
            acc[j][0] = _mm512_fmadd_ps(y, x0, acc[j][0]);
            acc[j][1] = _mm512_fmadd_ps(y, x1, acc[j][1]);
        }
    }
    HL_UNROLL for (size_t j = 0; j < nq; j++) {
        HL_UNROLL for (size_t i = 0; i < 2; i++) _mm512_storeu_ps(s + j * SPLIT + i * 16, acc[j][i]);
    }
}

/* The same of keys of q8_0: k, the strip's first of the page's codes; k_scale, of its scales. */
HL_INLINE void many_scores_q8_0(size_t nq, size_t head_dim, const uint8_t *k, const uint16_t *k_scale,
                                const float *q, many_prefetch prefetch, float *s) {
    const float *group = q + head_dim / 4 * nq; /* starts and scales */
    for (size_t c = 0; c < head_dim / 4; group += 2 * nq, k_scale += PAGE) {
        const size_t end = c + 8 < head_dim / 4 ? c + 8 : head_dim / 4;
        const bool   is_first = c == 0;
        lanes_i32    sum[MANY][2];
        HL_UNROLL for (size_t j = 0; j < nq; j++) {
            HL_UNROLL for (size_t i = 0; i < 2; i++) sum[j][i] = (lanes_i32)_mm512_set1_ps(group[j]);
        }
        for (; c < end; c++) {
            const __m512i x0 = _mm512_loadu_si512(k + c * PAGE * 4);
            const __m512i x1 = _mm512_loadu_si512(k + c * PAGE * 4 + 64);
            __builtin_prefetch(prefetch.p + c * prefetch.step, 0, 2);
            HL_UNROLL for (size_t j = 0; j < nq; j++) {
                const __m512i y = _mm512_castps_si512(_mm512_set1_ps(q[c * nq + j]));
                sum[j][0] = (lanes_i32)dot4((__m512i)sum[j][0], x0, y);
                sum[j][1] = (lanes_i32)dot4((__m512i)sum[j][1], x1, y);
            }
        }
        const __m512 d0 = load_16(HL_KV_CACHE_F16, k_scale, 0, 0xffff);
        const __m512 d1 = load_16(HL_KV_CACHE_F16, k_scale, 16, 0xffff);
        HL_UNROLL for (size_t j = 0; j < nq; j++) {
            const __m512 d = _mm512_set1_ps(group[nq + j]), zero = _mm512_setzero_ps();
            const __m512 before0 = is_first ? zero : _mm512_loadu_ps(s + j * SPLIT);
            const __m512 before1 = is_first ? zero : _mm512_loadu_ps(s + j * SPLIT + 16);
            const __m512 x0 = _mm512_mul_ps(_mm512_cvtepi32_ps((__m512i)sum[j][0]), d0);
            const __m512 x1 = _mm512_mul_ps(_mm512_cvtepi32_ps((__m512i)sum[j][1]), d1);
            _mm512_storeu_ps(s + j * SPLIT, _mm512_fmadd_ps(x0, d, before0));
            _mm512_storeu_ps(s + j * SPLIT + 16, _mm512_fmadd_ps(x1, d, before1));
        }
    }
}

/* ---- values ---------------------------------------------------------------------------------- */

/* Columns [c0, c0 + 16 nv) of n positions of a page from slot on, ret [..][V_COLUMNS]; the mask is that of
 * the last vector. v_scale: of the page's positions. */
HL_INLINE void widen_values(int type, size_t nv, size_t head_dim, const uint8_t *v, const float *v_scale,
                            size_t slot, size_t n, size_t c0, __mmask16 mask, float *ret) {
    for (size_t end = slot + n; slot < end; slot++, ret += V_COLUMNS) {
        HL_UNROLL for (size_t i = 0; i < nv; i++)
            _mm512_store_ps(ret + i * 16, load_value(type, head_dim, v_scale, v, slot, c0 + i * 16,
                                                     i + 1 < nv ? 0xffff : mask));
    }
}

/* The same of positions `span` of the split, into the strip. */
HL_INLINE void widen_value_strip(int type, const many *m, many_span span, size_t c0, size_t nv,
                                 __mmask16 mask) {
    float *ret = m->strip;
    for (size_t pos = span.lo, n; pos < span.hi; pos += n, ret += n * V_COLUMNS) {
        const size_t   page = pos / PAGE, slot = pos % PAGE;
        const uint8_t *v = hl_attend_values(m->in, page);
        const float   *v_scale = m->v_scale + page * PAGE * hl_kv_n_groups(m->head_dim);
        n = span.hi - pos < PAGE - slot ? span.hi - pos : PAGE - slot;
        if (nv == 2)
            widen_values(type, 2, m->head_dim, v, v_scale, slot, n, c0, mask, ret);
        else
            widen_values(type, 1, m->head_dim, v, v_scale, slot, n, c0, mask, ret);
    }
}

/* o += p v over n positions, for nv vectors of columns; the mask is that of the last vector. Adding 0 at the
 * end makes -0 into 0. */
HL_INLINE void many_values(size_t nq, size_t nv, size_t n, const float *p, const float *v, size_t o_stride,
                           __mmask16 mask, float *o) {
    __m512 acc[MANY][2];
    HL_UNROLL for (size_t j = 0; j < nq; j++) {
        HL_UNROLL for (size_t i = 0; i < nv; i++) acc[j][i] =
            _mm512_maskz_loadu_ps(i + 1 < nv ? 0xffff : mask, o + j * o_stride + i * 16);
    }
    for (size_t pos = 0; pos < n; pos++) {
        __m512 x[2];
        HL_UNROLL for (size_t i = 0; i < nv; i++) x[i] = _mm512_load_ps(v + pos * V_COLUMNS + i * 16);
        HL_UNROLL for (size_t j = 0; j < nq; j++) {
            const __m512 y = _mm512_set1_ps(p[j * SPLIT + pos]);
            HL_UNROLL for (size_t i = 0; i < nv; i++) acc[j][i] = _mm512_fmadd_ps(y, x[i], acc[j][i]);
        }
    }
    HL_UNROLL for (size_t j = 0; j < nq; j++) {
        HL_UNROLL for (size_t i = 0; i < nv; i++)
            _mm512_mask_storeu_ps(o + j * o_stride + i * 16, i + 1 < nv ? 0xffff : mask,
                                  _mm512_add_ps(acc[j][i], _mm512_setzero_ps()));
    }
}

/* ---- by number of queries -------------------------------------------------------------------- */

typedef void many_scores_fn(size_t head_dim, const float *k, const float *q, many_prefetch prefetch,
                            float *s);
typedef void many_scores_q8_0_fn(size_t head_dim, const uint8_t *k, const uint16_t *k_scale, const float *q,
                                 many_prefetch prefetch, float *s);
typedef void many_values_fn(size_t n, const float *p, const float *v, size_t o_stride, __mmask16 mask,
                            float *o);

#define MANY_FNS(nq)                                                                                         \
    static void many_scores_##nq(size_t head_dim, const float *k, const float *q, many_prefetch prefetch,    \
                                 float *s) {                                                                 \
        many_scores(nq, head_dim, k, q, prefetch, s);                                                        \
    }                                                                                                        \
    static void many_scores_q8_0_##nq(size_t head_dim, const uint8_t *k, const uint16_t *k_scale,            \
                                      const float *q, many_prefetch prefetch, float *s) {                    \
        many_scores_q8_0(nq, head_dim, k, k_scale, q, prefetch, s);                                          \
    }                                                                                                        \
    static void many_values_##nq(size_t n, const float *p, const float *v, size_t o_stride, __mmask16 mask,  \
                                 float *o) {                                                                 \
        many_values(nq, 2, n, p, v, o_stride, mask, o);                                                      \
    }                                                                                                        \
    static void many_values1_##nq(size_t n, const float *p, const float *v, size_t o_stride, __mmask16 mask, \
                                  float *o) {                                                                \
        many_values(nq, 1, n, p, v, o_stride, mask, o);                                                      \
    }
MANY_FNS(6)
MANY_FNS(7)
MANY_FNS(8)
MANY_FNS(9)
MANY_FNS(10)
MANY_FNS(11)
MANY_FNS(12)
#define MANY_ROW(what)                                                                                       \
    { what##_6, what##_7, what##_8, what##_9, what##_10, what##_11, what##_12 }
static many_scores_fn *const      many_scores_of[] = MANY_ROW(many_scores);
static many_scores_q8_0_fn *const many_scores_q8_0_of[] = MANY_ROW(many_scores_q8_0);
static many_values_fn *const      many_values_of[2][7] = {MANY_ROW(many_values1), MANY_ROW(many_values)};

/* ---- phases ---------------------------------------------------------------------------------- */

static inline void widen_key_strip(const many *m, const uint8_t *k, size_t slot) {
    switch (m->in->kv_type) {
    case HL_KV_CACHE_F16: widen_keys(HL_KV_CACHE_F16, m->head_dim, k, slot, m->strip); break;
    case HL_KV_CACHE_BF16: widen_keys(HL_KV_CACHE_BF16, m->head_dim, k, slot, m->strip); break;
    case HL_KV_CACHE_F32: widen_keys(HL_KV_CACHE_F32, m->head_dim, k, slot, m->strip); break;
    default: break; /* q8_0 stays as it is */
    }
}

static inline void score_tile(const many *m, const many_tile *t, const uint8_t *k, size_t slot,
                              many_prefetch prefetch, float *s) {
    if (m->in->kv_type != HL_KV_CACHE_Q8_0) {
        many_scores_of[t->n - MANY_MIN_TILE](m->head_dim, m->strip, t->q, prefetch, s);
        return;
    }
    const uint16_t *k_scale = (const uint16_t *)(const void *)(k + m->head_dim * PAGE) + slot;
    many_scores_q8_0_of[t->n - MANY_MIN_TILE](m->head_dim, k + slot * 4, k_scale, t->q, prefetch, s);
}

static inline void score_strips(const many *m) {
    const size_t n_parts = PAGE / K_STRIP * m->n_tiles;
    for (size_t first = m->all.lo / K_STRIP * K_STRIP; first < m->all.hi; first += K_STRIP) {
        const size_t page = first / PAGE, slot = first % PAGE;
        widen_key_strip(m, m->in->pages[page], slot);
        for (size_t i = 0; i < m->n_tiles; i++) {
            const many_tile *t = &m->tiles[i];
            if (first >= t->sees.hi || first + K_STRIP <= t->sees.lo) continue;
            const many_prefetch prefetch = part_prefetch(m, page, slot / K_STRIP * m->n_tiles + i, n_parts);
            score_tile(m, t, m->in->pages[page], slot, prefetch, t->s + first);
        }
    }
}

/* Scores become exponentials, from the first 16 positions that some row of the tile sees to the last. All
 * maxima come first: the wait for the end of one is filled with the next. */
static inline void exp_tile(const many *m, const many_tile *t, float *ret_max, float *ret_sum) {
    const size_t from = t->sees.lo / 16 * 16, to = (t->sees.hi + 15) / 16 * 16;
    for (size_t j = 0; j < t->n; j++) {
        const many_span row = m->rows[t->begin + j];
        ret_max[j] = scale_row(m->in, row.lo, row.hi, from, to, t->s + j * SPLIT);
    }
    for (size_t j = 0; j < t->n; j++) ret_sum[j] = exp_row(from, to, ret_max[j], t->s + j * SPLIT);
}

/* Positions `span` and 32 columns from c on, or what is left of them, join o. */
static inline void value_strip(const many *m, many_span span, size_t c, float *o) {
    const size_t    left = m->head_dim - c, nv = left > 16 ? 2 : 1;
    const __mmask16 mask = left < V_COLUMNS && left % 16 ? 0xff : 0xffff;
    switch (m->in->kv_type) {
    case HL_KV_CACHE_F16: widen_value_strip(HL_KV_CACHE_F16, m, span, c, nv, mask); break;
    case HL_KV_CACHE_BF16: widen_value_strip(HL_KV_CACHE_BF16, m, span, c, nv, mask); break;
    case HL_KV_CACHE_F32: widen_value_strip(HL_KV_CACHE_F32, m, span, c, nv, mask); break;
    default: widen_value_strip(HL_KV_CACHE_Q8_0, m, span, c, nv, mask); break;
    }
    for (size_t i = 0; i < m->n_tiles; i++) {
        const many_tile *t = &m->tiles[i];
        const many_span  part = common_span(span, t->sees);
        if (part.lo >= part.hi) continue;
        many_values_of[nv - 1][t->n - MANY_MIN_TILE](part.hi - part.lo, t->s + part.lo,
                                                     m->strip + (part.lo - span.lo) * V_COLUMNS, m->head_dim,
                                                     mask, o + t->begin * m->head_dim + c);
    }
}

static inline void value_strips(const many *m, float *o) {
    for (size_t first = m->all.lo / V_STRIP * V_STRIP; first < m->all.hi; first += V_STRIP)
        for (size_t c = 0; c < m->head_dim; c += V_COLUMNS)
            value_strip(m, common_span(m->all, (many_span){first, first + V_STRIP}), c, o);
}

/* hl_attend_fn for MANY_FROM rows and more. scratch: scores, queries, strip, scales of values. */
static inline void attend_many(const hl_attend_in *in, float *ret_o, float *ret_max, float *ret_sum,
                               void *scratch) {
    float *s = scratch, *q = s + HL_ATTEND_MAX_QUERIES * SPLIT;
    many   m;
    m.in = in, m.head_dim = in->head_dim, m.v_offset = hl_kv_page_v_offset(in->kv_type, in->head_dim);
    m.strip = q + HL_ATTEND_MAX_QUERIES * m.head_dim;
    m.v_scale = m.strip + K_STRIP * HL_ATTEND_MAX_HEAD_DIM;
    make_tiles(&m, q, s);
    score_strips(&m);
    if (in->kv_type == HL_KV_CACHE_Q8_0) convert_v_scales(in, m.v_scale);
    for (size_t i = 0; i < m.n_tiles; i++)
        exp_tile(&m, &m.tiles[i], ret_max + m.tiles[i].begin, ret_sum + m.tiles[i].begin);
    memset(ret_o, 0, in->n_queries * m.head_dim * sizeof *ret_o);
    value_strips(&m, ret_o);
}

#endif
