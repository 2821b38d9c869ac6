/* SPDX-License-Identifier: MIT
 *
 * unpack_q6_k_avx2.c - rows of q6_k into a panel, eight at a time (unpack8_avx2.h).
 */
#include "engine/kernels/kernel_list.h"
#include "engine/kernels/x86/unpack8_avx2.h"
#include "engine/quant/q6_k.h"

void hl_unpack_q6_k_avx2(const void *w, size_t row_bytes, hl_panel *p) {
    hl_unpack_rows8(w, row_bytes, p, hl_q6_k_format(), sizeof(hl_block_q6_k), 8, hl_codes8_q6_k);
}
