/* SPDX-License-Identifier: MIT
 *
 * conv_taps_scalar.c - one position of a causal convolution.
 */
#include "engine/kernels/state.h"

#include <math.h>

void hl_conv_taps_scalar(size_t n, size_t n_taps, const float *const *u, const float *w, const float *bias,
                         float *ret_y) {
    for (size_t i = 0; i < n; i++) {
        float y = bias ? bias[i] : 0.0f;
        for (size_t t = 0; t < n_taps; t++) y = fmaf(w[t * n + i], u[t][i], y);
        ret_y[i] = y;
    }
}
