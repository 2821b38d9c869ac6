/* SPDX-License-Identifier: MIT
 *
 * gemv_bf16_scalar.c - y = W x, W and x in bf16, for any number of tokens: the definition.
 *
 * Every lane takes part in every round of 16 columns, past the end with zeros, so that a masked load
 * gives the same bits.
 */
#include "engine/kernels/kernel_list.h"

#include <math.h>

#include "engine/kernels/scalar/lanes_scalar.h"
#include "engine/quant/float16.h"

static float dot(const uint16_t *w, const uint16_t *x, size_t n_cols) {
    float  lane[16] = {0};
    size_t c = 0;
    for (; c < n_cols; c++) lane[c % 16] = fmaf(hl_f32_of_bf16(w[c]), hl_f32_of_bf16(x[c]), lane[c % 16]);
    for (; c % 16 != 0; c++) lane[c % 16] = fmaf(0.0f, 0.0f, lane[c % 16]);
    return lanes_sum(lane);
}

void hl_gemv_bf16_scalar(size_t n_rows, const void *w, size_t row_bytes, const hl_act *x, float *y,
                         size_t y_stride) {
    for (size_t r = 0; r < n_rows; r++) {
        const uint16_t *row = (const void *)((const uint8_t *)w + r * row_bytes);
        for (size_t t = 0; t < x->n_tokens; t++)
            y[t * y_stride + r] = dot(row, x->bf16 + t * x->n_cols, x->n_cols);
    }
}
