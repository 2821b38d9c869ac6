/* SPDX-License-Identifier: MIT
 *
 * delta_step_scalar.c - one position of the gated delta rule: the definition.
 */
#include "engine/kernels/state.h"

#include <math.h>

void hl_delta_step_scalar(size_t n_rows, size_t n_cols, const float *decay, const float *key,
                          const float *query, const float *v, float beta, float *state, float *ret_o) {
    float d[HL_STATE_COLS_CAP] = {0};
    for (size_t i = 0; i < n_rows; i++)
        for (size_t j = 0; j < n_cols; j++) d[j] = fmaf(state[i * n_cols + j] * decay[i], key[i], d[j]);
    for (size_t j = 0; j < n_cols; j++) {
        d[j] = (v[j] - d[j]) * beta;
        ret_o[j] = 0.0f;
    }
    for (size_t i = 0; i < n_rows; i++) {
        for (size_t j = 0; j < n_cols; j++) {
            float *s = &state[i * n_cols + j];
            *s = fmaf(key[i], d[j], *s * decay[i]);
            ret_o[j] = fmaf(*s, query[i], ret_o[j]);
        }
    }
}
