/* SPDX-License-Identifier: MIT
 *
 * add_low_rank_avx512.c - an adapter's share of 64 results at a time, which stay in registers.
 */
#include "engine/kernels/x86/vec_x86.h"

enum { VECTORS = 4 };

void hl_add_low_rank_avx512(size_t n, size_t rank, const float *b, size_t b_stride, const float *u, float s,
                            float *y) {
    size_t i = 0;
    for (; i + 16 * VECTORS <= n; i += 16 * VECTORS) {
        __m512 sums[VECTORS];
        for (size_t v = 0; v < VECTORS; v++) sums[v] = _mm512_loadu_ps(y + i + 16 * v);
        for (size_t k = 0; k < rank; k++) {
            const float *at = b + k * b_stride + i;
            const __m512 share = _mm512_set1_ps(u[k] * s);
            for (size_t v = 0; v < VECTORS; v++)
                sums[v] = _mm512_fmadd_ps(_mm512_loadu_ps(at + 16 * v), share, sums[v]);
        }
        for (size_t v = 0; v < VECTORS; v++) _mm512_storeu_ps(y + i + 16 * v, sums[v]);
    }
    for (; i < n; i += 16) {
        const __mmask16 m = mask_16(n - i);
        __m512          sum = _mm512_maskz_loadu_ps(m, y + i);
        for (size_t k = 0; k < rank; k++)
            sum = _mm512_fmadd_ps(_mm512_maskz_loadu_ps(m, b + k * b_stride + i), _mm512_set1_ps(u[k] * s),
                                  sum);
        _mm512_mask_storeu_ps(y + i, m, sum);
    }
}
