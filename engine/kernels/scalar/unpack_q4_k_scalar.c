/* SPDX-License-Identifier: MIT
 *
 * unpack_q4_k_scalar.c - rows of q4_k into a panel.
 */
#include "engine/kernels/kernel_list.h"
#include "engine/kernels/scalar/groups_scalar.h"
#include "engine/quant/q4_k.h"

void hl_unpack_q4_k_scalar(const void *w, size_t row_bytes, hl_panel *p) {
    hl_unpack_by_groups(w, row_bytes, p, hl_q4_k_format(), hl_q4_k_group);
}
