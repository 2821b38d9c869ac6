/* SPDX-License-Identifier: MIT
 *
 * all_finite_avx512.c - is every element a finite number: the largest magnitude, as bits, tells.
 */
#include "engine/kernels/x86/vec_x86.h"

bool hl_all_finite_avx512(size_t n, const float *x) {
    __m512i max[2] = {_mm512_setzero_si512(), _mm512_setzero_si512()};
    size_t  i = 0;
    for (; i + 32 <= n; i += 32) {
        HL_UNROLL for (size_t j = 0; j < 2; j++) max[j] =
            _mm512_max_epi32(max[j], abs_bits_16(_mm512_loadu_ps(x + i + j * 16)));
    }
    for (; i < n; i += 16)
        max[0] = _mm512_max_epi32(max[0], abs_bits_16(_mm512_maskz_loadu_ps(mask_16(n - i), x + i)));
    return are_finite_16(_mm512_max_epi32(max[0], max[1]));
}
