/* SPDX-License-Identifier: MIT
 *
 * layernorm_avx512.c - layer norm; one vector is the 16 lanes of the definition.
 */
#include "engine/kernels/x86/vec_x86.h"

/* x - mean, and 0 in lanes past the row. */
HL_INLINE __m512 distance(const float *x, __mmask16 m, __m512 mean) {
    return _mm512_maskz_sub_ps(m, _mm512_maskz_loadu_ps(m, x), mean);
}

void hl_layernorm_avx512(size_t n, const float *x, const float *weight, const float *bias, float eps,
                         float *ret_y) {
    __m512 lanes = _mm512_setzero_ps();
    for (size_t i = 0; i < n; i += 16)
        lanes = _mm512_add_ps(lanes, _mm512_maskz_loadu_ps(mask_16(n - i), x + i));
    const __m512 mean = _mm512_set1_ps(sum_lanes_16(lanes) / (float)n);
    lanes = _mm512_setzero_ps();
    for (size_t i = 0; i < n; i += 16) {
        const __m512 d = distance(x + i, mask_16(n - i), mean);
        lanes = _mm512_fmadd_ps(d, d, lanes);
    }
    const __m512 r = _mm512_set1_ps(1.0f / sqrtf(sum_lanes_16(lanes) / (float)n + eps));
    for (size_t i = 0; i < n; i += 16) {
        const __mmask16 m = mask_16(n - i);
        const __m512    y = _mm512_mul_ps(distance(x + i, m, mean), r);
        const __m512    w = _mm512_maskz_loadu_ps(m, weight + i);
        const __m512    z =
            bias ? _mm512_fmadd_ps(y, w, _mm512_maskz_loadu_ps(m, bias + i)) : _mm512_mul_ps(y, w);
        _mm512_mask_storeu_ps(ret_y + i, m, z);
    }
}
