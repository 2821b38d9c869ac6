/* SPDX-License-Identifier: MIT
 *
 * f32_to_f16_avx2.c - a row of f32 to f16, 8 at a time.
 */
#include "engine/kernels/x86/vec_x86.h"

void hl_f32_to_f16_avx2(size_t n, const float *x, uint16_t *ret_y) {
    size_t i = 0;
    for (; i + 8 <= n; i += 8)
        _mm_storeu_si128((__m128i *)(void *)(ret_y + i), _mm256_cvtps_ph(_mm256_loadu_ps(x + i), 0));
    for (; i < n; i++) ret_y[i] = hl_f16_of_f32(x[i]);
}
