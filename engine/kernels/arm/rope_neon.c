/* SPDX-License-Identifier: MIT
 *
 * rope_neon.c - rotate the leading dimensions of one head, 4 pairs at a time.
 */
#include "engine/kernels/arm/vec_arm.h"

void hl_rope_neon(size_t n_rot, bool halves, const float *cos_sin, float *x) {
    const size_t half = n_rot / 2;
    size_t       i = 0;
    for (; i + 4 <= half; i += 4) {
        const float32x4x2_t cs = vld2q_f32(cos_sin + 2 * i);
        float32x4x2_t       p;
        if (halves)
            p.val[0] = vld1q_f32(x + i), p.val[1] = vld1q_f32(x + half + i);
        else
            p = vld2q_f32(x + 2 * i);
        const float32x4x2_t y = {{vfmsq_f32(vmulq_f32(p.val[0], cs.val[0]), p.val[1], cs.val[1]),
                                  vfmaq_f32(vmulq_f32(p.val[0], cs.val[1]), p.val[1], cs.val[0])}};
        if (halves)
            vst1q_f32(x + i, y.val[0]), vst1q_f32(x + half + i, y.val[1]);
        else
            vst2q_f32(x + 2 * i, y);
    }
    for (; i < half; i++) {
        float      *a = x + (halves ? i : 2 * i), *b = x + (halves ? i + half : 2 * i + 1);
        const float xa = *a, xb = *b, c = cos_sin[2 * i], s = cos_sin[2 * i + 1];
        *a = fmaf(-xb, s, xa * c);
        *b = fmaf(xb, c, xa * s);
    }
}
