/* SPDX-License-Identifier: MIT
 *
 * l2norm_avx2.c - a row over its length; two vectors are the 16 lanes of the definition.
 */
#include "engine/kernels/state.h"
#include "engine/kernels/x86/vec_x86.h"

void hl_l2norm_avx2(size_t n, const float *x, float eps, float *ret_y) {
    __m256 lo = _mm256_setzero_ps(), hi = lo;
    for (size_t i = 0; i < n; i += 16) {
        __m256 a = load_part_8(x + i, n - i);
        __m256 b = n - i > 8 ? load_part_8(x + i + 8, n - i - 8) : _mm256_setzero_ps();
        lo = _mm256_fmadd_ps(a, a, lo);
        hi = _mm256_fmadd_ps(b, b, hi);
    }
    const float  length = sqrtf(sum_lanes_8(lo, hi));
    const __m256 r = _mm256_set1_ps(1.0f / (length < eps ? eps : length));
    for (size_t i = 0; i < n; i += 8)
        store_part_8(ret_y + i, n - i, _mm256_mul_ps(load_part_8(x + i, n - i), r));
}
