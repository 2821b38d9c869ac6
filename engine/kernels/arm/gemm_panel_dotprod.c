/* SPDX-License-Identifier: MIT
 *
 * gemm_panel_dotprod.c - y = W x from a panel, for arm64 CPUs with dot products: tiles of 8 rows and 6 tokens
 * (4 where 16 columns share a scale and twice as many sums are open), a lane is a row.
 *
 * method   SDOT by lane: one register holds 16 columns of a token, one of codes 4 columns of 4 rows
 * limit    arithmetic: 24 sums, 6 activations and 2 vectors of codes fill the 32 registers
 * exact?   yes: the bits of the scalar definition
 */
#include "engine/kernels/arm/dot_quad.h"
#include "engine/kernels/arm/gemm_neon.h"

HL_INLINE void dots(const panel_tile *a, size_t i, size_t s, size_t n_tokens, hl_code_format f,
                    int32x4_t isum[HL_TILE_TOKENS][HL_TILE_VECTORS]) {
    const uint8_t *codes = a->p->codes + (32 * i + 16 * s) * HL_PANEL_ROWS + 4 * a->row;
    HL_UNROLL for (size_t t = 0; t < n_tokens; t++) {
        const int32x2_t none = vdup_n_s32(0);
        const int32x2_t xsum = f.has_min || f.offset == 128 ? none : tile_xsum(a, i, t, f);
        isum[t][0] = isum[t][1] = start4(f, xsum, (int)s);
    }
    HL_UNROLL for (size_t h = 0; h < f.group / 16; h++) {
        int8x16_t x[HL_TILE_TOKENS];
        HL_UNROLL for (size_t t = 0; t < n_tokens; t++) x[t] =
            vld1q_s8(a->x->q + 32 * tile_at(a, i, t) + 16 * (s + h));
        HL_UNROLL for (size_t k = 0; k < 4; k++) {
            HL_UNROLL for (size_t v = 0; v < HL_TILE_VECTORS; v++) {
                uint8x16_t w = vld1q_u8(codes + (4 * h + k) * 4 * HL_PANEL_ROWS + 16 * v);
                if (f.offset == 128) w = veorq_u8(w, vdupq_n_u8(0x80));
                HL_UNROLL for (size_t t = 0; t < n_tokens; t++) isum[t][v] =
                    dot_quad(isum[t][v], vreinterpretq_s8_u8(w), x[t], k);
            }
        }
    }
}

HL_INLINE void run(const hl_panel *p, const hl_act *x, float *y, size_t y_stride, hl_code_format f) {
    const size_t step = f.group == 32 ? 6 : 4;
    for (size_t t = 0; t < x->n_tokens; t += step) {
        const size_t n = x->n_tokens - t < step ? x->n_tokens - t : step;
        for (size_t r = 0; r < p->n_rows; r += 8) {
            const panel_tile a = {p, x, r, t, 0, p->n_cols / 32, y + t * y_stride + r, y_stride, NULL, NULL};
            switch (n) {
            case 1: tile_run(&a, 1, f, dots); break;
            case 2: tile_run(&a, 2, f, dots); break;
            case 3: tile_run(&a, 3, f, dots); break;
            case 4: tile_run(&a, 4, f, dots); break;
            case 5: tile_run(&a, 5, f, dots); break;
            default: tile_run(&a, 6, f, dots); break;
            }
        }
    }
}

void hl_gemm_panel_dotprod(const hl_panel *p, const hl_act *x, float *y, size_t y_stride) {
    gemm_kinds(p, x, y, y_stride, run);
}
