/* SPDX-License-Identifier: MIT
 *
 * mul_avx2.c - y = a * b, 8 at a time.
 */
#include "engine/kernels/state.h"
#include "engine/kernels/x86/vec_x86.h"

void hl_mul_avx2(size_t n, const float *a, const float *b, float *ret_y) {
    for (size_t i = 0; i < n; i += 8)
        store_part_8(ret_y + i, n - i, _mm256_mul_ps(load_part_8(a + i, n - i), load_part_8(b + i, n - i)));
}
