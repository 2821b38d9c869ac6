/* SPDX-License-Identifier: MIT
 *
 * unpack_iq4_nl_avx2.c - rows of iq4_nl into a panel, eight at a time (rows8_avx2.h).
 */
#include "engine/kernels/kernel_list.h"
#include "engine/kernels/x86/codes_avx2.h"
#include "engine/quant/iq4_nl.h"

void hl_unpack_iq4_nl_avx2(const void *w, size_t row_bytes, hl_panel *p) {
    const hl_rows8 type = {hl_iq4_nl_format(), sizeof(hl_block_iq4_nl), 1, 1};
    hl_unpack_rows8(w, row_bytes, p, &type, hl_decode8_iq4_nl);
}
