/* SPDX-License-Identifier: MIT
 *
 * add_low_rank_avx2.c - an adapter's share of 32 results at a time, which stay in registers.
 */
#include "engine/kernels/x86/vec_x86.h"

enum { VECTORS = 4 };

void hl_add_low_rank_avx2(size_t n, size_t rank, const float *b, size_t b_stride, const float *u, float s,
                          float *y) {
    size_t i = 0;
    for (; i + 8 * VECTORS <= n; i += 8 * VECTORS) {
        __m256 sums[VECTORS];
        for (size_t v = 0; v < VECTORS; v++) sums[v] = _mm256_loadu_ps(y + i + 8 * v);
        for (size_t k = 0; k < rank; k++) {
            const float *at = b + k * b_stride + i;
            const __m256 share = _mm256_set1_ps(u[k] * s);
            for (size_t v = 0; v < VECTORS; v++)
                sums[v] = _mm256_fmadd_ps(_mm256_loadu_ps(at + 8 * v), share, sums[v]);
        }
        for (size_t v = 0; v < VECTORS; v++) _mm256_storeu_ps(y + i + 8 * v, sums[v]);
    }
    for (; i < n; i += 8) {
        __m256 sum = load_part_8(y + i, n - i);
        for (size_t k = 0; k < rank; k++)
            sum = _mm256_fmadd_ps(load_part_8(b + k * b_stride + i, n - i), _mm256_set1_ps(u[k] * s), sum);
        store_part_8(y + i, n - i, sum);
    }
}
