/* SPDX-License-Identifier: MIT
 *
 * q2_k.c - q2_k to f32.
 */
#include "engine/quant/q2_k.h"

#include "engine/quant/quant.h"

void hl_to_f32_q2_k(const void *w, size_t n, float *ret_x) {
    hl_groups_to_f32(w, n, hl_q2_k_format(), hl_q2_k_group, ret_x);
}
