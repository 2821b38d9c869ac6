/* SPDX-License-Identifier: MIT
 *
 * gemm_panel_avxvnni.c - y = W x from a panel, for CPUs with a 256-bit vpdpbusd: gemm_avx2.h with
 * gemm_dot_avx2.h.
 *
 * exact?   yes: the bits of the scalar definition
 */
#define HL_DOT(acc, w, x) _mm256_dpbusd_avx_epi32(acc, w, x)
#include "engine/kernels/x86/gemm_dot_avx2.h"

void hl_gemm_panel_avxvnni(const hl_panel *p, const hl_act *x, float *y, size_t y_stride) {
    multiply_panel(p, x, y, y_stride);
}
