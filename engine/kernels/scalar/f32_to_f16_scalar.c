/* SPDX-License-Identifier: MIT
 *
 * f32_to_f16_scalar.c - a row of f32 to f16, to nearest even.
 */
#include "engine/kernels/kernel_list.h"

#include "engine/quant/float16.h"

void hl_f32_to_f16_scalar(size_t n, const float *x, uint16_t *ret_y) {
    for (size_t i = 0; i < n; i++) ret_y[i] = hl_f16_of_f32(x[i]);
}
