/* SPDX-License-Identifier: MIT
 *
 * rmsnorm_avx512.c - root mean square norm; one vector is the 16 lanes of the definition.
 */
#include "engine/kernels/x86/vec_x86.h"

void hl_rmsnorm_avx512(size_t n, const float *x, const float *weight, float eps, float *ret_y) {
    __m512 lanes = _mm512_setzero_ps();
    for (size_t i = 0; i < n; i += 16) {
        __m512 a = _mm512_maskz_loadu_ps(mask_16(n - i), x + i);
        lanes = _mm512_fmadd_ps(a, a, lanes);
    }
    const __m512 r = _mm512_set1_ps(1.0f / sqrtf(sum_lanes_16(lanes) / (float)n + eps));
    for (size_t i = 0; i < n; i += 16) {
        __mmask16 m = mask_16(n - i);
        __m512    y = _mm512_mul_ps(_mm512_maskz_loadu_ps(m, x + i), r);
        if (weight != NULL) y = _mm512_mul_ps(y, _mm512_maskz_loadu_ps(m, weight + i));
        _mm512_mask_storeu_ps(ret_y + i, m, y);
    }
}
