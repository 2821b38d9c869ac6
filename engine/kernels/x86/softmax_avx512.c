/* SPDX-License-Identifier: MIT
 *
 * softmax_avx512.c - x = softmax(x * s + bias) in place; one vector is the 16 lanes of the definition.
 */
#include "engine/kernels/x86/vec_x86.h"

void hl_softmax_avx512(size_t n, float *x, float s, const float *bias) {
    const __m512 s16 = _mm512_set1_ps(s);
    __m512       max16 = _mm512_set1_ps(-INFINITY), lanes = _mm512_setzero_ps();
    for (size_t i = 0; i < n; i += 16) {
        __mmask16 m = mask_16(n - i);
        __m512    y = _mm512_maskz_loadu_ps(m, x + i);
        y = bias != NULL ? _mm512_fmadd_ps(y, s16, _mm512_maskz_loadu_ps(m, bias + i))
                         : _mm512_mul_ps(y, s16);
        _mm512_mask_storeu_ps(x + i, m, y);
        max16 = _mm512_mask_max_ps(max16, m, y, max16);
    }
    float max = max_lanes_16(max16);
    if (max == -INFINITY) max = 0.0f;
    max16 = _mm512_set1_ps(max);
    for (size_t i = 0; i < n; i += 16) {
        __mmask16 m = mask_16(n - i);
        __m512    p = exp_16(_mm512_sub_ps(_mm512_maskz_loadu_ps(m, x + i), max16));
        lanes = _mm512_mask_add_ps(lanes, m, lanes, p);
        _mm512_mask_storeu_ps(x + i, m, p);
    }
    const float  total = sum_lanes_16(lanes);
    const __m512 inverse = _mm512_set1_ps(total > 0.0f ? 1.0f / total : 0.0f);
    for (size_t i = 0; i < n; i += 16) {
        __mmask16 m = mask_16(n - i);
        _mm512_mask_storeu_ps(x + i, m, _mm512_mul_ps(_mm512_maskz_loadu_ps(m, x + i), inverse));
    }
}
