/* SPDX-License-Identifier: MIT
 *
 * gemm_panel_avx2.c - y = W x from a panel, for CPUs with AVX2 + FMA: tiles of 16 rows and 3 tokens, a lane is a row.
 *
 * method   maddubs adds two products of codes and activations in 16 bits; how many of these sums fit 16 bits follows
 *          from the panel's offset and minimum, which tell the largest code. Codes above 127 (offset 128) are
 *          multiplied as |w - 128| times x with the sign of w - 128.
 * exact?   yes: the bits of the scalar definition
 */
#include "engine/kernels/kernel_list.h"

#include <immintrin.h>
#include <string.h>

#include "engine/kernels/unroll.h"

enum { TILE_TOKENS = 3, TILE_VECTORS = 2 /* of 8 rows */ };

/* Constants of one kind of panel. */
typedef struct panel_kind {
    size_t group;
    int    quads_per_sum; /* 1: codes above 127 */
    bool   has_min;
} panel_kind;

typedef struct tile {
    const hl_panel *p;
    const hl_act   *x;
    size_t          row;   /* of the panel: 0 or 16 */
    size_t          token; /* the first one */
    float          *y;     /* of that row and token */
    size_t          y_stride;
} tile;

HL_INLINE __m256i set_quad(const int8_t *q) {
    int x;
    memcpy(&x, q, 4);
    return _mm256_set1_epi32(x);
}

HL_INLINE __m256i load_codes(const uint8_t *codes, size_t v) {
    return _mm256_loadu_si256((const __m256i *)(const void *)(codes + 32 * v));
}

/* isum[token][vector] over n quads; the codes and q point at the first. */
HL_INLINE void dot(const uint8_t *codes, const int8_t *const *q, size_t n, size_t n_tokens, int quads_per_sum,
                __m256i isum[TILE_TOKENS][TILE_VECTORS]) {
    const __m256i ones = _mm256_set1_epi16(1);
    const size_t  step = n < (size_t)quads_per_sum ? n : (size_t)quads_per_sum;
    HL_UNROLL for (size_t t = 0; t < n_tokens; t++)
        HL_UNROLL for (size_t v = 0; v < TILE_VECTORS; v++) isum[t][v] = _mm256_setzero_si256();
    HL_UNROLL for (size_t i = 0; i < n; i += step) {
        __m256i s[TILE_TOKENS][TILE_VECTORS];
        HL_UNROLL for (size_t j = i; j < i + step; j++) {
            HL_UNROLL for (size_t v = 0; v < TILE_VECTORS; v++) {
                const __m256i w = load_codes(codes + j * 4 * HL_PANEL_ROWS, v);
                HL_UNROLL for (size_t t = 0; t < n_tokens; t++) {
                    const __m256i product = _mm256_maddubs_epi16(w, set_quad(q[t] + 4 * j));
                    s[t][v] = j == i ? product : _mm256_add_epi16(s[t][v], product);
                }
            }
        }
        HL_UNROLL for (size_t t = 0; t < n_tokens; t++)
            HL_UNROLL for (size_t v = 0; v < TILE_VECTORS; v++)
                isum[t][v] = _mm256_add_epi32(isum[t][v], _mm256_madd_epi16(s[t][v], ones));
    }
}

/* The same for codes above 127, with 128 taken off. */
HL_INLINE void dot_signed(const uint8_t *codes, const int8_t *const *q, size_t n, size_t n_tokens,
                       __m256i isum[TILE_TOKENS][TILE_VECTORS]) {
    const __m256i ones = _mm256_set1_epi16(1);
    HL_UNROLL for (size_t t = 0; t < n_tokens; t++)
        HL_UNROLL for (size_t v = 0; v < TILE_VECTORS; v++) isum[t][v] = _mm256_setzero_si256();
    HL_UNROLL for (size_t j = 0; j < n; j++) {
        HL_UNROLL for (size_t v = 0; v < TILE_VECTORS; v++) {
            const __m256i w = _mm256_xor_si256(load_codes(codes + j * 4 * HL_PANEL_ROWS, v), _mm256_set1_epi8(-128));
            const __m256i size = _mm256_abs_epi8(w);
            HL_UNROLL for (size_t t = 0; t < n_tokens; t++) {
                const __m256i x = _mm256_sign_epi8(set_quad(q[t] + 4 * j), w);
                isum[t][v] = _mm256_add_epi32(isum[t][v], _mm256_madd_epi16(_mm256_maddubs_epi16(size, x), ones));
            }
        }
    }
}

