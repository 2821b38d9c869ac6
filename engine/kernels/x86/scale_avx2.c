/* SPDX-License-Identifier: MIT
 *
 * scale_avx2.c - y = x * s, 8 at a time.
 */
#include "engine/kernels/x86/vec_x86.h"

void hl_scale_avx2(size_t n, const float *x, float s, float *ret_y) {
    const __m256 s8 = _mm256_set1_ps(s);
    for (size_t i = 0; i < n; i += 8)
        store_part_8(ret_y + i, n - i, _mm256_mul_ps(load_part_8(x + i, n - i), s8));
}
