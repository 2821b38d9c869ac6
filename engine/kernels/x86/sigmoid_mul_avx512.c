/* SPDX-License-Identifier: MIT
 *
 * sigmoid_mul_avx512.c - y = sigmoid(gate) * up, 16 at a time.
 */
#include "engine/kernels/x86/vec_x86.h"

void hl_sigmoid_mul_avx512(size_t n, const float *gate, const float *up, float *ret_y) {
    for (size_t i = 0; i < n; i += 16) {
        __mmask16 m = mask_16(n - i);
        __m512    x = gate_16(_mm512_set1_ps(1.0f), _mm512_maskz_loadu_ps(m, gate + i));
        _mm512_mask_storeu_ps(ret_y + i, m, _mm512_mul_ps(x, _mm512_maskz_loadu_ps(m, up + i)));
    }
}
