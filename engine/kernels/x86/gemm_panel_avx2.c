/* SPDX-License-Identifier: MIT
 *
 * gemm_panel_avx2.c - y = W x from a panel, for CPUs with AVX2 + FMA: tiles of 16 rows and 3 tokens, a lane is a row.
 *
 * method   maddubs adds two products of codes and activations in 16 bits; the panel's largest code says how many of
 *          these sums fit 16 bits. Codes above 127 (offset 128) are multiplied as |w - 128| times x with the sign
 *          of w - 128. Sums of x, in the form that a group ends with, are prepared once per tile of tokens.
 * limit    four vector pipes: 20 operations per 8 rows x 32 columns of q4_k and token, with the loads 28 of 6 per cycle
 * exact?   yes: the bits of the scalar definition
 */
#include "engine/kernels/kernel_list.h"

#include <immintrin.h>
#include <string.h>

#include "engine/kernels/unroll.h"

enum { TILE_TOKENS = 3, TILE_VECTORS = 2 /* of 8 rows */, SLICE_GROUPS = 16 };

/* Constants of one kind of panel. */
typedef struct panel_kind {
    size_t group;
    int    quads_per_sum; /* 1: codes above 127 */
    bool   has_min;
} panel_kind;

/* Per token and scale group: offset times the sum of x, or that sum as a float where the type has a minimum. */
typedef struct tile_sums {
    int32_t v[TILE_TOKENS][2 * SLICE_GROUPS];
} tile_sums;

/* At most SLICE_GROUPS groups of a panel, and the tokens of a tile. */
typedef struct slice {
    const uint8_t *codes;
    const float   *scale, *min;
    size_t         n_groups;
    const int8_t  *q; /* of the first token */
    const float   *d;
    size_t         x_cols; /* between tokens of q; d follows */
    tile_sums      sums;
} slice;

/* The compiler must not reorder sums: left alone it multiplies everything first and spills the products. */
#define KEEP(v) __asm__("" : "+x"(v))

HL_INLINE __m256i set_quad(const int8_t *q) {
    int x;
    memcpy(&x, q, 4);
    return _mm256_set1_epi32(x);
}

HL_INLINE __m256i load_codes(const uint8_t *codes, size_t v) {
    return _mm256_loadu_si256((const __m256i *)(const void *)(codes + 32 * v));
}

/* isum[token][vector] over n quads; the codes and q point at the first. */
HL_INLINE void dot(const uint8_t *codes, const int8_t *q, size_t x_cols, size_t n, size_t n_tokens, int quads_per_sum,
                   __m256i isum[TILE_TOKENS][TILE_VECTORS]) {
    const __m256i ones = _mm256_set1_epi16(1);
    const size_t  step = n < (size_t)quads_per_sum ? n : (size_t)quads_per_sum;
    HL_UNROLL for (size_t i = 0; i < n; i += step) {
        __m256i s[TILE_TOKENS][TILE_VECTORS];
        HL_UNROLL for (size_t j = i; j < i + step; j++) {
            __m256i w[TILE_VECTORS];
            HL_UNROLL for (size_t v = 0; v < TILE_VECTORS; v++) w[v] = load_codes(codes + j * 4 * HL_PANEL_ROWS, v);
            HL_UNROLL for (size_t t = 0; t < n_tokens; t++) {
                const __m256i x = set_quad(q + t * x_cols + 4 * j);
                HL_UNROLL for (size_t v = 0; v < TILE_VECTORS; v++) {
                    const __m256i product = _mm256_maddubs_epi16(w[v], x);
                    s[t][v] = j == i ? product : _mm256_add_epi16(s[t][v], product);
                    KEEP(s[t][v]);
                }
            }
        }
        HL_UNROLL for (size_t t = 0; t < n_tokens; t++) {
            HL_UNROLL for (size_t v = 0; v < TILE_VECTORS; v++) {
                const __m256i sum = _mm256_madd_epi16(s[t][v], ones);
                isum[t][v] = i == 0 ? sum : _mm256_add_epi32(isum[t][v], sum);
            }
        }
    }
}

