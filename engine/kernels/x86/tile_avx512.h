/* SPDX-License-Identifier: MIT
 *
 * tile_avx512.h - codes of 16 or 32 rows times up to six tokens, for every quantized type.
 *
 * The including file defines HL_DOT(acc, w, x): add to each 32-bit lane the dot product of its four
 * unsigned bytes of w with its four signed bytes of x. Lane i of vector v is row 16 v + i; a token's
 * four columns are broadcast. Codes keep their offset: the sum starts from -offset * (sum of x), which
 * is exact. Order of float operations: kernels.h.
 *
 * Integer sums need no conversion: a biased one starts from the bits of BIAS = 1.5 * 2^23, so that read as
 * a float it is BIAS + sum, exact for sums within 2^22. The products of a group stay below 32 * 255 * 127
 * = 2^20, offsets change the start by at most half of that. Then fma(BIAS + sum, scale, -BIAS * scale) is
 * sum * scale rounded once: BIAS * scale is exact for scales of up to 22 bits, and those of all types (an
 * f16 times an integer of up to 8 bits, or a power of two) have at most 19. From scales of 2^104 on, infinite
 * ones and NaN among them, BIAS * scale is infinite and the sum ends in -infinity or NaN, whatever comes
 * behind: the caller sees that (kernels.h). Only a zero may differ in sign, which a sum that begins at +0
 * forgets.
 */
#ifndef HL_ENGINE_KERNELS_X86_TILE_AVX512_H
#define HL_ENGINE_KERNELS_X86_TILE_AVX512_H

#include "engine/kernels/x86/rows16_avx512.h"

#ifndef HL_DOT
#define HL_DOT(acc, w, x) ((void)(w), (void)(x), (acc)) /* who only unpacks multiplies nothing */
#endif

enum { TILE_TOKENS = 6, SLICE_GROUPS = 16 };

/* What one tile multiplies: at most SLICE_GROUPS groups of 32 columns. */
typedef struct tile_in {
    const uint8_t *codes;
    const float   *scale, *min;
    size_t         n_groups; /* of 32 columns */
    const int8_t  *q;        /* first column of the first token */
    const float   *d;
    const int16_t *sum16;
    size_t         n_cols; /* of x: stride of q; d and sum16 follow from it */
    int32_t        offset;
    const uint8_t *prefetch, *prefetch_end; /* n_prefetch lines with every group */
    size_t         n_prefetch;
} tile_in;

enum { BIAS_BITS = 0x4B400000 };
#define BIAS 12582912.0f

/* Of one token, per group of 32 columns: what the integer sum starts from, or the sum of x as a float. Where
 * 16 columns share a scale, first halves stand in [0] and second halves in [1]. */
typedef struct tile_sums {
    _Alignas(64) int32_t v[2][SLICE_GROUPS];
} tile_sums;

HL_INLINE void prepare_sums(tile_sums *s, const tile_in *in, int n_tokens, bool g16, bool has_min) {
    const size_t    n = 2 * in->n_groups;
    const __mmask32 m = n >= 32 ? 0xffffffffu : (1u << n) - 1;
    const int       times = has_min ? 1 : -in->offset;
    const __m512i   first = _mm512_set1_epi32(times & 0xffff), second = _mm512_slli_epi32(first, 16);
    for (int t = 0; t < n_tokens; t++) {
        const __m512i v = _mm512_maskz_loadu_epi16(m, in->sum16 + (size_t)t * (in->n_cols / 16));
        __m512i       a = _mm512_madd_epi16(v, g16 ? first : _mm512_or_si512(first, second));
        __m512i       b = _mm512_madd_epi16(v, second);
        if (has_min) {
            a = _mm512_castps_si512(_mm512_cvtepi32_ps(a));
            b = _mm512_castps_si512(_mm512_cvtepi32_ps(b));
        } else {
            a = _mm512_add_epi32(a, _mm512_set1_epi32(BIAS_BITS));
        }
        _mm512_store_si512(s[t].v[0], a);
        if (g16) _mm512_store_si512(s[t].v[1], b);
    }
}

HL_INLINE __m512i four_columns(const int8_t *p) {
    int32_t v;
    memcpy(&v, p, 4);
    return _mm512_set1_epi32(v);
}

/* Prefetch what the next TILE_TOKENS tokens read, a few lines with every group g of this tile: they lie a row
 * apart, where no hardware looks for them. q is group g of the first token. Beyond the last token that is
 * harmless. */
