/* SPDX-License-Identifier: MIT
 *
 * add_low_rank_neon.c - an adapter's share of 32 results at a time, which stay in registers.
 */
#include "engine/kernels/arm/vec_arm.h"

enum { VECTORS = 8 };

void hl_add_low_rank_neon(size_t n, size_t rank, const float *b, size_t b_stride, const float *u, float s,
                          float *y) {
    size_t i = 0;
    for (; i + 4 * VECTORS <= n; i += 4 * VECTORS) {
        float32x4_t sums[VECTORS];
        for (size_t v = 0; v < VECTORS; v++) sums[v] = vld1q_f32(y + i + 4 * v);
        for (size_t k = 0; k < rank; k++) {
            const float      *at = b + k * b_stride + i;
            const float32x4_t share = vdupq_n_f32(u[k] * s);
            for (size_t v = 0; v < VECTORS; v++) sums[v] = vfmaq_f32(sums[v], vld1q_f32(at + 4 * v), share);
        }
        for (size_t v = 0; v < VECTORS; v++) vst1q_f32(y + i + 4 * v, sums[v]);
    }
    for (; i < n; i += 4) {
        float32x4_t sum = load_part_4(y + i, n - i);
        for (size_t k = 0; k < rank; k++)
            sum = vfmaq_f32(sum, load_part_4(b + k * b_stride + i, n - i), vdupq_n_f32(u[k] * s));
        store_part_4(y + i, n - i, sum);
    }
}
