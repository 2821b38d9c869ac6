/* SPDX-License-Identifier: MIT
 *
 * gemv_dot_avx2.h - y = W x for a few tokens, eight rows a vector, for an instruction that adds four
 * products.
 *
 * Codes meet all tokens of the call while they are in registers (decode_avx2.h): a lane is a row, so that
 * nothing is added crosswise, and one transposition serves all tokens. The including file defines HL_DOT
 * (dot_avx2.h).
 *
 * limit    memory for one token, then the ports that multiply
 */
#ifndef HL_ENGINE_KERNELS_X86_GEMV_DOT_AVX2_H
#define HL_ENGINE_KERNELS_X86_GEMV_DOT_AVX2_H

#include "engine/kernels/kernel_list.h"
#include "engine/kernels/x86/decode_avx2.h"
#include "engine/kernels/x86/dot_avx2.h"
#include "engine/quant/group.h"

#ifndef DOT_TOKENS
#define DOT_TOKENS 4
#endif
enum { DOT_GROUPS = 8 }; /* of 32 columns: those of the largest block */

/* What 256 columns of the tokens are, one after the other, without distances. */
typedef struct dot_tokens {
    int32_t sums[DOT_TOKENS][2 * DOT_GROUPS]; /* prepare_sums() */
    float   d[DOT_TOKENS][DOT_GROUPS];
} dot_tokens;

struct sink8 {
    const int8_t  *q;          /* of the first token, at the block's first column */
    size_t         one, three; /* distance between tokens in columns, and three times that */
    const float   *d;          /* of dot_tokens, likewise */
    const int32_t *sums;
    const uint8_t *prefetch;
    __m256         scale[2 * DOT_GROUPS], min[2 * DOT_GROUPS];
    __m256i        isum[DOT_TOKENS][2 * DOT_GROUPS];
    __m256         acc[DOT_TOKENS];
};

HL_INLINE const int8_t *token_at(const sink8 *out, size_t t) {
    return out->q + (t % 4 == 3 ? (t - 3) * out->one + out->three : t * out->one);
}

HL_INLINE __m256i sum_at(const sink8 *out, size_t t, size_t i) {
    return _mm256_set1_epi32(out->sums[t * 2 * DOT_GROUPS + i]);
}

HL_INLINE void put_quad(const kind8 kind, sink8 *out, int i, int k, __m256i quad) {
    const size_t per = kind.group / 4, step = (size_t)(8 * i + k), s = step / per;
    HL_UNROLL for (size_t t = 0; t < kind.n_tokens; t++) {
        const __m256i x = set_quad(token_at(out, t) + 4 * step);
        __m256i       from = out->isum[t][s];
        if (step % per == 0) from = kind.has_min ? _mm256_set1_epi32(SUM_BIAS) : sum_at(out, t, s);
        out->isum[t][s] = HL_DOT(from, quad, x);
        KEEP(out->isum[t][s]);
    }
}

HL_INLINE void put_scale(const kind8 kind, sink8 *out, int i, __m256 scale) {
    (void)kind;
    out->scale[i] = scale;
}

HL_INLINE void put_min(const kind8 kind, sink8 *out, int i, __m256 min) {
    (void)kind;
    out->min[i] = min;
}

/* Prefetches go out with every group: all of a block at once would fill the miss buffers. They run through
 * the next eight rows in the order of memory, not row by row (strips8_avx2.h). */
HL_INLINE void put_group(const kind8 kind, sink8 *out, int i) {
    const size_t n = 32 / kind.group, at = (size_t)i * n, n_bytes = 8 * kind.block_bytes / kind.block_groups;
    HL_UNROLL for (size_t b = 0; b < n_bytes; b += 64)
        _mm_prefetch((const char *)out->prefetch + b, _MM_HINT_T1);
    out->prefetch += n_bytes;
    HL_UNROLL for (size_t t = 0; t < kind.n_tokens; t++) {
        __m256 sum = _mm256_mul_ps(sum_as_f32(out->isum[t][at]), out->scale[at]);
        if (n == 2) sum = _mm256_fmadd_ps(sum_as_f32(out->isum[t][at + 1]), out->scale[at + 1], sum);
        if (kind.has_min)
            HL_UNROLL for (size_t s = 0; s < n; s++) sum =
                _mm256_fnmadd_ps(out->min[at + s], _mm256_castsi256_ps(sum_at(out, t, at + s)), sum);
        out->acc[t] = _mm256_fmadd_ps(sum, _mm256_set1_ps(out->d[t * DOT_GROUPS + (size_t)i]), out->acc[t]);
    }
}