HL_INLINE void prefetch_tokens(const tile_in *in, size_t g, const int8_t *q) {
    const size_t  d_stride = in->n_cols / 32;
    const int8_t *next = q + TILE_TOKENS * in->n_cols +
                         (g % 2 ? TILE_TOKENS / 2 * in->n_cols : 0); /* two groups share a line */
    HL_UNROLL for (size_t t = 0; t < TILE_TOKENS / 2; t++)
        _mm_prefetch((const char *)(next + t * in->n_cols), _MM_HINT_T0);
    if (g >= TILE_TOKENS) return;
    _mm_prefetch((const char *)(in->d + (TILE_TOKENS + g) * d_stride), _MM_HINT_T0);
    _mm_prefetch((const char *)(in->sum16 + (TILE_TOKENS + g) * 2 * d_stride), _MM_HINT_T0);
}

/* acc[t][v] += the slice's part. T tokens, V vectors of 16 rows; everything but n_groups is constant. */
HL_INLINE void multiply_tile(const int T, const int V, const bool g16, const bool has_min, const tile_in *in,
                             const tile_sums *s, __m512 (*acc)[2]) {
    const size_t   step_bytes = 64 * (size_t)V;
    const size_t   xs = in->n_cols, ds = in->n_cols / 32;
    const int      halves = g16 ? 2 : 1, steps = g16 ? 4 : 8;
    const uint8_t *codes = in->codes;
    const int8_t  *q = in->q;
    const uint8_t *prefetch = in->prefetch;
    for (size_t g = 0; g < in->n_groups; g++) {
        __m512 sum[TILE_TOKENS][2];
        if (T == TILE_TOKENS) prefetch_tokens(in, g, q);
        for (size_t i = 0; i < in->n_prefetch && prefetch < in->prefetch_end; i++, prefetch += 64)
            _mm_prefetch((const char *)prefetch, _MM_HINT_T1);
        HL_UNROLL for (int h = 0; h < halves; h++) {
            const size_t sg = (size_t)halves * g + (size_t)h;
            __m512i      isum[TILE_TOKENS][2];
            HL_UNROLL for (int t = 0; t < T; t++) HL_UNROLL for (int v = 0; v < V; v++) isum[t][v] =
                !has_min ? _mm512_set1_epi32(s[t].v[h][g])
                : h == 0 ? _mm512_set1_epi32(BIAS_BITS)
                         : _mm512_setzero_si512();
            HL_UNROLL for (int j = 0; j < steps; j++) {
                __m512i w[2];
                HL_UNROLL for (int v = 0; v < V; v++) w[v] =
                    _mm512_load_si512(codes + step_bytes * (size_t)j + 64 * v);
                HL_UNROLL for (int t = 0; t < T; t++) {
                    const __m512i x = four_columns(q + (size_t)t * xs + 4 * j);
                    HL_UNROLL for (int v = 0; v < V; v++) isum[t][v] = HL_DOT(isum[t][v], w[v], x);
                }
            }
            codes += step_bytes * (size_t)steps;
            q += 4 * steps;
            HL_UNROLL for (int v = 0; v < V; v++) {
                const __m512 scale = _mm512_load_ps(in->scale + (sg * (size_t)V + (size_t)v) * 16);
                const __m512 unbias = _mm512_mul_ps(scale, _mm512_set1_ps(-BIAS));
                HL_UNROLL for (int t = 0; t < T; t++) sum[t][v] =
                    h == 0 ? _mm512_fmadd_ps(_mm512_castsi512_ps(isum[t][v]), scale, unbias)
                           : _mm512_fmadd_ps(_mm512_cvtepi32_ps(isum[t][v]), scale, sum[t][v]);
            }
        }
        HL_UNROLL for (int v = 0; v < V; v++) {
            if (has_min) {
                HL_UNROLL for (int h = 0; h < halves; h++) {
                    const size_t sg = (size_t)halves * g + (size_t)h;
                    const __m512 min = _mm512_load_ps(in->min + (sg * (size_t)V + (size_t)v) * 16);
                    HL_UNROLL for (int t = 0; t < T; t++) {
                        const __m512 x = _mm512_castsi512_ps(_mm512_set1_epi32(s[t].v[h][g]));
                        sum[t][v] = _mm512_fnmadd_ps(min, x, sum[t][v]);
                    }
                }
            }
            HL_UNROLL for (int t = 0; t < T; t++) acc[t][v] =
                _mm512_fmadd_ps(sum[t][v], _mm512_set1_ps(in->d[(size_t)t * ds + g]), acc[t][v]);
        }
    }
}

#endif
