/* SPDX-License-Identifier: MIT
 *
 * attend_scalar.c - the definition of attention over one split.
 *
 * Each query is on its own; a faster version may share reads between queries, never change the order:
 *
 *   s    f16, f32, bf16   fma over columns 0, 1, ... from 0: acc = fma(q[c], k[c], acc)
 *        q8_0             the query is quantized per 32 columns (quantize_query); then for each group in
 *                         order acc = fma((float)isum * d_k, d_q, acc), isum the exact integer sum
 *        then s = acc * qk_scale, and with a softcap s = softcap * tanh(s * (1 / softcap))
 *        and with slopes s = fma(-slope, |place of the query - position|, s)
 *   max  over the visible positions
 *   p    exp(s - max), 0 where invisible
 *   sum  16 lanes by position % 16, each in order; lanes added 8 apart, 4, 2, 1
 *   o    fma over positions in order from 0: o[c] = fma(p, v[c], o[c]); v of q8_0 is code * scale (exact in
 *        f32); at the end o + 0, which makes -0 into 0, so that a position with p = 0 may be left out
 */
#include "engine/kernels/clamp.h"
#include "engine/kernels/kernel_list.h"

/* Quantize a query per group of 32 columns; the last group may be shorter. A group below 1e-30 is zero. */
static void quantize_query(size_t head_dim, const float *q, int8_t *ret_codes, float *ret_d) {
    for (size_t c0 = 0; c0 < head_dim; c0 += 32) {
        size_t n = head_dim - c0 < 32 ? head_dim - c0 : 32;
        float  x[32], amax = 0.0f;
        for (size_t c = 0; c < n; c++) {
            x[c] = hl_clamp_finite(q[c0 + c], HL_F32_MAX);
            amax = fabsf(x[c]) > amax ? fabsf(x[c]) : amax;
        }
        float inv = amax < 1e-30f ? 0.0f : 127.0f / amax;
        ret_d[c0 / 32] = amax < 1e-30f ? 0.0f : amax / 127.0f;
        for (size_t c = 0; c < n; c++) ret_codes[c0 + c] = (int8_t)hl_round_to_int(x[c] * inv);
    }
}

static float load_element(hl_kv_cache_type type, const uint8_t *p, size_t i) {
    if (type == HL_KV_CACHE_F32) return ((const float *)(const void *)p)[i];
    uint16_t h = ((const uint16_t *)(const void *)p)[i];
    return type == HL_KV_CACHE_F16 ? hl_f32_of_f16(h) : hl_f32_of_bf16(h);
}

/* q.k of one page's slots [begin, end) into ret_s[slot]. */
static void page_scores(hl_kv_cache_type type, size_t head_dim, const float *q, const uint8_t *k,
                        size_t begin, size_t end, float *ret_s) {
    for (size_t i = begin; i < end; i++) ret_s[i] = 0.0f;
    for (size_t c = 0; c < head_dim; c++)
        for (size_t i = begin; i < end; i++)
            ret_s[i] = fmaf(q[c], load_element(type, k, c * HL_KV_PAGE_TOKENS + i), ret_s[i]);
}

static void page_scores_q8_0(size_t head_dim, const int8_t *q, const float *q_d, const uint8_t *k,
                             size_t begin, size_t end, float *ret_s) {
    const uint16_t *k_d = (const uint16_t *)(const void *)(k + head_dim * HL_KV_PAGE_TOKENS);
    for (size_t i = begin; i < end; i++) {
        float acc = 0.0f;
        for (size_t c0 = 0; c0 < head_dim; c0 += 32) {
            int32_t isum = 0;
            for (size_t c = c0; c < head_dim && c < c0 + 32; c++)
                isum += q[c] * ((int32_t)k[(c / 4 * HL_KV_PAGE_TOKENS + i) * 4 + c % 4] - 128);
            float d = hl_f32_of_f16(k_d[c0 / 32 * HL_KV_PAGE_TOKENS + i]);
            acc = fmaf((float)isum * d, q_d[c0 / 32], acc);
        }
        ret_s[i] = acc;
    }
}

