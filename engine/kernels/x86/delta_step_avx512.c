/* SPDX-License-Identifier: MIT
 *
 * delta_step_avx512.c - one position of the gated delta rule, 16 columns in a vector.
 */
#include "engine/kernels/x86/state_x86.h"

void hl_delta_step_avx512(size_t n_rows, size_t n_cols, const float *decay, const float *key,
                          const float *query, const float *v, float beta, float *state, float *ret_o) {
    delta_step(n_rows, n_cols, decay, key, query, v, beta, state, ret_o);
}
