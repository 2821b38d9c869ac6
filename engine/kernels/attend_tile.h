/* SPDX-License-Identifier: MIT
 *
 * attend_tile.h - what the vector versions of attention share: tiles of queries, and how they are run.
 *
 * Queries go in tiles of up to 6. For each tile: scores of all its pages (lanes are positions), exp per
 * query, then values (lanes are columns, over all positions). A split of keys and values fits in L2, so
 * that a second tile reads no memory. The body of an instruction set defines convert_v_scales,
 * quantize_query, softmax_row, tile_scores and tile_values. Order: attend_scalar.c.
 */
#ifndef HL_ENGINE_KERNELS_ATTEND_TILE_H
#define HL_ENGINE_KERNELS_ATTEND_TILE_H

#include "engine/kernels/clamp.h"
#include "engine/kernels/kernel_list.h"
#include "engine/kernels/unroll.h"

enum {
    TILE = 6,
    PAGE = HL_KV_PAGE_TOKENS,
    SPLIT = HL_ATTEND_SPLIT,
    N_PAGES = SPLIT / PAGE,
    MAX_GROUPS = HL_ATTEND_MAX_HEAD_DIM / 32
};

/* Prefetch n_bytes from p on, into L2: into L1 there are too few miss buffers. The hardware alone does
 * not keep memory busy while a page is computed, and stops at every 4 KiB. */
HL_INLINE void prefetch_bytes(const uint8_t *p, size_t n_bytes) {
    for (size_t i = 0; i < n_bytes; i += 64) __builtin_prefetch(p + i, 0, 2);
}

/* One tile of queries and what is computed for it. */
typedef struct tile {
    size_t                n_queries;
    size_t                head_dim;
    const float          *q[TILE];
    size_t                lo[TILE], hi[TILE]; /* visible positions, relative to the split */
    size_t                tile_lo, tile_hi;   /* of all of them together */
    const uint8_t *const *pages;
    const uint8_t        *values[N_PAGES];
    const float          *v_scale;             /* [SPLIT][n_groups] of q8_0 */
    const uint8_t        *k_prefetch[N_PAGES]; /* what is read a page later: prefetched with page i's keys */
    const uint8_t        *v_prefetch[N_PAGES]; /* or its values */
    float                *s;                   /* [TILE][SPLIT] scores, then p */
    int8_t                codes[TILE][HL_ATTEND_MAX_HEAD_DIM] __attribute__((aligned(64)));
    int16_t pairs[TILE][HL_ATTEND_MAX_HEAD_DIM]; /* codes 0 2 1 3 of each four; not used by all */
    float   d[TILE][MAX_GROUPS];
    int32_t start[TILE][MAX_GROUPS]; /* HL_ATTEND_START * sum of codes */
} tile;

/* Value scales of all pages as f32. */
static inline void convert_v_scales(const hl_attend_in *in, float *ret_scale);
/* Query j of the tile as int8 (quantize_query of attend_scalar.c). */
static inline void quantize_query(tile *t, size_t j);
/* Scores of query j become p. */
static inline void softmax_row(const hl_attend_in *in, const tile *t, size_t j, float *ret_max,
                               float *ret_sum);
/* Scores and values of a tile with a constant type and number of queries. */
HL_INLINE void tile_scores(int type, size_t nq, const tile *t);
/* o holds zeros before. */
HL_INLINE void tile_values(int type, size_t nq, const tile *t, float *o);

HL_INLINE size_t element_bytes(int type) {
    return type == HL_KV_CACHE_Q8_0 ? 1 : type == HL_KV_CACHE_F32 ? 4 : 2;
}

typedef void scores_fn(const tile *t);
typedef void values_fn(const tile *t, float *o);

#define TILE_FNS(type, nq)                                                                                   \
    static void scores_##type##_##nq(const tile *t) { tile_scores(HL_KV_CACHE_##type, nq, t); }              \
    static void values_##type##_##nq(const tile *t, float *o) { tile_values(HL_KV_CACHE_##type, nq, t, o); }
#define TYPE_FNS(type)                                                                                       \
    TILE_FNS(type, 1)                                                                                        \
    TILE_FNS(type, 2) TILE_FNS(type, 3) TILE_FNS(type, 4) TILE_FNS(type, 5) TILE_FNS(type, 6)
TYPE_FNS(F16)
TYPE_FNS(F32)
TYPE_FNS(BF16)
TYPE_FNS(Q8_0)

