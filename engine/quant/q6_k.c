/* SPDX-License-Identifier: MIT
 *
 * q6_k.c - q6_k to f32.
 */
#include "engine/quant/q6_k.h"

#include "engine/quant/quant.h"

void hl_to_f32_q6_k(const void *w, size_t n, float *ret_x) {
    hl_groups_to_f32(w, n, hl_q6_k_format(), hl_q6_k_group, ret_x);
}
