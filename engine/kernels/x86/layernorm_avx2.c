/* SPDX-License-Identifier: MIT
 *
 * layernorm_avx2.c - layer norm; two vectors are the 16 lanes of the definition.
 */
#include "engine/kernels/x86/vec_x86.h"

/* x - mean, and 0 in lanes past the row. */
HL_INLINE __m256 distance(const float *x, size_t n_left, __m256 mean) {
    const __m256 d = _mm256_sub_ps(load_part_8(x, n_left), mean);
    return n_left >= 8 ? d : _mm256_and_ps(d, _mm256_castsi256_ps(mask_8(n_left)));
}

void hl_layernorm_avx2(size_t n, const float *x, const float *weight, const float *bias, float eps,
                       float *ret_y) {
    __m256 lo = _mm256_setzero_ps(), hi = lo;
    for (size_t i = 0; i < n; i += 16) {
        lo = _mm256_add_ps(lo, load_part_8(x + i, n - i));
        if (n - i > 8) hi = _mm256_add_ps(hi, load_part_8(x + i + 8, n - i - 8));
    }
    const __m256 mean = _mm256_set1_ps(sum_lanes_8(lo, hi) / (float)n);
    lo = hi = _mm256_setzero_ps();
    for (size_t i = 0; i < n; i += 16) {
        const __m256 a = distance(x + i, n - i, mean);
        const __m256 b = n - i > 8 ? distance(x + i + 8, n - i - 8, mean) : _mm256_setzero_ps();
        lo = _mm256_fmadd_ps(a, a, lo);
        hi = _mm256_fmadd_ps(b, b, hi);
    }
    const __m256 r = _mm256_set1_ps(1.0f / sqrtf(sum_lanes_8(lo, hi) / (float)n + eps));
    for (size_t i = 0; i < n; i += 8) {
        const __m256 y = _mm256_mul_ps(distance(x + i, n - i, mean), r), w = load_part_8(weight + i, n - i);
        store_part_8(ret_y + i, n - i,
                     bias ? _mm256_fmadd_ps(y, w, load_part_8(bias + i, n - i)) : _mm256_mul_ps(y, w));
    }
}
