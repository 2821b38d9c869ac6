/* SPDX-License-Identifier: MIT
 *
 * kv_values_scalar.c - the definition of values that are the first columns of keys (layouts: attend.h): the
 * same numbers, in rows of positions.
 */
#include <string.h>

#include "engine/kernels/kernel_list.h"

static void turn_q8_0(size_t head_dim, size_t n_cols, const uint8_t *page, uint8_t *ret) {
    const size_t    n_groups = hl_kv_n_groups(head_dim);
    const uint16_t *k_d = (const uint16_t *)(const void *)(page + HL_KV_PAGE_TOKENS * head_dim);
    uint16_t       *v_d = (uint16_t *)(void *)(ret + HL_KV_PAGE_TOKENS * head_dim);
    for (size_t slot = 0; slot < HL_KV_PAGE_TOKENS; slot++) {
        for (size_t c = 0; c < n_cols; c++)
            ret[slot * head_dim + c] = (uint8_t)(page[(c / 4 * HL_KV_PAGE_TOKENS + slot) * 4 + c % 4] ^ 0x80);
        for (size_t g = 0; g < hl_kv_n_groups(n_cols); g++)
            v_d[slot * n_groups + g] = k_d[g * HL_KV_PAGE_TOKENS + slot];
    }
}

void hl_kv_values_scalar(hl_kv_cache_type type, size_t head_dim, size_t n_cols, const uint8_t *page,
                         uint8_t *ret_values) {
    if (type == HL_KV_CACHE_Q8_0) {
        turn_q8_0(head_dim, n_cols, page, ret_values);
        return;
    }
    const size_t n = type == HL_KV_CACHE_F32 ? 4 : 2;
    for (size_t slot = 0; slot < HL_KV_PAGE_TOKENS; slot++)
        for (size_t c = 0; c < n_cols; c++)
            memcpy(ret_values + (slot * head_dim + c) * n, page + (c * HL_KV_PAGE_TOKENS + slot) * n, n);
}
