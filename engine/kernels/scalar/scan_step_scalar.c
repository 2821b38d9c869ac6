/* SPDX-License-Identifier: MIT
 *
 * scan_step_scalar.c - one position of a state with one decay: the definition.
 */
#include "engine/kernels/state.h"

#include <math.h>

void hl_scan_step_scalar(size_t n_rows, size_t n_cols, float decay, const float *b, const float *c,
                         const float *x, float *state, float *ret_y) {
    for (size_t j = 0; j < n_cols; j++) ret_y[j] = 0.0f;
    for (size_t i = 0; i < n_rows; i++) {
        for (size_t j = 0; j < n_cols; j++) {
            float *s = &state[i * n_cols + j];
            *s = fmaf(b[i], x[j], *s * decay);
            ret_y[j] = fmaf(*s, c[i], ret_y[j]);
        }
    }
}
