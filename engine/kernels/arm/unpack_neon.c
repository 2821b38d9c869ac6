/* SPDX-License-Identifier: MIT
 *
 * unpack_neon.c - rows into a panel, four at a time. Compiled once per weight type.
 *
 * method   rows4_neon.h
 * exact?   yes: the panel of the scalar definition
 */
#include "engine/kernels/arm/decode_neon.h"
#include "engine/kernels/wtype.h"

void HL_KERNEL_NAME(unpack, neon)(const void *w, size_t row_bytes, hl_panel *p) {
    unpack_rows4(w, row_bytes, p, HL_ROWS4);
}
