/* SPDX-License-Identifier: MIT
 *
 * unpack_q8_0_avx2.c - rows of q8_0 into a panel, eight at a time (unpack8_avx2.h).
 */
#include "engine/kernels/kernel_list.h"
#include "engine/kernels/x86/unpack8_avx2.h"
#include "engine/quant/q8_0.h"

void hl_unpack_q8_0_avx2(const void *w, size_t row_bytes, hl_panel *p) {
    hl_unpack_rows8(w, row_bytes, p, hl_q8_0_format(), sizeof(hl_block_q8_0), 1, hl_codes8_q8_0);
}
