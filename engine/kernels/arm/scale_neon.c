/* SPDX-License-Identifier: MIT
 *
 * scale_neon.c - y = x * s, 4 at a time.
 */
#include "engine/kernels/arm/vec_arm.h"

void hl_scale_neon(size_t n, const float *x, float s, float *ret_y) {
    for (size_t i = 0; i < n; i += 4)
        store_part_4(ret_y + i, n - i, vmulq_n_f32(load_part_4(x + i, n - i), s));
}
