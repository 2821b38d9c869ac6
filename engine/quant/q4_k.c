/* SPDX-License-Identifier: MIT
 *
 * q4_k.c - q4_k to f32.
 */
#include "engine/quant/q4_k.h"

#include "engine/quant/quant.h"

void hl_to_f32_q4_k(const void *w, size_t n, float *ret_x) {
    hl_groups_to_f32(w, n, hl_q4_k_format(), hl_q4_k_group, ret_x);
}
