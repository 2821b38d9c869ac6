/* SPDX-License-Identifier: MIT
 *
 * all_finite_avx2.c - is every element a finite number: the largest magnitude, as bits, tells.
 */
#include "engine/kernels/x86/vec_x86.h"

bool hl_all_finite_avx2(size_t n, const float *x) {
    __m256i max[2] = {_mm256_setzero_si256(), _mm256_setzero_si256()};
    size_t  i = 0;
    for (; i + 16 <= n; i += 16) {
        HL_UNROLL for (size_t j = 0; j < 2; j++) max[j] =
            _mm256_max_epi32(max[j], abs_bits_8(_mm256_loadu_ps(x + i + j * 8)));
    }
    for (; i < n; i += 8) max[0] = _mm256_max_epi32(max[0], abs_bits_8(load_part_8(x + i, n - i)));
    return are_finite_8(_mm256_max_epi32(max[0], max[1]));
}
