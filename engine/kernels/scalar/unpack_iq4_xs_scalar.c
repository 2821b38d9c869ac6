/* SPDX-License-Identifier: MIT
 *
 * unpack_iq4_xs_scalar.c - rows of iq4_xs into a panel.
 */
#include "engine/kernels/kernel_list.h"
#include "engine/kernels/scalar/groups_scalar.h"
#include "engine/quant/iq4_xs.h"

void hl_unpack_iq4_xs_scalar(const void *w, size_t row_bytes, hl_panel *p) {
    hl_unpack_by_groups(w, row_bytes, p, hl_iq4_xs_format(), hl_iq4_xs_group);
}
