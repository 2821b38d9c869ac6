/* SPDX-License-Identifier: MIT
 *
 * gelu_mul_avx2.c - y = gelu(gate) * up, 8 at a time.
 */
#include "engine/kernels/x86/vec_x86.h"

void hl_gelu_mul_avx2(size_t n, const float *gate, const float *up, float *ret_y) {
    for (size_t i = 0; i < n; i += 8) {
        __m256 x = hl_gelu_8(hl_load_8(gate + i, n - i));
        hl_store_8(ret_y + i, n - i, _mm256_mul_ps(x, hl_load_8(up + i, n - i)));
    }
}
