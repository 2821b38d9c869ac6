/* SPDX-License-Identifier: MIT
 *
 * all_finite_neon.c - is every element a finite number: the largest magnitude, as bits, tells.
 */
#include "engine/kernels/arm/vec_arm.h"

bool hl_all_finite_neon(size_t n, const float *x) {
    uint32x4_t max[2] = {vdupq_n_u32(0), vdupq_n_u32(0)};
    size_t     i = 0;
    for (; i + 8 <= n; i += 8)
        for (size_t j = 0; j < 2; j++) max[j] = vmaxq_u32(max[j], abs_bits_4(vld1q_f32(x + i + j * 4)));
    for (; i < n; i += 4) max[0] = vmaxq_u32(max[0], abs_bits_4(load_part_4(x + i, n - i)));
    return are_finite_4(vmaxq_u32(max[0], max[1]));
}
