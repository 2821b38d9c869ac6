/* SPDX-License-Identifier: MIT
 *
 * select_step_scalar.c - one position of a selective scan: the definition.
 */
#include "engine/kernels/state.h"

#include "engine/kernels/exp_approx.h"

void hl_select_step_scalar(size_t n_rows, size_t n_cols, const float *dt, const float *a, size_t a_stride,
                           const float *b, const float *c, const float *x, float *state, float *ret_y) {
    for (size_t j = 0; j < n_cols; j++) ret_y[j] = 0.0f;
    for (size_t i = 0; i < n_rows; i++) {
        for (size_t j = 0; j < n_cols; j++) {
            float *s = &state[i * n_cols + j];
            *s = fmaf(b[i], x[j], *s * hl_exp_approx(dt[j] * a[i * a_stride + j]));
            ret_y[j] = fmaf(*s, c[i], ret_y[j]);
        }
    }
}
