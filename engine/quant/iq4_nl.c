/* SPDX-License-Identifier: MIT
 *
 * iq4_nl.c - iq4_nl to f32.
 */
#include "engine/quant/iq4_nl.h"

#include "engine/quant/quant.h"

void hl_to_f32_iq4_nl(const void *w, size_t n, float *ret_x) {
    hl_groups_to_f32(w, n, hl_iq4_nl_format(), hl_iq4_nl_group, ret_x);
}
