/* SPDX-License-Identifier: MIT
 *
 * unpack_q6_k_avx2.c - rows of q6_k into a panel, eight at a time (rows8_avx2.h).
 */
#include "engine/kernels/kernel_list.h"
#include "engine/kernels/x86/codes_avx2.h"
#include "engine/quant/q6_k.h"

void hl_unpack_q6_k_avx2(const void *w, size_t row_bytes, hl_panel *p) {
    const hl_rows8 type = {hl_q6_k_format(), sizeof(hl_block_q6_k), 8, 2};
    hl_unpack_rows8(w, row_bytes, p, &type, hl_decode8_q6_k);
}
