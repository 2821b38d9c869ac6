/* SPDX-License-Identifier: MIT
 *
 * add_neon.c - y = a + b, 4 at a time.
 */
#include "engine/kernels/arm/vec_arm.h"

void hl_add_neon(size_t n, const float *a, const float *b, float *ret_y) {
    for (size_t i = 0; i < n; i += 4)
        store_part_4(ret_y + i, n - i, vaddq_f32(load_part_4(a + i, n - i), load_part_4(b + i, n - i)));
}
