/* SPDX-License-Identifier: MIT
 *
 * gemm_panel_neon.c - y = W x from a panel, for any arm64 CPU: tiles of 8 rows and 3 tokens, a lane is a row.
 *
 * method   four columns of two rows times the same columns of a token, widened to 16 bits, where the sums of
 *          a group fit: 8 * 31 * 127, 4 * 63 * 127; of codes above 127, with 128 taken off, two products fit
 * limit    arithmetic
 * exact?   yes: the bits of the scalar definition
 */
#include "engine/kernels/arm/gemm_neon.h"

enum { TOKENS = 3 };

HL_INLINE int8x16_t load_codes(const uint8_t *codes, size_t k, size_t v, bool is_signed) {
    const uint8x16_t w = vld1q_u8(codes + k * 4 * HL_PANEL_ROWS + 16 * v);
    return vreinterpretq_s8_u8(is_signed ? veorq_u8(w, vdupq_n_u8(0x80)) : w);
}

/* Columns 4k .. 4k + 3 in all four places. */
HL_INLINE int8x16_t load_quad(const int8_t *q, size_t k) {
    int32_t x;
    memcpy(&x, q + 4 * k, sizeof x);
    return vreinterpretq_s8_s32(vdupq_n_s32(x));
}

HL_INLINE void dots(const panel_tile *a, size_t i, size_t s, size_t n_tokens, hl_code_format f,
                    int32x4_t isum[HL_TILE_TOKENS][HL_TILE_VECTORS]) {
    const bool     is_signed = f.offset == 128;
    const size_t   n_quads = f.group / 4, step = is_signed ? 2 : n_quads;
    const uint8_t *codes = a->p->codes + (32 * i + 16 * s) * HL_PANEL_ROWS + 4 * a->row;
    int32x4_t      sum[TOKENS][HL_TILE_VECTORS][2]; /* rows 0 and 1, rows 2 and 3; two lanes each */
    HL_UNROLL for (size_t from = 0; from < n_quads; from += step) {
        int16x8_t product[TOKENS][HL_TILE_VECTORS][2];
        HL_UNROLL for (size_t k = from; k < from + step; k++) {
            int8x16_t w[HL_TILE_VECTORS];
            HL_UNROLL for (size_t v = 0; v < HL_TILE_VECTORS; v++) w[v] = load_codes(codes, k, v, is_signed);
            HL_UNROLL for (size_t t = 0; t < n_tokens; t++) {
                const int8x16_t x = load_quad(a->x->q + 32 * tile_at(a, i, t) + 16 * s, k);
                HL_UNROLL for (size_t v = 0; v < HL_TILE_VECTORS; v++) {
                    int16x8_t *p = product[t][v];
                    p[0] = k == from ? vmull_s8(vget_low_s8(w[v]), vget_low_s8(x))
                                     : vmlal_s8(p[0], vget_low_s8(w[v]), vget_low_s8(x));
                    p[1] = k == from ? vmull_high_s8(w[v], x) : vmlal_high_s8(p[1], w[v], x);
                }
            }
        }
        HL_UNROLL for (size_t t = 0; t < n_tokens; t++) HL_UNROLL for (size_t v = 0; v < HL_TILE_VECTORS; v++)
            HL_UNROLL for (size_t h = 0; h < 2; h++) sum[t][v][h] =
                from == 0 ? vpaddlq_s16(product[t][v][h]) : vpadalq_s16(sum[t][v][h], product[t][v][h]);
    }
    HL_UNROLL for (size_t t = 0; t < n_tokens; t++) HL_UNROLL for (size_t v = 0; v < HL_TILE_VECTORS; v++) {
        isum[t][v] = vpaddq_s32(sum[t][v][0], sum[t][v][1]);
        if (!f.has_min && !is_signed)
            isum[t][v] = vaddq_s32(isum[t][v], start4(f, tile_xsum(a, i, t, f), (int)s));
    }
}

HL_INLINE void run(const hl_panel *p, const hl_act *x, float *y, size_t y_stride, hl_code_format f) {
    for (size_t t = 0; t < x->n_tokens; t += TOKENS) {
        for (size_t r = 0; r < p->n_rows; r += 8) {
            const panel_tile a = {p, x, r, t, 0, p->n_cols / 32, y + t * y_stride + r, y_stride, NULL, NULL};
            switch (x->n_tokens - t) {
            case 1: tile_run(&a, 1, f, dots); break;
            case 2: tile_run(&a, 2, f, dots); break;
            default: tile_run(&a, TOKENS, f, dots); break;
            }
        }
    }
}

void hl_gemm_panel_neon(const hl_panel *p, const hl_act *x, float *y, size_t y_stride) {
    gemm_kinds(p, x, y, y_stride, run);
}
