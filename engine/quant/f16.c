/* SPDX-License-Identifier: MIT
 *
 * f16.c - f16 to and from f32.
 */
#include "engine/quant/quant.h"

#include "engine/quant/float16.h"

void hl_to_f32_f16(const void *w, size_t n, float *ret_x) {
    const uint16_t *h = w;
    for (size_t i = 0; i < n; i++) ret_x[i] = hl_f32_of_f16(h[i]);
}

void hl_from_f32_f16(const float *x, size_t n, void *ret_w) {
    uint16_t *h = ret_w;
    for (size_t i = 0; i < n; i++) h[i] = hl_f16_of_f32(x[i]);
}
