/* SPDX-License-Identifier: MIT
 *
 * q5_k.c - q5_k to f32.
 */
#include "engine/quant/q5_k.h"

#include "engine/quant/quant.h"

void hl_to_f32_q5_k(const void *w, size_t n, float *ret_x) {
    hl_groups_to_f32(w, n, hl_q5_k_format(), hl_q5_k_group, ret_x);
}
