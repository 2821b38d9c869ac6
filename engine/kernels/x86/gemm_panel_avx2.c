/* SPDX-License-Identifier: MIT
 *
 * gemm_panel_avx2.c - y = W x from a panel, for CPUs with AVX2 + FMA: tiles of 16 rows and 3 tokens, a lane
 * is a row.
 *
 * method   gemm_avx2.h; maddubs adds two products of codes and activations in 16 bits; the panel's largest
 *          code says how many of these sums fit 16 bits. Codes above 127 (offset 128) are multiplied as |w -
 *          128| times x with the sign of w - 128.
 * limit    four vector pipes: 20 operations per 8 rows x 32 columns of q4_k and token, with the loads 28 of 6
 *          per cycle
 * exact?   yes: the bits of the scalar definition
 */
#define HL_TILE_TOKENS  3
#define HL_TILE_VECTORS 2
#include "engine/kernels/x86/gemm_avx2.h"

/* isum[token][vector] over n quads; the codes and q point at the first. */
HL_INLINE void dot(const uint8_t *codes, const int8_t *q, size_t x_cols, size_t n, size_t n_tokens,
                   int quads_per_sum, __m256i isum[HL_TILE_TOKENS][HL_TILE_VECTORS]) {
    const __m256i ones = _mm256_set1_epi16(1);
    const size_t  step = n < (size_t)quads_per_sum ? n : (size_t)quads_per_sum;
    HL_UNROLL for (size_t i = 0; i < n; i += step) {
        __m256i s[HL_TILE_TOKENS][HL_TILE_VECTORS];
        HL_UNROLL for (size_t j = i; j < i + step; j++) {
            __m256i w[HL_TILE_VECTORS];
            HL_UNROLL for (size_t v = 0; v < HL_TILE_VECTORS; v++) w[v] =
                load_codes(codes + j * 4 * HL_PANEL_ROWS, v);
            HL_UNROLL for (size_t t = 0; t < n_tokens; t++) {
                const __m256i x = set_quad(q + t * x_cols + 4 * j);
                HL_UNROLL for (size_t v = 0; v < HL_TILE_VECTORS; v++) {
                    const __m256i product = _mm256_maddubs_epi16(w[v], x);
                    s[t][v] = j == i ? product : _mm256_add_epi16(s[t][v], product);
                    KEEP(s[t][v]);
                }
            }
        }
        HL_UNROLL for (size_t t = 0; t < n_tokens; t++) {
            HL_UNROLL for (size_t v = 0; v < HL_TILE_VECTORS; v++) {
                const __m256i sum = _mm256_madd_epi16(s[t][v], ones);
                isum[t][v] = i == 0 ? sum : _mm256_add_epi32(isum[t][v], sum);
            }
        }
    }
}

/* The same for codes above 127, with 128 taken off. */
HL_INLINE void dot_signed(const uint8_t *codes, const int8_t *q, size_t x_cols, size_t n, size_t n_tokens,
                          __m256i isum[HL_TILE_TOKENS][HL_TILE_VECTORS]) {
    const __m256i ones = _mm256_set1_epi16(1);
    HL_UNROLL for (size_t j = 0; j < n; j++) {
        HL_UNROLL for (size_t v = 0; v < HL_TILE_VECTORS; v++) {
            const __m256i w =
                _mm256_xor_si256(load_codes(codes + j * 4 * HL_PANEL_ROWS, v), _mm256_set1_epi8(-128));
            const __m256i size = _mm256_abs_epi8(w);
            HL_UNROLL for (size_t t = 0; t < n_tokens; t++) {
                const __m256i x = _mm256_sign_epi8(set_quad(q + t * x_cols + 4 * j), w);
                const __m256i sum = _mm256_madd_epi16(_mm256_maddubs_epi16(size, x), ones);
                isum[t][v] = j == 0 ? sum : _mm256_add_epi32(isum[t][v], sum);
                KEEP(isum[t][v]);
            }
        }
    }
}

HL_INLINE void dot_columns(const uint8_t *codes, const int8_t *q, size_t x_cols, size_t n_tokens,
                           panel_kind k, const int32_t *start, size_t start_stride,
                           __m256i isum[HL_TILE_TOKENS][HL_TILE_VECTORS]) {
    if (k.quads_per_sum == 1) {
        dot_signed(codes, q, x_cols, k.group / 4, n_tokens, isum);
        return;
    }
    dot(codes, q, x_cols, k.group / 4, n_tokens, k.quads_per_sum, isum);
    if (!k.has_min) HL_UNROLL for (size_t t = 0; t < n_tokens; t++) {
            const __m256i from = _mm256_set1_epi32(start[t * start_stride]);
            HL_UNROLL for (size_t v = 0; v < HL_TILE_VECTORS; v++) isum[t][v] =
                _mm256_add_epi32(isum[t][v], from);
        }
}

void hl_gemm_panel_avx2(const hl_panel *p, const hl_act *x, float *y, size_t y_stride) {
    const int max = p->max_code ? p->max_code : 255;
    if (p->group == 32) {
        if (p->has_min && max <= 15)
            run_panel(p, x, y, y_stride, (panel_kind){32, true, 8});
        else if (p->has_min && max <= 31)
            run_panel(p, x, y, y_stride, (panel_kind){32, true, 4});
        else if (p->offset == 128)
            run_panel(p, x, y, y_stride, (panel_kind){32, false, 1});
        else if (max <= 15)
            run_panel(p, x, y, y_stride, (panel_kind){32, false, 8});
        else if (max <= 31)
            run_panel(p, x, y, y_stride, (panel_kind){32, false, 4});
        else if (!p->has_min && max <= 63)
            run_panel(p, x, y, y_stride, (panel_kind){32, false, 2});
        else
            hl_gemm_panel_scalar(p, x, y, y_stride);
        return;
    }
    if (p->has_min && max <= 31)
        run_panel(p, x, y, y_stride, (panel_kind){16, true, 4});
    else if (!p->has_min && p->offset == 128)
        run_panel(p, x, y, y_stride, (panel_kind){16, false, 1});
    else if (!p->has_min && max <= 31)
        run_panel(p, x, y, y_stride, (panel_kind){16, false, 4});
    else if (!p->has_min && max <= 63)
        run_panel(p, x, y, y_stride, (panel_kind){16, false, 2});
    else
        hl_gemm_panel_scalar(p, x, y, y_stride);
}
