/* SPDX-License-Identifier: MIT
 *
 * iq1_s.c - iq1_s to f32.
 */
#include "engine/quant/iq1_s.h"

#include "engine/quant/quant.h"

void hl_to_f32_iq1_s(const void *w, size_t n, float *ret_x) {
    hl_groups_to_f32(w, n, hl_iq1_s_format(), hl_iq1_s_group, ret_x);
}
