/* SPDX-License-Identifier: MIT
 *
 * sigmoid_mul_avx2.c - y = sigmoid(gate) * up, 8 at a time.
 */
#include "engine/kernels/x86/vec_x86.h"

void hl_sigmoid_mul_avx2(size_t n, const float *gate, const float *up, float *ret_y) {
    for (size_t i = 0; i < n; i += 8) {
        __m256 x = gate_8(_mm256_set1_ps(1.0f), load_part_8(gate + i, n - i));
        store_part_8(ret_y + i, n - i, _mm256_mul_ps(x, load_part_8(up + i, n - i)));
    }
}
