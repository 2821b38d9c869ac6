/* SPDX-License-Identifier: MIT
 *
 * nvfp4.c - nvfp4 to f32.
 */
#include "engine/quant/nvfp4.h"

#include "engine/quant/quant.h"

void hl_to_f32_nvfp4(const void *w, size_t n, float *ret_x) {
    hl_groups_to_f32(w, n, hl_nvfp4_format(), hl_nvfp4_group, ret_x);
}
