/* SPDX-License-Identifier: MIT
 *
 * unpack_iq4_xs_neon.c - rows of iq4_xs into a panel, four at a time (rows4_neon.h).
 */
#include "engine/kernels/arm/codes_neon.h"
#include "engine/kernels/kernel_list.h"

void hl_unpack_iq4_xs_neon(const void *w, size_t row_bytes, hl_panel *p) {
    hl_unpack_rows4(w, row_bytes, p, HL_ROWS4(iq4_xs, 8));
}
