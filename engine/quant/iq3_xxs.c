/* SPDX-License-Identifier: MIT
 *
 * iq3_xxs.c - iq3_xxs to f32.
 */
#include "engine/quant/iq3_xxs.h"

#include "engine/quant/quant.h"

void hl_to_f32_iq3_xxs(const void *w, size_t n, float *ret_x) {
    hl_groups_to_f32(w, n, hl_iq3_xxs_format(), hl_iq3_xxs_group, ret_x);
}
