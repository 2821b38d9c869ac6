/* SPDX-License-Identifier: MIT
 *
 * rope_scalar.c - rotate the leading dimensions of one head.
 */
#include "engine/kernels/kernel_list.h"

#include <math.h>

void hl_rope_scalar(size_t n_rot, bool halves, const float *cos_sin, float *x) {
    for (size_t i = 0; i < n_rot / 2; i++) {
        const size_t a = halves ? i : 2 * i;
        const size_t b = halves ? i + n_rot / 2 : 2 * i + 1;
        const float  c = cos_sin[2 * i];
        const float  s = cos_sin[2 * i + 1];
        const float  xa = x[a];
        const float  xb = x[b];
        x[a] = fmaf(-xb, s, xa * c);
        x[b] = fmaf(xb, c, xa * s);
    }
}
