/* SPDX-License-Identifier: MIT
 *
 * gemm_dot_avx2.h - gemm_avx2.h for an instruction that adds four products of u8 and i8 to 32 bits.
 *
 * The including file defines HL_DOT(acc, w, x): that instruction, or what gives the same sums.
 *
 * limit    Intel's ports 0 and 1, which alone multiply: 8 products, scale, minimum and last sum are 11 of
 *          them per 8 rows x 32 columns of q4_k and token. Sums become floats by an addition, which port 5
 *          does, too.
 */
#ifndef HL_ENGINE_KERNELS_X86_GEMM_DOT_AVX2_H
#define HL_ENGINE_KERNELS_X86_GEMM_DOT_AVX2_H

#ifndef HL_TILE_TOKENS
#define HL_TILE_TOKENS 5
#endif
#ifndef HL_TILE_VECTORS
#define HL_TILE_VECTORS 2
#endif
#include "engine/kernels/x86/gemm_avx2.h"

HL_INLINE void dot_columns(const uint8_t *codes, const int8_t *q, size_t x_cols, size_t n_tokens,
                           panel_kind k, const int32_t *start, size_t start_stride,
                           __m256i isum[HL_TILE_TOKENS][HL_TILE_VECTORS]) {
    HL_UNROLL for (size_t t = 0; t < n_tokens; t++) HL_UNROLL for (size_t v = 0; v < HL_TILE_VECTORS; v++)
        isum[t][v] = _mm256_set1_epi32(k.has_min ? SUM_BIAS : start[t * start_stride]);
    HL_UNROLL for (size_t j = 0; j < k.group / 4; j++) {
        __m256i w[HL_TILE_VECTORS];
        HL_UNROLL for (size_t v = 0; v < HL_TILE_VECTORS; v++) w[v] =
            load_codes(codes + j * 4 * HL_PANEL_ROWS, v);
        HL_UNROLL for (size_t t = 0; t < n_tokens; t++) {
            const __m256i x = set_quad(q + t * x_cols + 4 * j);
            HL_UNROLL for (size_t v = 0; v < HL_TILE_VECTORS; v++) {
                isum[t][v] = HL_DOT(isum[t][v], w[v], x);
                KEEP(isum[t][v]);
            }
        }
    }
}

HL_INLINE void multiply_panel(const hl_panel *p, const hl_act *x, float *y, size_t y_stride) {
    if (p->group == 16 && p->has_min)
        run_panel(p, x, y, y_stride, (panel_kind){16, true, 0});
    else if (p->group == 16)
        run_panel(p, x, y, y_stride, (panel_kind){16, false, 0});
    else if (p->has_min)
        run_panel(p, x, y, y_stride, (panel_kind){32, true, 0});
    else
        run_panel(p, x, y, y_stride, (panel_kind){32, false, 0});
}

#endif
