/* SPDX-License-Identifier: MIT
 *
 * select_step_avx2.c - one position of a selective scan, 8 columns in a vector.
 */
#include "engine/kernels/state.h"
#include "engine/kernels/x86/vec_x86.h"

void hl_select_step_avx2(size_t n_rows, size_t n_cols, const float *dt, const float *a, size_t a_stride,
                         const float *b, const float *c, const float *x, float *state, float *ret_y) {
    for (size_t j = 0; j < n_cols; j += 8) {
        const __m256 in = _mm256_loadu_ps(x + j), t = _mm256_loadu_ps(dt + j);
        __m256       y = _mm256_setzero_ps();
        for (size_t i = 0; i < n_rows; i++) {
            float       *at = state + i * n_cols + j;
            const __m256 g = exp_8(_mm256_mul_ps(t, _mm256_loadu_ps(a + i * a_stride + j)));
            const __m256 s = _mm256_fmadd_ps(_mm256_set1_ps(b[i]), in, _mm256_mul_ps(_mm256_loadu_ps(at), g));
            _mm256_storeu_ps(at, s);
            y = _mm256_fmadd_ps(s, _mm256_set1_ps(c[i]), y);
        }
        _mm256_storeu_ps(ret_y + j, y);
    }
}
