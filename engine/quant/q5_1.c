/* SPDX-License-Identifier: MIT
 *
 * q5_1.c - q5_1 to and from f32.
 *
 * Packing follows the formulas of the ggml repository's reference quantizer (ggml-quants.c, August 2026),
 * so that files come out the same.
 */
#include "engine/quant/q5_1.h"

#include "engine/quant/pack.h"
#include "engine/quant/quant.h"

void hl_to_f32_q5_1(const void *w, size_t n, float *ret_x) {
    hl_groups_to_f32(w, n, hl_q5_1_format(), hl_q5_1_group, ret_x);
}

static void pack_block(const float *x, hl_block_q5_1 *b) {
    float    min, max;
    uint32_t high = 0;
    hl_min_max(x, 32, &min, &max);
    const float d = (max - min) / 31.0f;
    const float inverse = d != 0.0f ? 1.0f / d : 0.0f;
    b->d = hl_f16_of_f32(d);
    b->m = hl_f16_of_f32(min);
    for (size_t j = 0; j < 16; j++) {
        const unsigned lo = hl_to_code((x[j] - min) * inverse + 0.5f, 31);
        const unsigned hi = hl_to_code((x[j + 16] - min) * inverse + 0.5f, 31);
        b->qs[j] = (uint8_t)((lo & 15) | (hi & 15) << 4);
        high |= (lo >> 4) << j | (hi >> 4) << (j + 16);
    }
    for (size_t i = 0; i < 4; i++) b->qh[i] = (uint8_t)(high >> 8 * i);
}

void hl_from_f32_q5_1(const float *x, size_t n, void *ret_w) {
    hl_block_q5_1 *b = ret_w;
    for (size_t i = 0; i < n / 32; i++) pack_block(x + 32 * i, &b[i]);
}
