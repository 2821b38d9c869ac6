/* SPDX-License-Identifier: MIT
 *
 * q5_0.c - q5_0 to and from f32.
 *
 * Packing follows the formulas of the ggml repository's reference quantizer (ggml-quants.c, August 2026),
 * so that files come out the same.
 */
#include "engine/quant/q5_0.h"

#include "engine/quant/pack.h"
#include "engine/quant/quant.h"

void hl_to_f32_q5_0(const void *w, size_t n, float *ret_x) {
    hl_groups_to_f32(w, n, hl_q5_0_format(), hl_q5_0_group, ret_x);
}

/* The value of largest magnitude becomes code 0, whatever its sign: the range -16..15 is used in full. */
static void pack_block(const float *x, hl_block_q5_0 *b) {
    const float d = hl_largest(x, 32) / -16.0f;
    const float inverse = d != 0.0f ? 1.0f / d : 0.0f;
    uint32_t    high = 0;
    b->d = hl_f16_of_f32(d);
    for (size_t j = 0; j < 16; j++) {
        const unsigned lo = hl_to_code(x[j] * inverse + 16.5f, 31);
        const unsigned hi = hl_to_code(x[j + 16] * inverse + 16.5f, 31);
        b->qs[j] = (uint8_t)((lo & 15) | (hi & 15) << 4);
        high |= (lo >> 4) << j | (hi >> 4) << (j + 16);
    }
    for (size_t i = 0; i < 4; i++) b->qh[i] = (uint8_t)(high >> 8 * i);
}

void hl_from_f32_q5_0(const float *x, size_t n, void *ret_w) {
    hl_block_q5_0 *b = ret_w;
    for (size_t i = 0; i < n / 32; i++) pack_block(x + 32 * i, &b[i]);
}
