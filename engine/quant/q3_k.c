/* SPDX-License-Identifier: MIT
 *
 * q3_k.c - q3_k to f32.
 */
#include "engine/quant/q3_k.h"

#include "engine/quant/quant.h"

void hl_to_f32_q3_k(const void *w, size_t n, float *ret_x) {
    hl_groups_to_f32(w, n, hl_q3_k_format(), hl_q3_k_group, ret_x);
}
