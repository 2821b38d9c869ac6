/* SPDX-License-Identifier: MIT
 *
 * unpack_q5_0_scalar.c - rows of q5_0 into a panel.
 */
#include "engine/kernels/kernel_list.h"
#include "engine/kernels/scalar/groups_scalar.h"
#include "engine/quant/q5_0.h"

void hl_unpack_q5_0_scalar(const void *w, size_t row_bytes, hl_panel *p) {
    hl_unpack_by_groups(w, row_bytes, p, hl_q5_0_format(), hl_q5_0_group);
}
