/* SPDX-License-Identifier: MIT
 *
 * unpack_iq4_xs_avx2.c - rows of iq4_xs into a panel, eight at a time (unpack8_avx2.h).
 */
#include "engine/kernels/kernel_list.h"
#include "engine/kernels/x86/unpack8_avx2.h"
#include "engine/quant/iq4_xs.h"

void hl_unpack_iq4_xs_avx2(const void *w, size_t row_bytes, hl_panel *p) {
    hl_unpack_rows8(w, row_bytes, p, hl_iq4_xs_format(), sizeof(hl_block_iq4_xs), 8, hl_codes8_iq4_xs);
}
