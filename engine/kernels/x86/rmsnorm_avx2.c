/* SPDX-License-Identifier: MIT
 *
 * rmsnorm_avx2.c - root mean square norm; two vectors are the 16 lanes of the definition.
 */
#include "engine/kernels/x86/vec_x86.h"

void hl_rmsnorm_avx2(size_t n, const float *x, const float *weight, float eps, float *ret_y) {
    __m256 lo = _mm256_setzero_ps(), hi = lo;
    for (size_t i = 0; i < n; i += 16) {
        __m256 a = load_part_8(x + i, n - i);
        __m256 b = n - i > 8 ? load_part_8(x + i + 8, n - i - 8) : _mm256_setzero_ps();
        lo = _mm256_fmadd_ps(a, a, lo);
        hi = _mm256_fmadd_ps(b, b, hi);
    }
    const __m256 r = _mm256_set1_ps(1.0f / sqrtf(sum_lanes_8(lo, hi) / (float)n + eps));
    for (size_t i = 0; i < n; i += 8) {
        __m256 y = _mm256_mul_ps(load_part_8(x + i, n - i), r);
        if (weight != NULL) y = _mm256_mul_ps(y, load_part_8(weight + i, n - i));
        store_part_8(ret_y + i, n - i, y);
    }
}
