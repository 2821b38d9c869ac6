/* SPDX-License-Identifier: MIT
 *
 * unpack_q4_1_avx2.c - rows of q4_1 into a panel, eight at a time (rows8_avx2.h).
 */
#include "engine/kernels/kernel_list.h"
#include "engine/kernels/x86/codes_avx2.h"
#include "engine/quant/q4_1.h"

void hl_unpack_q4_1_avx2(const void *w, size_t row_bytes, hl_panel *p) {
    const hl_rows8 type = {hl_q4_1_format(), sizeof(hl_block_q4_1), 1, 8};
    hl_unpack_rows8(w, row_bytes, p, &type, hl_decode8_q4_1);
}
