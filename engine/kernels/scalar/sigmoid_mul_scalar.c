/* SPDX-License-Identifier: MIT
 *
 * sigmoid_mul_scalar.c - y = sigmoid(gate) * up.
 */
#include "engine/kernels/kernel_list.h"

#include "engine/kernels/act_approx.h"

void hl_sigmoid_mul_scalar(size_t n, const float *gate, const float *up, float *ret_y) {
    for (size_t i = 0; i < n; i++) ret_y[i] = hl_sigmoid_approx(gate[i]) * up[i];
}