/* Eight rows times kind.n_tokens tokens from `token` on. */
HL_INLINE void multiply_strip(const kind8 kind, int32_t offset, decode8_fn *decode8, const uint8_t *w,
                              size_t row_bytes, const hl_act *x, size_t token, float *y, size_t y_stride) {
    const size_t n_groups = x->n_cols / 32, at = token * n_groups;
    strip8       s = {.at = {w, w + 4 * row_bytes}, .stride = row_bytes, .stride3 = 3 * row_bytes};
    dot_tokens   tokens;
    sink8        out;
    out.q = x->q + 32 * at;
    out.one = x->n_cols;
    out.three = 3 * x->n_cols;
    out.prefetch = w + 8 * row_bytes;
    HL_UNROLL for (size_t t = 0; t < kind.n_tokens; t++) out.acc[t] = _mm256_setzero_ps();
    for (size_t g = 0; g < n_groups; g += DOT_GROUPS) {
        const size_t n = n_groups - g < DOT_GROUPS ? n_groups - g : DOT_GROUPS;
        HL_UNROLL for (size_t t = 0; t < kind.n_tokens; t++) {
            const size_t from = at + t * n_groups + g;
            prepare_sums(offset, x->sum16 + 2 * from, n, kind.group, kind.has_min, tokens.sums[t]);
            if (n == DOT_GROUPS)
                _mm256_storeu_ps(tokens.d[t], _mm256_loadu_ps(x->d + from));
            else
                memcpy(tokens.d[t], x->d + from, n * sizeof(float));
        }
        out.d = tokens.d[0];
        out.sums = tokens.sums[0];
        for (size_t i = 0; i < n; i += kind.block_groups) {
            decode8(kind, &s, &out);
            strip_advance(&s, kind.block_bytes);
            out.q += 32 * kind.block_groups;
            out.d += kind.block_groups;
            out.sums += 32 / kind.group * kind.block_groups;
        }
    }
    HL_UNROLL for (size_t t = 0; t < kind.n_tokens; t++) _mm256_storeu_ps(y + t * y_stride, out.acc[t]);
}

/* Eight rows meet all tokens before the next eight come: they stay in the first-level cache meanwhile. `rest`
 * takes the last rows, fewer than eight. */
HL_INLINE void gemv_dot(kind8 kind, int32_t offset, decode8_fn *decode8, hl_gemv_fn *rest, size_t n_rows,
                        const void *w, size_t row_bytes, const hl_act *x, float *y, size_t y_stride) {
#define TOKENS(n)                                                                                            \
    case n:                                                                                                  \
        multiply_strip((kind8){n, kind.group, kind.has_min, kind.block_bytes, kind.block_groups}, offset,    \
                       decode8, at, row_bytes, x, t, out, y_stride);                                         \
        break
    const uint8_t *rows = w;
    const size_t   whole = n_rows / 8 * 8;
    for (size_t r = 0; r < whole; r += 8) {
        const uint8_t *at = rows + r * row_bytes;
        for (size_t t = 0; t < x->n_tokens;) {
            const size_t left = x->n_tokens - t;
            const size_t take = left < DOT_TOKENS        ? left
                                : left == DOT_TOKENS + 1 ? (left + 1) / 2
                                                         : DOT_TOKENS;
            float       *out = y + t * y_stride + r;
            switch (take) {
                TOKENS(1);
                TOKENS(2);
                TOKENS(3);
#if DOT_TOKENS > 3
                TOKENS(4);
#endif
#if DOT_TOKENS > 4
                TOKENS(5);
                TOKENS(6);
#endif
            }
            t += take;
        }
    }
    if (whole < n_rows) rest(n_rows - whole, rows + whole * row_bytes, row_bytes, x, y + whole, y_stride);
#undef TOKENS
}

/* Every type with a decode8_<type> of its own, and whether AVX2 takes one token: where nothing but a mask
 * makes codes of bytes, one token does not earn the transposition, and adding crosswise (strips8_avx2.h) is
 * up to a tenth faster, with the same bits. */
/* clang-format off */
#define HL_DOT_TYPES(ROW) \
    ROW(q4_0,   true) \
    ROW(q4_1,   true) \
    ROW(q5_0,   false) \
    ROW(q5_1,   false) \
    ROW(q8_0,   true) \
    ROW(q2_k,   false) \
    ROW(q3_k,   false) \
    ROW(q4_k,   true) \
    ROW(q5_k,   true) \
    ROW(q6_k,   false) \
    ROW(iq4_nl, false) \
    ROW(iq4_xs, false) \
    ROW(mxfp4,  true) \
    ROW(tq2_0,  true) \
    ROW(nvfp4,  true)
/* clang-format on */

#define ONE_BY(type, one_by_avx2) ONE_BY_AVX2_##type = one_by_avx2,
#define STAGED(type, ...)         ONE_BY_AVX2_##type = false,
enum { HL_DOT_TYPES(ONE_BY) HL_STAGED_TYPES(STAGED) HL_GRID_TYPES(STAGED) };
#undef ONE_BY
#undef STAGED

#endif
