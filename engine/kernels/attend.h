/* SPDX-License-Identifier: MIT
 *
 * attend.h - attention of some query rows over one run of cached positions.
 *
 * Keys and values lie in pages. One call handles the query heads that share one KV head (a group), for
 * a tile of query tokens, over one split of fixed length (HL_ATTEND_SPLIT positions, aligned to it), and
 * gives an unnormalised result with its maximum and sum; attend_merge joins the splits in order. Because
 * splits are fixed, the result does not depend on the number of tokens in the pass or on threads.
 */
#ifndef HL_ENGINE_KERNELS_ATTEND_H
#define HL_ENGINE_KERNELS_ATTEND_H

#include "hyperlama/base.h"

enum {
    HL_KV_PAGE_TOKENS = 64,  /* positions per page */
    HL_ATTEND_SPLIT = 256,   /* positions per split; a multiple of the page */
    HL_ATTEND_MAX_QUERIES = 64 /* query rows (tokens x heads of the group) in one call */
};

typedef enum hl_kv_type { HL_KV_f16, HL_KV_f32, HL_KV_bf16, HL_KV_q8_0, HL_KV_count } hl_kv_type;

/* One KV head's view of the cache. A page holds, for one layer and one KV head, 64 keys then 64 values
 * of head_dim elements each: k at page + 0, v at page + 64 * k_row_bytes. Rows are contiguous.
 * q8_0 rows are head_dim/32 blocks of 34 bytes as in engine/quant/q8_0.h. */
typedef struct hl_attend_in {
    hl_kv_type         kv_type;
    uint32_t           head_dim;     /* multiple of 8, <= 512; same for k and v */
    uint32_t           n_queries;    /* 1..HL_ATTEND_MAX_QUERIES */
    const float *const *q;           /* [n_queries] pointers to head_dim f32, already rotated, NOT yet scaled */
    const int32_t     *q_pos;        /* [n_queries] position of each query: sees positions <= q_pos */
    const int32_t     *q_first;      /* [n_queries] first visible position (sliding window); 0 otherwise */
    float              qk_scale;     /* multiply q.k by it */
    float              softcap;      /* s = softcap * tanh(s / softcap); 0: off */
    int32_t            pos_begin;    /* of this split: multiple of HL_ATTEND_SPLIT */
    int32_t            pos_end;      /* exclusive; <= pos_begin + HL_ATTEND_SPLIT */
    const uint8_t *const *pages;     /* [..] page that holds pos_begin is pages[0] */
} hl_attend_in;

/* out   ret_o    [n_queries][head_dim] f32: sum of exp(s - max) * v over the visible positions of the split
 *       ret_max  [n_queries]; -INFINITY when nothing is visible (then ret_o is zero and ret_sum 0)
 *       ret_sum  [n_queries] sum of exp(s - max)
 * scratch  HL_ATTEND_MAX_QUERIES * HL_ATTEND_SPLIT floats + 4 KiB, aligned to 64 */
typedef void hl_attend_fn(const hl_attend_in *in, float *ret_o, float *ret_max, float *ret_sum, void *scratch);
enum { HL_ATTEND_SCRATCH_BYTES = HL_ATTEND_MAX_QUERIES * HL_ATTEND_SPLIT * 4 + 512 * 64 * 4 + 4096 };

/* Join n_splits partial results of ONE query, in order: out = sum_i o_i * exp(max_i - max) / sum.
 * o: [n_splits] with o_stride floats between; likewise max and sum with ms_stride. Nothing visible: zeros. */
typedef void hl_attend_merge_fn(uint32_t head_dim, uint32_t n_splits, const float *o, size_t o_stride, const float *max,
                                const float *sum, size_t ms_stride, float *ret_out);

#endif
