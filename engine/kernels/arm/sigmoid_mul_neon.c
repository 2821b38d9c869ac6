/* SPDX-License-Identifier: MIT
 *
 * sigmoid_mul_neon.c - y = sigmoid(gate) * up, 4 at a time.
 */
#include "engine/kernels/arm/vec_arm.h"

void hl_sigmoid_mul_neon(size_t n, const float *gate, const float *up, float *ret_y) {
    for (size_t i = 0; i < n; i += 4) {
        const float32x4_t x = gate_4(vdupq_n_f32(1.0f), load_part_4(gate + i, n - i));
        store_part_4(ret_y + i, n - i, vmulq_f32(x, load_part_4(up + i, n - i)));
    }
}
