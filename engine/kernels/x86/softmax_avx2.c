/* SPDX-License-Identifier: MIT
 *
 * softmax_avx2.c - x = softmax(x * s + bias) in place; two vectors are the 16 lanes of the definition.
 */
#include "engine/kernels/x86/vec_x86.h"

/* Scale, add the bias, and return the maximum. */
static float scale_row(size_t n, float *x, float s, const float *bias) {
    const __m256 none = _mm256_set1_ps(-INFINITY), s8 = _mm256_set1_ps(s);
    __m256       max = none;
    for (size_t i = 0; i < n; i += 8) {
        __m256 y = load_part_8(x + i, n - i);
        y = bias != NULL ? _mm256_fmadd_ps(y, s8, load_part_8(bias + i, n - i)) : _mm256_mul_ps(y, s8);
        store_part_8(x + i, n - i, y);
        max = _mm256_max_ps(_mm256_blendv_ps(none, y, _mm256_castsi256_ps(mask_8(n - i))), max);
    }
    return max_lanes_8(max);
}

void hl_softmax_avx2(size_t n, float *x, float s, const float *bias) {
    float max = scale_row(n, x, s, bias);
    if (max == -INFINITY) max = 0.0f;
    const __m256 max8 = _mm256_set1_ps(max);
    __m256       sum[2] = {_mm256_setzero_ps(), _mm256_setzero_ps()};
    for (size_t i = 0; i < n; i += 8) {
        __m256 p = exp_8(_mm256_sub_ps(load_part_8(x + i, n - i), max8));
        p = _mm256_and_ps(p, _mm256_castsi256_ps(mask_8(n - i)));
        sum[i / 8 % 2] = _mm256_add_ps(sum[i / 8 % 2], p);
        store_part_8(x + i, n - i, p);
    }
    const float  total = sum_lanes_8(sum[0], sum[1]);
    const __m256 inverse = _mm256_set1_ps(total > 0.0f ? 1.0f / total : 0.0f);
    for (size_t i = 0; i < n; i += 8)
        store_part_8(x + i, n - i, _mm256_mul_ps(load_part_8(x + i, n - i), inverse));
}
