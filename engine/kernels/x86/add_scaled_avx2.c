/* SPDX-License-Identifier: MIT
 *
 * add_scaled_avx2.c - y = b * s + a, 8 at a time.
 */
#include "engine/kernels/x86/vec_x86.h"

void hl_add_scaled_avx2(size_t n, const float *a, const float *b, float s, float *ret_y) {
    const __m256 s8 = _mm256_set1_ps(s);
    for (size_t i = 0; i < n; i += 8)
        store_part_8(ret_y + i, n - i,
                     _mm256_fmadd_ps(load_part_8(b + i, n - i), s8, load_part_8(a + i, n - i)));
}