/* Lanes of vector v that are rows of the panel. */
HL_INLINE __m256i row_mask(const tile *a, size_t v) {
    const int left = (int)(a->p->n_rows - a->row) - (int)(8 * v);
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(left), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

/* Group i of 32 columns of the panel into acc. */
HL_INLINE void add_group(const tile *a, size_t i, size_t n_tokens, panel_kind k,
                         __m256 acc[TILE_TOKENS][TILE_VECTORS]) {
    const hl_panel *p = a->p;
    const size_t    n_scales = 32 / k.group;
    const size_t    n_groups = a->x->n_cols / 32;
    __m256          sum[TILE_TOKENS][TILE_VECTORS];
    int32_t         xsum[TILE_TOKENS][2];
    HL_UNROLL for (size_t t = 0; t < n_tokens; t++) {
        const int16_t *sum16 = a->x->sum16 + 2 * ((a->token + t) * n_groups + p->col_begin / 32 + i);
        xsum[t][0] = n_scales == 1 ? sum16[0] + sum16[1] : sum16[0];
        xsum[t][1] = sum16[1];
    }
    HL_UNROLL for (size_t s = 0; s < n_scales; s++) {
        const uint8_t *codes = p->codes + (32 * i + 16 * s) * HL_PANEL_ROWS + 4 * a->row;
        const float   *scale = p->scale + (i * n_scales + s) * HL_PANEL_ROWS + a->row;
        const int8_t  *q[TILE_TOKENS];
        __m256i        isum[TILE_TOKENS][TILE_VECTORS];
        HL_UNROLL for (size_t t = 0; t < n_tokens; t++)
            q[t] = a->x->q + (a->token + t) * a->x->n_cols + p->col_begin + 32 * i + 16 * s;
        if (k.quads_per_sum == 1) dot_signed(codes, q, k.group / 4, n_tokens, isum);
        else dot(codes, q, k.group / 4, n_tokens, k.quads_per_sum, isum);
        HL_UNROLL for (size_t v = 0; v < TILE_VECTORS; v++) {
            const __m256 d = _mm256_loadu_ps(scale + 8 * v);
            HL_UNROLL for (size_t t = 0; t < n_tokens; t++) {
                if (!k.has_min && k.quads_per_sum != 1)
                    isum[t][v] = _mm256_sub_epi32(isum[t][v], _mm256_set1_epi32(p->offset * xsum[t][s]));
                const __m256 x = _mm256_cvtepi32_ps(isum[t][v]);
                sum[t][v] = s == 0 ? _mm256_mul_ps(x, d) : _mm256_fmadd_ps(x, d, sum[t][v]);
            }
        }
    }
    if (k.has_min) HL_UNROLL for (size_t s = 0; s < n_scales; s++) {
        const float *min = p->min + (i * n_scales + s) * HL_PANEL_ROWS + a->row;
        HL_UNROLL for (size_t v = 0; v < TILE_VECTORS; v++) HL_UNROLL for (size_t t = 0; t < n_tokens; t++)
            sum[t][v] =
                _mm256_fnmadd_ps(_mm256_loadu_ps(min + 8 * v), _mm256_set1_ps((float)xsum[t][s]), sum[t][v]);
        }
    HL_UNROLL for (size_t t = 0; t < n_tokens; t++) {
        const __m256 d = _mm256_set1_ps(a->x->d[(a->token + t) * n_groups + p->col_begin / 32 + i]);
        HL_UNROLL for (size_t v = 0; v < TILE_VECTORS; v++) acc[t][v] = _mm256_fmadd_ps(sum[t][v], d, acc[t][v]);
    }
}

HL_INLINE void run_tile(const tile *a, size_t n_tokens, panel_kind k) {
    __m256 acc[TILE_TOKENS][TILE_VECTORS];
    HL_UNROLL for (size_t t = 0; t < n_tokens; t++)
        HL_UNROLL for (size_t v = 0; v < TILE_VECTORS; v++)
            acc[t][v] = a->p->col_begin == 0 ? _mm256_setzero_ps()
                                             : _mm256_maskload_ps(a->y + t * a->y_stride + 8 * v, row_mask(a, v));
    for (size_t i = 0; i < a->p->n_cols / 32; i++) add_group(a, i, n_tokens, k, acc);
    HL_UNROLL for (size_t t = 0; t < n_tokens; t++)
        HL_UNROLL for (size_t v = 0; v < TILE_VECTORS; v++)
            _mm256_maskstore_ps(a->y + t * a->y_stride + 8 * v, row_mask(a, v), acc[t][v]);
}

HL_INLINE void run_panel(const hl_panel *p, const hl_act *x, float *y, size_t y_stride, panel_kind k) {
    for (size_t t = 0; t < x->n_tokens; t += TILE_TOKENS) {
        for (size_t r = 0; r < p->n_rows; r += 8 * TILE_VECTORS) {
            const tile a = {p, x, r, t, y + t * y_stride + r, y_stride};
            switch (x->n_tokens - t) {
            case 1: run_tile(&a, 1, k); break;
            case 2: run_tile(&a, 2, k); break;
            default: run_tile(&a, 3, k); break;
            }
        }
    }
}

void hl_gemm_panel_avx2(const hl_panel *p, const hl_act *x, float *y, size_t y_stride) {
    const bool wide = p->group == 32;
    if (p->offset == 128 && wide) run_panel(p, x, y, y_stride, (panel_kind){32, 1, false});
    else if (p->offset == 8 && wide) run_panel(p, x, y, y_stride, (panel_kind){32, 8, false});      /* codes up to 15 */
    else if (p->offset == 16 && wide) run_panel(p, x, y, y_stride, (panel_kind){32, 4, false});     /* 31 */
    else if (p->offset == 32 && !wide) run_panel(p, x, y, y_stride, (panel_kind){16, 2, false});    /* 63 */
    else if (p->offset == 4 && !wide) run_panel(p, x, y, y_stride, (panel_kind){16, 4, false});     /* 7 */
    else if (p->has_min && wide) run_panel(p, x, y, y_stride, (panel_kind){32, 4, true});           /* 31 */
    else if (p->has_min) run_panel(p, x, y, y_stride, (panel_kind){16, 4, true});                   /* 3 */
    else hl_gemm_panel_scalar(p, x, y, y_stride);
}
