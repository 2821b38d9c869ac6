/* SPDX-License-Identifier: MIT
 *
 * iq3_s.c - iq3_s to f32.
 */
#include "engine/quant/iq3_s.h"

#include "engine/quant/quant.h"

void hl_to_f32_iq3_s(const void *w, size_t n, float *ret_x) {
    hl_groups_to_f32(w, n, hl_iq3_s_format(), hl_iq3_s_group, ret_x);
}
