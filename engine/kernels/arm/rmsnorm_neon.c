/* SPDX-License-Identifier: MIT
 *
 * rmsnorm_neon.c - root mean square norm; four vectors are the 16 lanes of the definition.
 */
#include "engine/kernels/arm/vec_arm.h"

void hl_rmsnorm_neon(size_t n, const float *x, const float *weight, float eps, float *ret_y) {
    float32x4_t lanes[4] = {vdupq_n_f32(0), vdupq_n_f32(0), vdupq_n_f32(0), vdupq_n_f32(0)};
    size_t      i = 0;
    for (; i + 16 <= n; i += 16) {
        for (size_t j = 0; j < 4; j++) {
            const float32x4_t a = vld1q_f32(x + i + j * 4);
            lanes[j] = vfmaq_f32(lanes[j], a, a);
        }
    }
    for (size_t j = 0; i < n; i += 4, j++) {
        const float32x4_t a = load_part_4(x + i, n - i);
        lanes[j] = vfmaq_f32(lanes[j], a, a);
    }
    const float32x4_t r = vdupq_n_f32(1.0f / sqrtf(sum_lanes_4(lanes) / (float)n + eps));
    for (i = 0; i < n; i += 4) {
        float32x4_t y = vmulq_f32(load_part_4(x + i, n - i), r);
        if (weight != NULL) y = vmulq_f32(y, load_part_4(weight + i, n - i));
        store_part_4(ret_y + i, n - i, y);
    }
}
