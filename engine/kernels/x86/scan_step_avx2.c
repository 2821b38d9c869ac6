/* SPDX-License-Identifier: MIT
 *
 * scan_step_avx2.c - one position of a state with one decay, 8 columns in a vector.
 */
#include "engine/kernels/x86/state_x86.h"

void hl_scan_step_avx2(size_t n_rows, size_t n_cols, float decay, const float *b, const float *c,
                       const float *x, float *state, float *ret_y) {
    scan_step(n_rows, n_cols, decay, b, c, x, state, ret_y);
}
