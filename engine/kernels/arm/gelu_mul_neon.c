/* SPDX-License-Identifier: MIT
 *
 * gelu_mul_neon.c - y = gelu(gate) * up, 4 at a time.
 */
#include "engine/kernels/arm/vec_arm.h"

void hl_gelu_mul_neon(size_t n, const float *gate, const float *up, float *ret_y) {
    for (size_t i = 0; i < n; i += 4) {
        const float32x4_t x = gelu_4(load_part_4(gate + i, n - i));
        store_part_4(ret_y + i, n - i, vmulq_f32(x, load_part_4(up + i, n - i)));
    }
}
