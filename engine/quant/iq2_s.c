/* SPDX-License-Identifier: MIT
 *
 * iq2_s.c - iq2_s to f32.
 */
#include "engine/quant/iq2_s.h"

#include "engine/quant/quant.h"

void hl_to_f32_iq2_s(const void *w, size_t n, float *ret_x) {
    hl_groups_to_f32(w, n, hl_iq2_s_format(), hl_iq2_s_group, ret_x);
}
