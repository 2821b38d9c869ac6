/* SPDX-License-Identifier: MIT
 *
 * softmax_neon.c - x = softmax(x * s + bias) in place; four vectors are the 16 lanes of the definition.
 */
#include "engine/kernels/arm/vec_arm.h"

/* Scale, add the bias, and return the maximum; NaN does not count. */
static float scale_row(size_t n, float *x, float s, const float *bias) {
    const float32x4_t none = vdupq_n_f32(-INFINITY), s4 = vdupq_n_f32(s);
    float32x4_t       max = none;
    for (size_t i = 0; i < n; i += 4) {
        float32x4_t y = load_part_4(x + i, n - i);
        y = bias != NULL ? vfmaq_f32(load_part_4(bias + i, n - i), y, s4) : vmulq_f32(y, s4);
        store_part_4(x + i, n - i, y);
        max = vmaxnmq_f32(max, vbslq_f32(mask_4(n - i), y, none));
    }
    return vmaxnmvq_f32(max);
}

void hl_softmax_neon(size_t n, float *x, float s, const float *bias) {
    float max = scale_row(n, x, s, bias);
    if (max == -INFINITY) max = 0.0f;
    const float32x4_t max4 = vdupq_n_f32(max), zero = vdupq_n_f32(0);
    float32x4_t       lanes[4] = {zero, zero, zero, zero};
    for (size_t i = 0; i < n; i += 4) {
        const float32x4_t e = exp_4(vsubq_f32(load_part_4(x + i, n - i), max4));
        const float32x4_t p = vbslq_f32(mask_4(n - i), e, zero);
        lanes[i / 4 % 4] = vaddq_f32(lanes[i / 4 % 4], p);
        store_part_4(x + i, n - i, p);
    }
    const float       total = sum_lanes_4(lanes);
    const float32x4_t inverse = vdupq_n_f32(total > 0.0f ? 1.0f / total : 0.0f);
    for (size_t i = 0; i < n; i += 4)
        store_part_4(x + i, n - i, vmulq_f32(load_part_4(x + i, n - i), inverse));
}
