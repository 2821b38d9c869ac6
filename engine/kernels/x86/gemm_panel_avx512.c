/* SPDX-License-Identifier: MIT
 *
 * gemm_panel_avx512.c - a panel times many tokens with vpmaddubsw and vpmaddwd.
 * exact? bit-equal to the scalar definition. limit: the multiply ports. Method: gemm_avx512.h
 */
#include "engine/kernels/kernel_list.h"
#include "engine/kernels/x86/maddubs_avx512.h"

#include "engine/kernels/x86/gemm_avx512.h"

void hl_gemm_panel_avx512(const hl_panel *p, const hl_act *x, float *y, size_t y_stride) {
    /* Large codes with scales of 16 columns: two types that hardly any such processor meets. */
    if (p->group == 16 && p->offset == 128)
        hl_gemm_panel_avx2(p, x, y, y_stride);
    else
        multiply_panel(p, x, y, y_stride);
}
