/* SPDX-License-Identifier: MIT
 *
 * iq2_xxs.c - iq2_xxs to f32.
 */
#include "engine/quant/iq2_xxs.h"

#include "engine/quant/quant.h"

void hl_to_f32_iq2_xxs(const void *w, size_t n, float *ret_x) {
    hl_groups_to_f32(w, n, hl_iq2_xxs_format(), hl_iq2_xxs_group, ret_x);
}