#define TYPE_ROW(what, type)                                                                                 \
    [HL_KV_CACHE_##type] = {NULL,                                                                            \
                            what##_##type##_1,                                                               \
                            what##_##type##_2,                                                               \
                            what##_##type##_3,                                                               \
                            what##_##type##_4,                                                               \
                            what##_##type##_5,                                                               \
                            what##_##type##_6}
static scores_fn *const scores_of[HL_N_KV_CACHE_TYPES][TILE + 1] = {
    TYPE_ROW(scores, F16), TYPE_ROW(scores, F32), TYPE_ROW(scores, BF16), TYPE_ROW(scores, Q8_0)};
static values_fn *const values_of[HL_N_KV_CACHE_TYPES][TILE + 1] = {
    TYPE_ROW(values, F16), TYPE_ROW(values, F32), TYPE_ROW(values, BF16), TYPE_ROW(values, Q8_0)};

/* Positions of the split that query i sees: [lo, hi), or 0 and 0. */
static inline void set_range(const hl_attend_in *in, size_t i, size_t *ret_lo, size_t *ret_hi) {
    int32_t first = in->q_first[i] > in->pos_begin ? in->q_first[i] : in->pos_begin;
    int32_t last = in->q_pos[i] < in->pos_end ? in->q_pos[i] : in->pos_end - 1;
    *ret_lo = first <= last ? (size_t)(first - in->pos_begin) : 0;
    *ret_hi = first <= last ? (size_t)(last - in->pos_begin) + 1 : 0;
}

static inline void set_ranges(const hl_attend_in *in, size_t i0, tile *t) {
    t->tile_lo = SPLIT, t->tile_hi = 0;
    for (size_t j = 0; j < t->n_queries; j++) {
        t->q[j] = in->q[i0 + j];
        set_range(in, i0 + j, &t->lo[j], &t->hi[j]);
        if (t->lo[j] >= t->hi[j]) continue;
        t->tile_lo = t->lo[j] < t->tile_lo ? t->lo[j] : t->tile_lo;
        t->tile_hi = t->hi[j] > t->tile_hi ? t->hi[j] : t->tile_hi;
    }
}

/* Keys of all pages are read, then values of all pages, then perhaps in->next_page. */
static inline void set_prefetch(const hl_attend_in *in, tile *t) {
    if (t->tile_lo >= t->tile_hi) return;
    size_t first = t->tile_lo / PAGE, last = (t->tile_hi - 1) / PAGE;
    for (size_t i = first; i <= last; i++) {
        t->k_prefetch[i] = i < last ? in->pages[i + 1] : t->values[first];
        t->v_prefetch[i] = i < last ? t->values[i + 1] : in->next_page;
        if (t->v_prefetch[i] == NULL) t->v_prefetch[i] = in->pages[i];
    }
}

/* Scales of values are converted all at once, before a page's values are read. */
static inline void fetch_v_scales(const hl_attend_in *in, const tile *t) {
    size_t n = PAGE * t->head_dim, n_all = hl_kv_page_v_offset(in->kv_type, in->head_dim);
    for (size_t i = t->tile_lo / PAGE; i * PAGE < t->tile_hi; i++)
        prefetch_bytes(t->values[i] + n, n_all - n);
}

/* Scores of query i, scaled and lowered by their distances; then softmax_row scales by 1. */
static inline void slope_row(const hl_attend_in *in, size_t i, size_t lo, size_t hi, float *s) {
    for (size_t k = lo; k < hi; k++) {
        const int32_t far = in->q_at[i] - (in->pos_begin + (int32_t)k);
        s[k] = fmaf(-in->slopes[i], fabsf((float)far), s[k] * in->qk_scale);
    }
}

static inline size_t tile_size(size_t n_left) {
    return n_left > 8 ? 6 : n_left > 6 ? 4 : n_left; /* 7 and 8 in two about equal parts */
}

static inline void attend_all(const hl_attend_in *in, float *ret_o, float *ret_max, float *ret_sum,
                              void *scratch) {
    tile         t;
    hl_attend_in scaled = *in;
    if (in->slopes) scaled.qk_scale = 1.0f;
    t.head_dim = in->head_dim, t.pages = in->pages, t.s = scratch;
    for (size_t i = 0; i * PAGE < (size_t)(in->pos_end - in->pos_begin); i++)
        t.values[i] = hl_attend_values(in, i);
    t.v_scale = t.s + TILE * SPLIT;
    for (size_t i = 0; i < in->n_queries; i += t.n_queries) {
        t.n_queries = tile_size(in->n_queries - i);
        set_ranges(in, i, &t);
        set_prefetch(in, &t);
        if (in->kv_type == HL_KV_CACHE_Q8_0 && i == 0) fetch_v_scales(in, &t);
        if (in->kv_type == HL_KV_CACHE_Q8_0)
            for (size_t j = 0; j < t.n_queries; j++) quantize_query(&t, j);
        scores_of[in->kv_type][t.n_queries](&t);
        if (in->kv_type == HL_KV_CACHE_Q8_0 && i == 0) convert_v_scales(in, t.s + TILE * SPLIT);
        for (size_t j = 0; in->slopes && j < t.n_queries; j++)
            slope_row(in, i + j, t.lo[j], t.hi[j], t.s + j * SPLIT);
        for (size_t j = 0; j < t.n_queries; j++)
            softmax_row(&scaled, &t, j, ret_max + i + j, ret_sum + i + j);
        memset(ret_o + i * t.head_dim, 0, t.n_queries * t.head_dim * sizeof *ret_o);
        values_of[in->kv_type][t.n_queries](&t, ret_o + i * t.head_dim);
    }
}

#endif
