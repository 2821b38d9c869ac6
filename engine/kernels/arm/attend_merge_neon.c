/* SPDX-License-Identifier: MIT
 *
 * attend_merge_neon.c - join the splits of one query.
 */
#include "engine/kernels/arm/vec_arm.h"

void hl_attend_merge_neon(uint32_t head_dim, uint32_t n_splits, const float *o, size_t o_stride,
                          const float *max, const float *sum, size_t ms_stride, float *ret_out) {
    float m = -INFINITY, total = 0.0f;
    for (size_t i = 0; i < n_splits; i++) m = max[i * ms_stride] > m ? max[i * ms_stride] : m;
    for (size_t c = 0; c < head_dim; c += 4) vst1q_f32(ret_out + c, vdupq_n_f32(0));
    if (m == -INFINITY) return;
    for (size_t i = 0; i < n_splits; i++) {
        if (max[i * ms_stride] == -INFINITY) continue;
        float       w = hl_exp_approx(max[i * ms_stride] - m);
        float32x4_t w4 = vdupq_n_f32(w);
        total = fmaf(sum[i * ms_stride], w, total);
        for (size_t c = 0; c < head_dim; c += 4)
            vst1q_f32(ret_out + c, vfmaq_f32(vld1q_f32(ret_out + c), vld1q_f32(o + i * o_stride + c), w4));
    }
    float inv = 1.0f / total;
    for (size_t c = 0; c < head_dim; c += 4)
        vst1q_f32(ret_out + c, vaddq_f32(vmulq_n_f32(vld1q_f32(ret_out + c), inv), vdupq_n_f32(0)));
}
