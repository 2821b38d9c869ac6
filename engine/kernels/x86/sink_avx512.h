/* SPDX-License-Identifier: MIT
 *
 * sink_avx512.h - what becomes of the codes and scales that decode_avx512.h reads from 16 rows.
 *
 * T = 0: they are stored in one half of a panel. T > 0: they are multiplied with T tokens at once, so
 * that few tokens never pay for a panel; the including file then defines HL_DOT (tile_avx512.h).
 * Lane i is row i. Order of float operations: kernels.h.
 */
#ifndef HL_ENGINE_KERNELS_X86_SINK_AVX512_H
#define HL_ENGINE_KERNELS_X86_SINK_AVX512_H

#include "engine/kernels/x86/tile_avx512.h"

enum { SINK_TOKENS = 8, PANEL_STEP_BYTES = 4 * HL_PANEL_ROWS };

typedef struct sink {
    /* T = 0: the next block of the panel */
    uint8_t *codes;
    float   *scale, *min;
    /* T > 0: the next block of the tokens */
    const int8_t  *q[2];       /* of tokens 0 and 4 */
    const float   *d;          /* [SINK_TOKENS][TILE_GROUPS], a copy without distances */
    const int32_t *sums;       /* of tile_sums, [SINK_TOKENS][2][SLICE_GROUPS] */
    size_t         one, three; /* times n_cols: between tokens */
    /* T > 0: rows to prefetch while the block is multiplied, one with every four steps; NULL: none */
    const uint8_t *prefetch;
    size_t         prefetch_stride;
    size_t         prefetch_bytes; /* of each row, a constant */
    __m512         acc[SINK_TOKENS];
    __m512i        isum[SINK_TOKENS][2 * TILE_GROUPS];
} sink;

HL_INLINE __m512i sum_of(const sink *s, int t, int half, int g) {
    return _mm512_set1_epi32(s->sums[(2 * t + half) * SLICE_GROUPS + g]);
}

/* Two pointers and two distances reach all tokens, as address_rows() does for rows. */
HL_INLINE void address_tokens(sink *s, const int8_t *q, size_t n_cols) {
    HL_OPAQUE(n_cols);
    s->one = n_cols;
    s->three = 3 * n_cols;
    s->q[0] = q;
    s->q[1] = q + 4 * n_cols;
}
HL_INLINE const int8_t *token_at(const sink *s, const int t) {
    return s->q[t / 4] + (t % 4 == 0 ? 0 : t % 4 == 1 ? s->one : t % 4 == 2 ? 2 * s->one : s->three);
}

/* A row at a time: all of a block at once would fill the miss buffers, and the multiplications behind them
 * would wait for memory instead of running beside it. */
HL_INLINE void prefetch_row(sink *s) {
    if (!s->prefetch) return;
#ifndef __clang__ /* which does not see that prefetch_bytes is a constant */
    HL_UNROLL
#endif
    for (size_t b = 0; b < s->prefetch_bytes; b += 64)
        _mm_prefetch((const char *)s->prefetch + b, _MM_HINT_T1);
    s->prefetch += s->prefetch_stride;
}

/* Codes of the four columns of step `step` of the block; a group's first step comes first. */
HL_INLINE void put_codes(const int T, const bool g16, const bool has_min, sink *s, const int step,
                         __m512i v) {
    const int per = g16 ? 4 : 8;
    if (T == 0)
        _mm512_store_si512(s->codes + step * PANEL_STEP_BYTES, v);
    else if (step % 4 == 2)
        prefetch_row(s);
    HL_UNROLL for (int t = 0; t < T; t++) {
        const __m512i x = four_columns(token_at(s, t) + 4 * step);
        __m512i       from = s->isum[t][step / per];
        if (step % per == 0)
            from = !has_min          ? sum_of(s, t, step % 8 / per, step / 8)
                   : g16 && step % 8 ? _mm512_setzero_si512()
                                     : _mm512_set1_epi32(BIAS_BITS);
        s->isum[t][step / per] = HL_DOT(from, v, x);
    }
}

HL_INLINE __m512 negate(__m512 v) {
    return _mm512_castsi512_ps(_mm512_xor_si512(_mm512_castps_si512(v), _mm512_set1_epi32((int)0x80000000u)));
}

/* Group g of the block is complete. sign: 0 without minimum, -1 if min is subtracted, 1 if it is added. */
HL_INLINE void put_group32(const int T, const int sign, sink *s, const int g, __m512 scale, __m512 min) {
    const __m512 unbias = _mm512_mul_ps(scale, _mm512_set1_ps(-BIAS));
    if (T == 0) {
        _mm512_store_ps(s->scale + g * HL_PANEL_ROWS, scale);
        if (sign > 0) min = negate(min);
        if (sign != 0) _mm512_store_ps(s->min + g * HL_PANEL_ROWS, min);
    }
    HL_UNROLL for (int t = 0; t < T; t++) {
        __m512 f = _mm512_fmadd_ps(_mm512_castsi512_ps(s->isum[t][g]), scale, unbias);
        if (sign < 0) f = _mm512_fnmadd_ps(min, _mm512_castsi512_ps(sum_of(s, t, 0, g)), f);
        if (sign > 0) f = _mm512_fmadd_ps(min, _mm512_castsi512_ps(sum_of(s, t, 0, g)), f);
        s->acc[t] = _mm512_fmadd_ps(f, _mm512_set1_ps(s->d[t * TILE_GROUPS + g]), s->acc[t]);
    }
}

HL_INLINE void put_group16(const int T, const bool has_min, sink *s, const int g, __m512 scale0,
                           __m512 scale1, __m512 min0, __m512 min1) {
    const __m512 unbias = _mm512_mul_ps(scale0, _mm512_set1_ps(-BIAS));
    if (T == 0) {
        _mm512_store_ps(s->scale + 2 * g * HL_PANEL_ROWS, scale0);
        _mm512_store_ps(s->scale + (2 * g + 1) * HL_PANEL_ROWS, scale1);
        if (has_min) _mm512_store_ps(s->min + 2 * g * HL_PANEL_ROWS, min0);
        if (has_min) _mm512_store_ps(s->min + (2 * g + 1) * HL_PANEL_ROWS, min1);
    }
    HL_UNROLL for (int t = 0; t < T; t++) {
        __m512 f = _mm512_fmadd_ps(_mm512_castsi512_ps(s->isum[t][2 * g]), scale0, unbias);
        f = _mm512_fmadd_ps(_mm512_cvtepi32_ps(s->isum[t][2 * g + 1]), scale1, f);
        if (has_min) f = _mm512_fnmadd_ps(min0, _mm512_castsi512_ps(sum_of(s, t, 0, g)), f);
        if (has_min) f = _mm512_fnmadd_ps(min1, _mm512_castsi512_ps(sum_of(s, t, 1, g)), f);
        s->acc[t] = _mm512_fmadd_ps(f, _mm512_set1_ps(s->d[t * TILE_GROUPS + g]), s->acc[t]);
    }
}

/* Go on to the next block, n groups of 32 columns further. */
HL_INLINE void advance(const int T, const bool g16, sink *s, int n) {
    if (T == 0) {
        s->codes += 8 * n * PANEL_STEP_BYTES;
        s->scale += (g16 ? 2 : 1) * n * HL_PANEL_ROWS;
        s->min += (g16 ? 2 : 1) * n * HL_PANEL_ROWS;
    } else {
        s->q[0] += 32 * n;
        s->q[1] += 32 * n;
        s->d += n;
        s->sums += n;
    }
}

#endif
