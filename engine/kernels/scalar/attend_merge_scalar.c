/* SPDX-License-Identifier: MIT
 *
 * attend_merge_scalar.c - the definition of joining the splits of one query.
 *
 * max over splits; then for each split in order w = exp(max_i - max), total = fma(sum_i, w, total) and
 * out[c] = fma(o_i[c], w, out[c]), from 0; at the end out[c] * (1 / total) + 0. A split without visible
 * positions (max_i = -infinity) changes nothing, so that a caller may leave it out or not.
 */
#include "engine/kernels/exp_approx.h"
#include "engine/kernels/kernel_list.h"

void hl_attend_merge_scalar(uint32_t head_dim, uint32_t n_splits, const float *o, size_t o_stride,
                            const float *max, const float *sum, size_t ms_stride, float *ret_out) {
    float m = -INFINITY, total = 0.0f;
    for (size_t i = 0; i < n_splits; i++) m = max[i * ms_stride] > m ? max[i * ms_stride] : m;
    for (size_t c = 0; c < head_dim; c++) ret_out[c] = 0.0f;
    if (m == -INFINITY) return;
    for (size_t i = 0; i < n_splits; i++) {
        if (max[i * ms_stride] == -INFINITY) continue;
        float w = hl_exp_approx(max[i * ms_stride] - m);
        total = fmaf(sum[i * ms_stride], w, total);
        for (size_t c = 0; c < head_dim; c++) ret_out[c] = fmaf(o[i * o_stride + c], w, ret_out[c]);
    }
    float inv = 1.0f / total;
    for (size_t c = 0; c < head_dim; c++) ret_out[c] = ret_out[c] * inv + 0.0f;
}
