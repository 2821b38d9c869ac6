/* SPDX-License-Identifier: MIT
 *
 * unpack_mxfp4_scalar.c - rows of mxfp4 into a panel.
 */
#include "engine/kernels/kernel_list.h"
#include "engine/kernels/scalar/groups_scalar.h"
#include "engine/quant/mxfp4.h"

void hl_unpack_mxfp4_scalar(const void *w, size_t row_bytes, hl_panel *p) {
    hl_unpack_by_groups(w, row_bytes, p, hl_mxfp4_format(), hl_mxfp4_group);
}
