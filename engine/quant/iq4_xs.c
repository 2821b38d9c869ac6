/* SPDX-License-Identifier: MIT
 *
 * iq4_xs.c - iq4_xs to f32.
 */
#include "engine/quant/iq4_xs.h"

#include "engine/quant/quant.h"

void hl_to_f32_iq4_xs(const void *w, size_t n, float *ret_x) {
    hl_groups_to_f32(w, n, hl_iq4_xs_format(), hl_iq4_xs_group, ret_x);
}
