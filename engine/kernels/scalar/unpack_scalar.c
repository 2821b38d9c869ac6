/* SPDX-License-Identifier: MIT
 *
 * unpack_scalar.c - rows into a panel. Compiled once per quantized weight type.
 */
#include "engine/kernels/scalar/groups_scalar.h"
#include "engine/kernels/wtype.h"
#include HL_LAYOUT_H

void HL_KERNEL_NAME(unpack, scalar)(const void *w, size_t row_bytes, hl_panel *p) {
    unpack_by_groups(w, row_bytes, p, HL_WTYPE_FORMAT, HL_DECODE_GROUP);
}
