/* SPDX-License-Identifier: MIT
 *
 * attend.h - attention of some query rows over one run of cached positions.
 *
 * Keys and values lie in pages. One call handles the query heads that share one KV head (a group), for
 * a tile of query tokens, over one split of fixed length (HL_ATTEND_SPLIT positions, aligned to it), and
 * gives an unnormalised result with its maximum and sum; attend_merge joins the splits in order. Because
 * splits are fixed, the result does not depend on the number of tokens in the pass or on threads.
 *
 * Keys lie transposed in their page, so that a vector's lanes are positions and no dot product ends in
 * a horizontal sum, with one query as with many. Pages are written by kv_write and read by attend and
 * kv_values alone; to everybody else they are hl_kv_page_bytes() opaque bytes, aligned to 64.
 *
 * Where values are the first columns of keys (low-rank attention), a page ends behind the keys, and
 * kv_values makes of them, for a split at a time, what the values of such a page would be.
 *
 *   page of f16, f32, bf16   keys   [head_dim][64]                 one row holds 64 positions
 *                            values [64][head_dim]
 *   page of q8_0             key codes    [head_dim / 4][64][4] u8 code + 128, four columns side by side
 *                            key scales   [n_groups][64] f16       n_groups = ceil(head_dim / 32)
 *                            value codes  [64][head_dim] i8
 *                            value scales [64][n_groups] f16
 */
#ifndef HL_ENGINE_KERNELS_ATTEND_H
#define HL_ENGINE_KERNELS_ATTEND_H

#include "hyperlama/base.h"
#include "hyperlama/kv_cache_type.h"

enum {
    HL_KV_PAGE_TOKENS = 64,       /* positions per page */
    HL_ATTEND_SPLIT = 256,        /* positions per split; a multiple of the page */
    HL_ATTEND_MAX_QUERIES = 64,   /* query rows (tokens x heads of the group) in one call */
    HL_ATTEND_MAX_HEAD_DIM = 576, /* a multiple of 32 */
    /* Scores and queries of all rows, and 64 elements of each column, as f32. */
    HL_ATTEND_SCRATCH_BYTES =
        (HL_ATTEND_MAX_QUERIES * (HL_ATTEND_SPLIT + HL_ATTEND_MAX_HEAD_DIM) + HL_ATTEND_MAX_HEAD_DIM * 64) * 4
};

/* Scales per row of q8_0. */
static inline size_t hl_kv_n_groups(size_t head_dim) { return (head_dim + 31) / 32; }

/* Bytes of one page of one layer and one KV head, keys and values; a multiple of 64. */
static inline size_t hl_kv_page_bytes(hl_kv_cache_type type, size_t head_dim) {
    size_t n = 2 * (size_t)HL_KV_PAGE_TOKENS * head_dim;
    switch (type) {
    case HL_KV_CACHE_F32: return n * 4;
    case HL_KV_CACHE_Q8_0: return n + 2 * (size_t)HL_KV_PAGE_TOKENS * 2 * hl_kv_n_groups(head_dim);
    default: return n * 2;
    }
}

/* Bytes of the page's keys; the values follow, and take as many. */
static inline size_t hl_kv_page_v_offset(hl_kv_cache_type type, size_t head_dim) {
    return hl_kv_page_bytes(type, head_dim) / 2;
}

/* Store one position's key and value, [head_dim] f32 each, in slot 0..63 of a page. Values past the largest
 * finite number of the type become it, and so does NaN: nothing that a later position stores can reach a
 * query that does not see it. Two threads may write different pages, not one page.
 * in    v  NULL: the page is one of keys alone */
typedef void hl_kv_write_fn(hl_kv_cache_type type, size_t head_dim, size_t slot, const float *k,
                            const float *v, uint8_t *page);

/* The values of a page of keys alone, as those of a whole page: columns [0, n_cols) of all 64 slots, whatever
 * the slots hold. Columns behind them are left as they are, and so are scales of q8_0 of groups that lie
 * there.
 * in    n_cols  <= head_dim, a multiple of 8
 *       page    of this type and head_dim
 * out   ret_values  hl_kv_page_v_offset() bytes, aligned to 64 */
typedef void hl_kv_values_fn(hl_kv_cache_type type, size_t head_dim, size_t n_cols, const uint8_t *page,
                             uint8_t *ret_values);

typedef struct hl_attend_in {
    hl_kv_cache_type      kv_type;
    uint32_t              head_dim;  /* multiple of 8, <= HL_ATTEND_MAX_HEAD_DIM; same for k and v */
    uint32_t              n_queries; /* 1..HL_ATTEND_MAX_QUERIES */
    const float *const   *q;       /* [n_queries] pointers to head_dim f32, already rotated, NOT yet scaled */
    const int32_t        *q_pos;   /* [n_queries] position of each query: sees positions <= q_pos */
    const int32_t        *q_first; /* [n_queries] first visible position (sliding window); 0 otherwise */
    float                 qk_scale;  /* multiply q.k by it */
    float                 softcap;   /* s = softcap * tanh(s / softcap); 0: off */
    const float          *slopes;    /* [n_queries] s - slope * |place of the query - position|; NULL: none */
    const int32_t        *q_at;      /* [n_queries] places of queries; only with slopes */
    int32_t               pos_begin; /* of this split: multiple of HL_ATTEND_SPLIT */
    int32_t               pos_end; /* exclusive; <= pos_begin + HL_ATTEND_SPLIT; later slots hold anything */
    const uint8_t *const *pages;   /* [..] page that holds pos_begin is pages[0] */
    const uint8_t *const *values;  /* [..] of each page, where pages are of keys alone; NULL: in the pages */
    const uint8_t        *next_page; /* first page of the caller's next call, to be prefetched; NULL: none */
} hl_attend_in;

/* The values of page i of a split. */
static inline const uint8_t *hl_attend_values(const hl_attend_in *in, size_t i) {
    return in->values ? in->values[i] : in->pages[i] + hl_kv_page_v_offset(in->kv_type, in->head_dim);
}

/* out   ret_o    [n_queries][head_dim] f32: sum of exp(s - max) * v over the visible positions of the split
 *       ret_max  [n_queries]; -INFINITY when nothing is visible (then ret_o is zero and ret_sum 0)
 *       ret_sum  [n_queries] sum of exp(s - max)
 * scratch  HL_ATTEND_SCRATCH_BYTES, aligned to 64
 * The order of every operation is defined in scalar/attend_scalar.c. */
typedef void hl_attend_fn(const hl_attend_in *in, float *ret_o, float *ret_max, float *ret_sum,
                          void *scratch);

/* Join n_splits partial results of ONE query, in order: out = sum_i o_i * exp(max_i - max) / sum.
 * o: [n_splits] with o_stride floats between; likewise max and sum with ms_stride. Nothing visible: zeros. */
typedef void hl_attend_merge_fn(uint32_t head_dim, uint32_t n_splits, const float *o, size_t o_stride,
                                const float *max, const float *sum, size_t ms_stride, float *ret_out);

#endif
