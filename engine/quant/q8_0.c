/* SPDX-License-Identifier: MIT
 *
 * q8_0.c - q8_0 to and from f32.
 *
 * Packing follows the formulas of the ggml repository's reference quantizer (ggml-quants.c, August 2026),
 * so that files come out the same.
 */
#include "engine/quant/q8_0.h"

#include <math.h>

#include "engine/quant/pack.h"
#include "engine/quant/quant.h"

void hl_to_f32_q8_0(const void *w, size_t n, float *ret_x) {
    hl_groups_to_f32(w, n, hl_q8_0_format(), hl_q8_0_group, ret_x);
}

static void pack_block(const float *x, hl_block_q8_0 *b) {
    const float d = fabsf(hl_largest(x, 32)) / 127.0f;
    const float inverse = d != 0.0f ? 1.0f / d : 0.0f;
    b->d = hl_f16_of_f32(d);
    for (size_t j = 0; j < 32; j++) {
        const float q = roundf(x[j] * inverse);
        b->qs[j] = (int8_t)(q >= 127.0f ? 127 : q >= -127.0f ? (int)q : -127); /* NaN: -127 */
    }
}

void hl_from_f32_q8_0(const float *x, size_t n, void *ret_w) {
    hl_block_q8_0 *b = ret_w;
    for (size_t i = 0; i < n / 32; i++) pack_block(x + 32 * i, &b[i]);
}
