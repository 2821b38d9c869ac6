/* SPDX-License-Identifier: MIT
 *
 * q4_1.c - q4_1 to and from f32.
 *
 * Packing follows the formulas of the ggml repository's reference quantizer (ggml-quants.c, August 2026),
 * so that files come out the same.
 */
#include "engine/quant/q4_1.h"

#include "engine/quant/pack.h"
#include "engine/quant/quant.h"

void hl_to_f32_q4_1(const void *w, size_t n, float *ret_x) {
    hl_groups_to_f32(w, n, hl_q4_1_format(), hl_q4_1_group, ret_x);
}

static void pack_block(const float *x, hl_block_q4_1 *b) {
    float min, max;
    hl_min_max(x, 32, &min, &max);
    const float d = (max - min) / 15.0f;
    const float inverse = d != 0.0f ? 1.0f / d : 0.0f;
    b->d = hl_f16_of_f32(d);
    b->m = hl_f16_of_f32(min);
    for (size_t j = 0; j < 16; j++)
        b->qs[j] = (uint8_t)(hl_to_code((x[j] - min) * inverse + 0.5f, 15) |
                             hl_to_code((x[j + 16] - min) * inverse + 0.5f, 15) << 4);
}

void hl_from_f32_q4_1(const float *x, size_t n, void *ret_w) {
    hl_block_q4_1 *b = ret_w;
    for (size_t i = 0; i < n / 32; i++) pack_block(x + 32 * i, &b[i]);
}
