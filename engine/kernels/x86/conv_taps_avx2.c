/* SPDX-License-Identifier: MIT
 *
 * conv_taps_avx2.c - one position of a causal convolution, 8 channels at a time.
 */
#include "engine/kernels/state.h"
#include "engine/kernels/x86/vec_x86.h"

void hl_conv_taps_avx2(size_t n, size_t n_taps, const float *const *u, const float *w, const float *bias,
                       float *ret_y) {
    for (size_t i = 0; i < n; i += 8) {
        __m256 y = bias ? load_part_8(bias + i, n - i) : _mm256_setzero_ps();
        for (size_t t = 0; t < n_taps; t++)
            y = _mm256_fmadd_ps(load_part_8(w + t * n + i, n - i), load_part_8(u[t] + i, n - i), y);
        store_part_8(ret_y + i, n - i, y);
    }
}
