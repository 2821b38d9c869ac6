/* SPDX-License-Identifier: MIT
 *
 * quantize_act_scalar.c - a row of activations to int8 with a scale and sums: the definition.
 */
#include "engine/kernels/kernel_list.h"

#include <float.h>
#include <math.h>

/* max |x| / 127; NaN when one of them is NaN or infinite. */
static float scale_of(const float *x) {
    float max = 0.0f;
    for (size_t j = 0; j < 32; j++) {
        if (!(fabsf(x[j]) <= FLT_MAX)) return NAN;
        max = fmaxf(max, fabsf(x[j]));
    }
    return max / 127.0f;
}

void hl_quantize_act_scalar(size_t n, const float *x, int8_t *ret_q, float *ret_d, int16_t *ret_sum16) {
    for (size_t i = 0; i < n / 32; i++, x += 32, ret_q += 32, ret_sum16 += 2) {
        const float d = scale_of(x);
        int         sum[2] = {0, 0};
        for (size_t j = 0; j < 32; j++) {
            const float v = d > 0.0f ? x[j] / d : 0.0f; /* past 127 only where d is subnormal */
            const long  q = lrintf(fminf(fmaxf(v, -127.0f), 127.0f));
            ret_q[j] = (int8_t)q;
            sum[j / 16] += (int)q;
        }
        ret_d[i] = d;
        ret_sum16[0] = (int16_t)sum[0];
        ret_sum16[1] = (int16_t)sum[1];
    }
}
