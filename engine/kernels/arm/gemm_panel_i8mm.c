/* SPDX-License-Identifier: MIT
 *
 * gemm_panel_i8mm.c - y = W x from a panel, for arm64 CPUs with int8 matrix products: tiles of 8 rows and 6
 * tokens (4 where 16 columns share a scale), a lane is a row.
 *
 * method   SMMLA multiplies two rows with two tokens, 8 columns at once. It wants rows and tokens in pairs,
 *          so codes of 256 columns are put in that order once for all tokens, and activations once for all
 *          rows, in 10 KB of stack. Two UZP per pair of sums bring them back to one lane per row.
 * limit    arithmetic: 24 sums, 4 vectors of codes and 3 of activations fill the 32 registers
 * exact?   yes: the bits of the scalar definition
 */
#include "engine/kernels/arm/gemm_neon.h"

enum { CHUNK_COLS = 256, UNITS = CHUNK_COLS / 8, PAIR_BYTES = 16, MAX_PAIRS = HL_TILE_TOKENS / 2 };

/* Codes [8 rows][8 columns][row pair]: of all rows of the panel, groups begin .. begin + n - 1. */
HL_INLINE void pack_codes(const hl_panel *p, size_t begin, size_t n, bool is_signed, int8_t *ret_pairs) {
    const uint8x16_t flip = vdupq_n_u8(is_signed ? 0x80 : 0);
    for (size_t r = 0; r < p->n_rows; r += 4) {
        const uint8_t *codes = p->codes + 32 * begin * HL_PANEL_ROWS + 4 * r;
        int8_t        *to = ret_pairs + r / 8 * UNITS * 4 * PAIR_BYTES + r % 8 / 4 * 2 * PAIR_BYTES;
        for (size_t u = 0; u < 4 * n; u++, codes += 8 * HL_PANEL_ROWS, to += 4 * PAIR_BYTES) {
            const uint32x4_t a = vreinterpretq_u32_u8(veorq_u8(vld1q_u8(codes), flip));
            const uint32x4_t b = vreinterpretq_u32_u8(veorq_u8(vld1q_u8(codes + 4 * HL_PANEL_ROWS), flip));
            vst1q_s8(to, vreinterpretq_s8_u32(vzip1q_u32(a, b)));
            vst1q_s8(to + PAIR_BYTES, vreinterpretq_s8_u32(vzip2q_u32(a, b)));
        }
    }
}

/* Activations [8 columns][token pair]; the last of an odd number is its own partner. */
HL_INLINE void pack_tokens(const panel_tile *a, size_t n_tokens, int8_t *ret_pairs) {
    const size_t  n_pairs = (n_tokens + 1) / 2, n_cols = a->x->n_cols;
    const int8_t *q = a->x->q + a->token * n_cols + a->p->col_begin + 32 * a->begin;
    for (size_t k = 0; k < n_pairs; k++) {
        const int8_t *first = q + 2 * k * n_cols, *second = 2 * k + 1 < n_tokens ? first + n_cols : first;
        int8_t       *to = ret_pairs + k * PAIR_BYTES;
        for (size_t c = 0; c < 32 * (a->end - a->begin); c += 16, to += 2 * n_pairs * PAIR_BYTES) {
            const int64x2_t u = vreinterpretq_s64_s8(vld1q_s8(first + c));
            const int64x2_t v = vreinterpretq_s64_s8(vld1q_s8(second + c));
            vst1q_s8(to, vreinterpretq_s8_s64(vzip1q_s64(u, v)));
            vst1q_s8(to + n_pairs * PAIR_BYTES, vreinterpretq_s8_s64(vzip2q_s64(u, v)));
        }
    }
}

/* What begins the sums of tokens 2k and 2k + 1: lanes as SMMLA makes them. */
HL_INLINE int32x4_t start_pair(const panel_tile *a, size_t i, size_t s, size_t k, size_t n_tokens,
                               hl_code_format f) {
    if (f.has_min || f.offset == 128) return vdupq_n_s32(0);
    const int32x2_t first = tile_xsum(a, i, 2 * k, f);
    const int32x2_t second = 2 * k + 1 < n_tokens ? tile_xsum(a, i, 2 * k + 1, f) : first;
    const int32x2_t both = s == 0 ? vzip1_s32(first, second) : vzip2_s32(first, second);
    const int32x2_t start = vmul_n_s32(both, -f.offset);
    return vcombine_s32(start, start);
}

