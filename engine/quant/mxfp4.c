/* SPDX-License-Identifier: MIT
 *
 * mxfp4.c - mxfp4 to f32.
 */
#include "engine/quant/mxfp4.h"

#include "engine/quant/quant.h"

void hl_to_f32_mxfp4(const void *w, size_t n, float *ret_x) {
    hl_groups_to_f32(w, n, hl_mxfp4_format(), hl_mxfp4_group, ret_x);
}
