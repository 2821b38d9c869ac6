/* SPDX-License-Identifier: MIT
 *
 * unpack_iq4_xs_avx2.c - rows of iq4_xs into a panel, eight at a time (rows8_avx2.h).
 */
#include "engine/kernels/kernel_list.h"
#include "engine/kernels/x86/codes_avx2.h"
#include "engine/quant/iq4_xs.h"

void hl_unpack_iq4_xs_avx2(const void *w, size_t row_bytes, hl_panel *p) {
    const hl_rows8 type = {hl_iq4_xs_format(), sizeof(hl_block_iq4_xs), 8, 1};
    hl_unpack_rows8(w, row_bytes, p, &type, hl_decode8_iq4_xs);
}