HL_INLINE void dots(const panel_tile *a, size_t i, size_t s, size_t n_tokens, hl_code_format f,
                    int32x4_t isum[HL_TILE_TOKENS][HL_TILE_VECTORS]) {
    const size_t  n_pairs = (n_tokens + 1) / 2;
    const size_t  unit = 4 * (i - a->begin) + 2 * s;
    const int8_t *w = a->w_pairs + unit * 4 * PAIR_BYTES, *x = a->x_pairs + unit * n_pairs * PAIR_BYTES;
    int32x4_t     sum[MAX_PAIRS][4];
    HL_UNROLL for (size_t k = 0; k < n_pairs; k++) sum[k][0] = sum[k][1] = sum[k][2] = sum[k][3] =
        start_pair(a, i, s, k, n_tokens, f);
    HL_UNROLL for (size_t u = 0; u < f.group / 8; u++) {
        int8x16_t rows[4];
        HL_UNROLL for (size_t r = 0; r < 4; r++) rows[r] = vld1q_s8(w + (4 * u + r) * PAIR_BYTES);
        HL_UNROLL for (size_t k = 0; k < n_pairs; k++) {
            const int8x16_t tokens = vld1q_s8(x + (u * n_pairs + k) * PAIR_BYTES);
            HL_UNROLL for (size_t r = 0; r < 4; r++) sum[k][r] = vmmlaq_s32(sum[k][r], rows[r], tokens);
        }
    }
    HL_UNROLL for (size_t t = 0; t < n_tokens; t++) HL_UNROLL for (size_t v = 0; v < HL_TILE_VECTORS; v++) {
        const int32x4_t *from = &sum[t / 2][2 * v];
        isum[t][v] = t % 2 == 0 ? vuzp1q_s32(from[0], from[1]) : vuzp2q_s32(from[0], from[1]);
    }
}

HL_INLINE void run_tokens(panel_tile a, size_t n_tokens, hl_code_format f, const int8_t *w_pairs) {
    int8_t       x_pairs[UNITS * MAX_PAIRS * PAIR_BYTES];
    float *const y = a.y;
    pack_tokens(&a, n_tokens, x_pairs);
    a.x_pairs = x_pairs;
    for (; a.row < a.p->n_rows; a.row += 8) {
        a.w_pairs = w_pairs + a.row / 8 * UNITS * 4 * PAIR_BYTES;
        a.y = y + a.row;
        tile_run(&a, n_tokens, f, dots);
    }
}

HL_INLINE void run(const hl_panel *p, const hl_act *x, float *y, size_t y_stride, hl_code_format f) {
    const size_t n_groups = p->n_cols / 32, step = f.group == 32 ? 6 : 4;
    int8_t       w_pairs[HL_PANEL_ROWS * CHUNK_COLS];
    for (size_t begin = 0; begin < n_groups; begin += CHUNK_COLS / 32) {
        const size_t end = n_groups - begin < CHUNK_COLS / 32 ? n_groups : begin + CHUNK_COLS / 32;
        pack_codes(p, begin, end - begin, f.offset == 128, w_pairs);
        for (size_t t = 0; t < x->n_tokens; t += step) {
            const panel_tile a = {p, x, 0, t, begin, end, y + t * y_stride, y_stride, NULL, NULL};
            switch (x->n_tokens - t < step ? x->n_tokens - t : step) {
            case 1: run_tokens(a, 1, f, w_pairs); break;
            case 2: run_tokens(a, 2, f, w_pairs); break;
            case 3: run_tokens(a, 3, f, w_pairs); break;
            case 4: run_tokens(a, 4, f, w_pairs); break;
            case 5: run_tokens(a, 5, f, w_pairs); break;
            default: run_tokens(a, 6, f, w_pairs); break;
            }
        }
    }
}

void hl_gemm_panel_i8mm(const hl_panel *p, const hl_act *x, float *y, size_t y_stride) {
    gemm_kinds(p, x, y, y_stride, run);
}
