/* SPDX-License-Identifier: MIT
 *
 * unpack_mxfp4_avx2.c - rows of mxfp4 into a panel, eight at a time (unpack8_avx2.h).
 */
#include "engine/kernels/kernel_list.h"
#include "engine/kernels/x86/unpack8_avx2.h"
#include "engine/quant/mxfp4.h"

void hl_unpack_mxfp4_avx2(const void *w, size_t row_bytes, hl_panel *p) {
    hl_unpack_rows8(w, row_bytes, p, hl_mxfp4_format(), sizeof(hl_block_mxfp4), 1, hl_codes8_mxfp4);
}
