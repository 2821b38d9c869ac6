/* SPDX-License-Identifier: MIT
 *
 * iq2_xs.c - iq2_xs to f32.
 */
#include "engine/quant/iq2_xs.h"

#include "engine/quant/quant.h"

void hl_to_f32_iq2_xs(const void *w, size_t n, float *ret_x) {
    hl_groups_to_f32(w, n, hl_iq2_xs_format(), hl_iq2_xs_group, ret_x);
}