/* One position's value row, times p, added to o. */
static void add_value(hl_kv_cache_type type, size_t head_dim, const uint8_t *v, size_t slot, float p,
                      float *o) {
    if (type != HL_KV_CACHE_Q8_0) {
        for (size_t c = 0; c < head_dim; c++)
            o[c] = fmaf(p, load_element(type, v, slot * head_dim + c), o[c]);
        return;
    }
    const int8_t   *codes = (const int8_t *)(v + slot * head_dim);
    const uint16_t *d = (const uint16_t *)(const void *)(v + HL_KV_PAGE_TOKENS * head_dim);
    d += slot * hl_kv_n_groups(head_dim);
    for (size_t c = 0; c < head_dim; c++) o[c] = fmaf(p, (float)codes[c] * hl_f32_of_f16(d[c / 32]), o[c]);
}

/* Scores of the visible positions [lo, hi), relative to the split; returns their maximum. */
static float query_scores(const hl_attend_in *in, size_t i_query, size_t lo, size_t hi, float *s) {
    const float *q = in->q[i_query];
    int8_t       codes[HL_ATTEND_MAX_HEAD_DIM];
    float        d[HL_ATTEND_MAX_HEAD_DIM / 32];
    if (in->kv_type == HL_KV_CACHE_Q8_0) quantize_query(in->head_dim, q, codes, d);
    for (size_t begin = lo; begin < hi;) {
        size_t page = begin / HL_KV_PAGE_TOKENS, base = page * HL_KV_PAGE_TOKENS;
        size_t end = hi < base + HL_KV_PAGE_TOKENS ? hi : base + HL_KV_PAGE_TOKENS;
        if (in->kv_type == HL_KV_CACHE_Q8_0)
            page_scores_q8_0(in->head_dim, codes, d, in->pages[page], begin - base, end - base, s + base);
        else
            page_scores(in->kv_type, in->head_dim, q, in->pages[page], begin - base, end - base, s + base);
        begin = end;
    }
    float max = -INFINITY, inv_cap = in->softcap != 0.0f ? 1.0f / in->softcap : 0.0f;
    for (size_t i = lo; i < hi; i++) {
        s[i] *= in->qk_scale;
        if (in->softcap != 0.0f) s[i] = in->softcap * hl_tanh_approx(s[i] * inv_cap);
        if (in->slopes) {
            const int32_t far = in->q_at[i_query] - (in->pos_begin + (int32_t)i);
            s[i] = fmaf(-in->slopes[i_query], fabsf((float)far), s[i]);
        }
        max = s[i] > max ? s[i] : max;
    }
    return max;
}

static void attend_one(const hl_attend_in *in, size_t i_query, float *o, float *ret_max, float *ret_sum,
                       float *s) {
    int32_t first = in->q_first[i_query] > in->pos_begin ? in->q_first[i_query] : in->pos_begin;
    int32_t last = in->q_pos[i_query] < in->pos_end ? in->q_pos[i_query] : in->pos_end - 1;
    size_t  lo = (size_t)(first - in->pos_begin), hi = last < first ? lo : (size_t)(last - in->pos_begin) + 1;
    memset(o, 0, in->head_dim * sizeof *o);
    *ret_max = lo < hi ? query_scores(in, i_query, lo, hi, s) : -INFINITY;
    *ret_sum = 0.0f;
    if (*ret_max == -INFINITY) return;
    float lanes[16] = {0};
    for (size_t i = lo; i < hi; i++) {
        float p = hl_exp_approx(s[i] - *ret_max);
        lanes[i % 16] += p;
        add_value(in->kv_type, in->head_dim, hl_attend_values(in, i / HL_KV_PAGE_TOKENS),
                  i % HL_KV_PAGE_TOKENS, p, o);
    }
    for (size_t c = 0; c < in->head_dim; c++) o[c] += 0.0f;
    for (size_t step = 8; step > 0; step /= 2)
        for (size_t i = 0; i < step; i++) lanes[i] += lanes[i + step];
    *ret_sum = lanes[0];
}

void hl_attend_scalar(const hl_attend_in *in, float *ret_o, float *ret_max, float *ret_sum, void *scratch) {
    for (size_t i = 0; i < in->n_queries; i++)
        attend_one(in, i, ret_o + i * in->head_dim, ret_max + i, ret_sum + i, scratch);
}