/* The same for codes above 127, with 128 taken off. */
HL_INLINE void dot_signed(const uint8_t *codes, const int8_t *q, size_t x_cols, size_t n, size_t n_tokens,
                          __m256i isum[TILE_TOKENS][TILE_VECTORS]) {
    const __m256i ones = _mm256_set1_epi16(1);
    HL_UNROLL for (size_t j = 0; j < n; j++) {
        HL_UNROLL for (size_t v = 0; v < TILE_VECTORS; v++) {
            const __m256i w = _mm256_xor_si256(load_codes(codes + j * 4 * HL_PANEL_ROWS, v), _mm256_set1_epi8(-128));
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

/* Group i of 32 columns of the slice into acc. */
HL_INLINE void add_group(const slice *a, size_t i, size_t n_tokens, panel_kind k,
                         __m256 acc[TILE_TOKENS][TILE_VECTORS]) {
    const size_t n_scales = 32 / k.group;
    __m256       sum[TILE_TOKENS][TILE_VECTORS];
    HL_UNROLL for (size_t s = 0; s < n_scales; s++) {
        const uint8_t *codes = a->codes + (32 * i + 16 * s) * HL_PANEL_ROWS;
        const float   *scale = a->scale + (i * n_scales + s) * HL_PANEL_ROWS;
        const int8_t  *q = a->q + 32 * i + 16 * s;
        __m256i        isum[TILE_TOKENS][TILE_VECTORS];
        if (k.quads_per_sum == 1) dot_signed(codes, q, a->x_cols, k.group / 4, n_tokens, isum);
        else dot(codes, q, a->x_cols, k.group / 4, n_tokens, k.quads_per_sum, isum);
        HL_UNROLL for (size_t t = 0; t < n_tokens; t++) {
            const __m256i less = _mm256_set1_epi32(a->sums.v[t][i * n_scales + s]);
            HL_UNROLL for (size_t v = 0; v < TILE_VECTORS; v++) {
                const __m256 d = _mm256_loadu_ps(scale + 8 * v);
                if (!k.has_min && k.quads_per_sum != 1) isum[t][v] = _mm256_sub_epi32(isum[t][v], less);
                const __m256 x = _mm256_cvtepi32_ps(isum[t][v]);
                sum[t][v] = s == 0 ? _mm256_mul_ps(x, d) : _mm256_fmadd_ps(x, d, sum[t][v]);
                KEEP(sum[t][v]);
            }
        }
    }
    if (k.has_min) HL_UNROLL for (size_t s = 0; s < n_scales; s++) {
        const float *min = a->min + (i * n_scales + s) * HL_PANEL_ROWS;
        HL_UNROLL for (size_t t = 0; t < n_tokens; t++) {
            const __m256 x = _mm256_castsi256_ps(_mm256_set1_epi32(a->sums.v[t][i * n_scales + s]));
            HL_UNROLL for (size_t v = 0; v < TILE_VECTORS; v++)
                sum[t][v] = _mm256_fnmadd_ps(_mm256_loadu_ps(min + 8 * v), x, sum[t][v]);
        }
    }
    HL_UNROLL for (size_t t = 0; t < n_tokens; t++) {
        const __m256 d = _mm256_set1_ps(a->d[t * (a->x_cols / 32) + i]);
        HL_UNROLL for (size_t v = 0; v < TILE_VECTORS; v++) acc[t][v] = _mm256_fmadd_ps(sum[t][v], d, acc[t][v]);
    }
}

HL_INLINE void run_tile(const slice *a, bool begin, float *y, size_t y_stride, size_t n_tokens, panel_kind k) {
    __m256 acc[TILE_TOKENS][TILE_VECTORS];
    HL_UNROLL for (size_t t = 0; t < n_tokens; t++)
        HL_UNROLL for (size_t v = 0; v < TILE_VECTORS; v++)
            acc[t][v] = begin ? _mm256_setzero_ps() : _mm256_loadu_ps(y + t * y_stride + 8 * v);
    for (size_t i = 0; i < a->n_groups; i++) add_group(a, i, n_tokens, k, acc);
    HL_UNROLL for (size_t t = 0; t < n_tokens; t++)
        HL_UNROLL for (size_t v = 0; v < TILE_VECTORS; v++) _mm256_storeu_ps(y + t * y_stride + 8 * v, acc[t][v]);
}

/* Copy the first n floats of each token between y and 16 floats a token. */
static void copy_rows(size_t n, size_t n_tokens, const float *from, size_t from_stride, float *to, size_t to_stride) {
    for (size_t t = 0; t < n_tokens; t++) memcpy(to + t * to_stride, from + t * from_stride, n * sizeof *to);
}

/* Sums of x of 8 scale groups, from 16 columns each. */
HL_INLINE __m256i sums_of_8(const int16_t *sum16, size_t group) {
    if (group == 16) return _mm256_cvtepi16_epi32(_mm_loadu_si128((const __m128i *)(const void *)sum16));
    return _mm256_madd_epi16(_mm256_loadu_si256((const __m256i *)(const void *)sum16), _mm256_set1_epi16(1));
}

HL_INLINE void prepare_sums(const hl_panel *p, const int16_t *sum16, size_t n_groups, panel_kind k, int32_t *v) {
    const size_t n = 32 / k.group * n_groups;
    size_t       i = 0;
    for (; i + 8 <= n; i += 8) {
        __m256i sum = sums_of_8(sum16 + k.group / 16 * i, k.group);
        if (k.has_min) sum = _mm256_castps_si256(_mm256_cvtepi32_ps(sum));
        else sum = _mm256_mullo_epi32(sum, _mm256_set1_epi32(p->offset));
        _mm256_storeu_si256((__m256i *)(void *)(v + i), sum);
    }
    for (; i < n; i++) {
        const int32_t sum = k.group == 32 ? sum16[2 * i] + sum16[2 * i + 1] : sum16[i];
        const float   x = (float)sum;
        if (k.has_min) memcpy(&v[i], &x, sizeof x);
        else v[i] = p->offset * sum;
    }
}

/* n_tokens <= TILE_TOKENS tokens from t on, all rows, groups g .. g + n_groups of the panel. */
HL_INLINE void run_slice(const hl_panel *p, const hl_act *x, size_t t, size_t n_tokens, size_t g, size_t n_groups,
                         float *y, size_t y_stride, panel_kind k) {
    const size_t at = t * (x->n_cols / 32) + p->col_begin / 32 + g;
    slice        a = {.n_groups = n_groups, .q = x->q + 32 * at, .d = x->d + at, .x_cols = x->n_cols};
    for (size_t i = 0; i < n_tokens; i++)
        prepare_sums(p, x->sum16 + 2 * (at + i * (x->n_cols / 32)), n_groups, k, a.sums.v[i]);
    for (size_t r = 0; r < p->n_rows; r += 8 * TILE_VECTORS) {
        a.codes = p->codes + 32 * g * HL_PANEL_ROWS + 4 * r;
        a.scale = p->scale + 32 / k.group * g * HL_PANEL_ROWS + r;
        a.min = p->min + 32 / k.group * g * HL_PANEL_ROWS + r;
        const bool begin = p->col_begin + g == 0;
        const size_t rows = p->n_rows - r;
        float        few[TILE_TOKENS * 8 * TILE_VECTORS]; /* where y ends before the tile does */
        float       *out = rows < 8 * TILE_VECTORS ? few : y + r;
        const size_t stride = rows < 8 * TILE_VECTORS ? 8 * TILE_VECTORS : y_stride;
        if (out == few && !begin) copy_rows(rows, n_tokens, y + r, y_stride, few, stride);
        switch (n_tokens) {
        case 1: run_tile(&a, begin, out, stride, 1, k); break;
        case 2: run_tile(&a, begin, out, stride, 2, k); break;
        default: run_tile(&a, begin, out, stride, 3, k); break;
        }
        if (out == few) copy_rows(rows, n_tokens, few, stride, y + r, y_stride);
    }
}

HL_INLINE void run_panel(const hl_panel *p, const hl_act *x, float *y, size_t y_stride, panel_kind k) {
    const size_t n_groups = p->n_cols / 32;
    for (size_t g = 0; g < n_groups; g += SLICE_GROUPS) {
        const size_t n = n_groups - g < SLICE_GROUPS ? n_groups - g : SLICE_GROUPS;
        for (size_t t = 0; t < x->n_tokens;) {
            const size_t left = x->n_tokens - t, step = left == 4 ? 2 : left < TILE_TOKENS ? left : TILE_TOKENS;
            run_slice(p, x, t, step, g, n, y + t * y_stride, y_stride, k);
            t += step;
        }
    }
}

void hl_gemm_panel_avx2(const hl_panel *p, const hl_act *x, float *y, size_t y_stride) {
    const int max = p->max_code ? p->max_code : 255;
    if (p->group == 32) {
        if (p->has_min && max <= 15) run_panel(p, x, y, y_stride, (panel_kind){32, 8, true});
        else if (p->has_min && max <= 31) run_panel(p, x, y, y_stride, (panel_kind){32, 4, true});
        else if (p->offset == 128) run_panel(p, x, y, y_stride, (panel_kind){32, 1, false});
        else if (max <= 15) run_panel(p, x, y, y_stride, (panel_kind){32, 8, false});
        else if (max <= 31) run_panel(p, x, y, y_stride, (panel_kind){32, 4, false});
        else hl_gemm_panel_scalar(p, x, y, y_stride);
        return;
    }
    if (p->has_min && max <= 31) run_panel(p, x, y, y_stride, (panel_kind){16, 4, true});
    else if (!p->has_min && max <= 31) run_panel(p, x, y, y_stride, (panel_kind){16, 4, false});
    else if (!p->has_min && max <= 63) run_panel(p, x, y, y_stride, (panel_kind){16, 2, false});
    else hl_gemm_panel_scalar(p, x, y, y_stride);
}
