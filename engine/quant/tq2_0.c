/* SPDX-License-Identifier: MIT
 *
 * tq2_0.c - tq2_0 to f32.
 */
#include "engine/quant/tq2_0.h"

#include "engine/quant/quant.h"

void hl_to_f32_tq2_0(const void *w, size_t n, float *ret_x) {
    hl_groups_to_f32(w, n, hl_tq2_0_format(), hl_tq2_0_group, ret_x);
}
