/* SPDX-License-Identifier: MIT
 *
 * q4_0.c - q4_0 to and from f32.
 *
 * Packing follows the formulas of the ggml repository's reference quantizer (ggml-quants.c, August 2026),
 * so that files come out the same.
 */
#include "engine/quant/q4_0.h"

#include "engine/quant/pack.h"
#include "engine/quant/quant.h"

void hl_to_f32_q4_0(const void *w, size_t n, float *ret_x) {
    hl_groups_to_f32(w, n, hl_q4_0_format(), hl_q4_0_group, ret_x);
}

/* The value of largest magnitude becomes code 0, whatever its sign: the range -8..7 is used in full. */
static void pack_block(const float *x, hl_block_q4_0 *b) {
    const float d = hl_largest(x, 32) / -8.0f;
    const float inverse = d != 0.0f ? 1.0f / d : 0.0f;
    b->d = hl_f16_of_f32(d);
    for (size_t j = 0; j < 16; j++)
        b->qs[j] = (uint8_t)(hl_to_code(x[j] * inverse + 8.5f, 15) |
                             hl_to_code(x[j + 16] * inverse + 8.5f, 15) << 4);
}

void hl_from_f32_q4_0(const float *x, size_t n, void *ret_w) {
    hl_block_q4_0 *b = ret_w;
    for (size_t i = 0; i < n / 32; i++) pack_block(x + 32 * i, &b[i]);
}
