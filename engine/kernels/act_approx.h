/* SPDX-License-Identifier: MIT
 *
 * act_approx.h - activation functions from exp_approx.h, in a fixed order of operations that vector
 * versions follow per lane.
 */
#ifndef HL_ENGINE_KERNELS_ACT_APPROX_H
#define HL_ENGINE_KERNELS_ACT_APPROX_H

#include "engine/kernels/exp_approx.h"

static inline float hl_sigmoid_approx(float x) { return 1.0f / (1.0f + hl_exp_approx(-x)); }

/* x / (1 + e^-x) */
static inline float hl_silu_approx(float x) { return x / (1.0f + hl_exp_approx(-x)); }

#define HL_GELU_2SQRT2PI 1.5957691216057308f /* 2 * sqrt(2 / pi) */
#define HL_GELU_CUBIC    0.044715f

/* GELU by its tanh formula: x * (1 + tanh(u)) / 2 = x / (1 + e^-2u), u = sqrt(2/pi) * (x + 0.044715 x^3).
 * from: Hendrycks and Gimpel, Gaussian Error Linear Units, 2016 */
static inline float hl_gelu_approx(float x) {
    const float x2 = x * x;
    const float u2 = (x * HL_GELU_2SQRT2PI) * fmaf(x2, HL_GELU_CUBIC, 1.0f);
    return x / (1.0f + hl_exp_approx(-u2));
}

#endif
