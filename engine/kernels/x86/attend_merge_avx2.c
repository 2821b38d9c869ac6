/* SPDX-License-Identifier: MIT
 *
 * attend_merge_avx2.c - join the splits of one query.
 */
#include "engine/kernels/kernel_list.h"
#include "engine/kernels/x86/exp_x86.h"

void hl_attend_merge_avx2(uint32_t head_dim, uint32_t n_splits, const float *o, size_t o_stride,
                          const float *max, const float *sum, size_t ms_stride, float *ret_out) {
    float m = -INFINITY, total = 0.0f;
    for (size_t i = 0; i < n_splits; i++) m = max[i * ms_stride] > m ? max[i * ms_stride] : m;
    for (size_t c = 0; c < head_dim; c += 8) _mm256_storeu_ps(ret_out + c, _mm256_setzero_ps());
    if (m == -INFINITY) return;
    for (size_t i = 0; i < n_splits; i++) {
        if (max[i * ms_stride] == -INFINITY) continue;
        float  w = hl_exp_approx(max[i * ms_stride] - m);
        __m256 w8 = _mm256_set1_ps(w);
        total = fmaf(sum[i * ms_stride], w, total);
        for (size_t c = 0; c < head_dim; c += 8) {
            __m256 x = _mm256_loadu_ps(o + i * o_stride + c);
            _mm256_storeu_ps(ret_out + c, _mm256_fmadd_ps(x, w8, _mm256_loadu_ps(ret_out + c)));
        }
    }
    __m256 inv = _mm256_set1_ps(1.0f / total);
    for (size_t c = 0; c < head_dim; c += 8) {
        __m256 x = _mm256_mul_ps(_mm256_loadu_ps(ret_out + c), inv);
        _mm256_storeu_ps(ret_out + c, _mm256_add_ps(x, _mm256_setzero_ps()));
    }
}
