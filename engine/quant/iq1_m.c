/* SPDX-License-Identifier: MIT
 *
 * iq1_m.c - iq1_m to f32.
 */
#include "engine/quant/iq1_m.h"

#include "engine/quant/quant.h"

void hl_to_f32_iq1_m(const void *w, size_t n, float *ret_x) {
    hl_groups_to_f32(w, n, hl_iq1_m_format(), hl_iq1_m_group, ret_x);
}
