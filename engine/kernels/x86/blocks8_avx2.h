/* SPDX-License-Identifier: MIT
 *
 * blocks8_avx2.h - one block of eight rows times a few tokens, per weight type. Layouts:
 * engine/quant/<type>.h; how vectors are laid out: strips8_avx2.h.
 *
 * Codes are u8 and activations i8: maddubs adds two products in 16 bits, which is exact for codes up to 127.
 * Signed codes are multiplied as magnitudes, their signs moved to the other factor.
 */
#ifndef HL_ENGINE_KERNELS_X86_BLOCKS8_AVX2_H
#define HL_ENGINE_KERNELS_X86_BLOCKS8_AVX2_H

#include "engine/kernels/x86/grids8_avx2.h"
#include "engine/kernels/x86/staged8_avx2.h"
#include "engine/kernels/x86/strips8_avx2.h"
#include "engine/quant/group.h"

HL_INLINE __m256i ones16(void) { return _mm256_set1_epi16(1); }

/* 16-bit products of a group's 32 codes with token t's columns. */
HL_INLINE __m256i dot_group(const __m256i *code, const hl_act *x, size_t t, size_t column) {
    return _mm256_add_epi16(_mm256_maddubs_epi16(code[0], x_half(x, t, column)),
                            _mm256_maddubs_epi16(code[1], x_half(x, t, column + 16)));
}

/* The step of a type with 32-column groups without a minimum. */
HL_INLINE __m256 scale_step(__m256i isum, __m256 scale, const hl_act *x, size_t t, size_t i_group,
                            __m256 acc) {
    return _mm256_fmadd_ps(_mm256_mul_ps(_mm256_cvtepi32_ps(isum), scale), x_scale(x, t, i_group), acc);
}

/* The same with one; xmin: sum of x times the integer part of the minimum. */
HL_INLINE __m256 min_step(__m256i isum, __m256 scale, __m256i xmin, __m256 min, const hl_act *x, size_t t,
                          size_t i_group, __m256 acc) {
    const __m256 s = _mm256_mul_ps(_mm256_cvtepi32_ps(isum), scale);
    return _mm256_fmadd_ps(_mm256_fnmadd_ps(min, _mm256_cvtepi32_ps(xmin), s), x_scale(x, t, i_group), acc);
}

/* And with an f16 minimum, stored negated. */
HL_INLINE __m256 plus_step(__m256i isum, __m256 scale, __m256 plus, const hl_act *x, size_t t, size_t i_group,
                           __m256 acc) {
    const __m256i xsum = _mm256_madd_epi16(x_sums(x, t, i_group), ones16());
    const __m256  v = _mm256_mul_ps(_mm256_cvtepi32_ps(isum), scale);
    return _mm256_fmadd_ps(_mm256_fmadd_ps(plus, _mm256_cvtepi32_ps(xsum), v), x_scale(x, t, i_group), acc);
}

/* Byte i of every lane, as two equal 16-bit numbers. */
HL_INLINE __m256i byte_pairs(__m256i v, int i) {
    const __m256i lanes =
        _mm256_setr_epi8(0, -128, 0, -128, 4, -128, 4, -128, 8, -128, 8, -128, 12, -128, 12, -128, 0, -128, 0,
                         -128, 4, -128, 4, -128, 8, -128, 8, -128, 12, -128, 12, -128);
    return _mm256_shuffle_epi8(v, _mm256_add_epi8(lanes, _mm256_set1_epi8((char)i)));
}

/* The same of rows 0 1 0 1 (first = 0) or 2 3 2 3 (first = 2), as rows_of_16() takes them. */
HL_INLINE __m256i byte_pairs_of(__m256i v, int i, int first) {
    const __m256i lanes =
        _mm256_setr_epi8(0, -128, 0, -128, 4, -128, 4, -128, 0, -128, 0, -128, 4, -128, 4, -128, 0, -128, 0,
                         -128, 4, -128, 4, -128, 0, -128, 0, -128, 4, -128, 4, -128);
    return _mm256_shuffle_epi8(v, _mm256_add_epi8(lanes, _mm256_set1_epi8((char)(i + 4 * first))));
}

HL_INLINE void block8_q4_k(const strip8 *s, const hl_act *x, size_t i_group, size_t n_tokens, __m256 *acc) {
    k_head8 h;
    k_head8_read(s, &h);
    HL_UNROLL for (int j = 0; j < 8; j += 2) {
        __m256i sum[2][3][4];
        strip_prefetch(s, (size_t)j, HL_BLOCK_BYTES_q4_k);
        strip_prefetch(s, (size_t)j + 1, HL_BLOCK_BYTES_q4_k);
        HL_UNROLL for (size_t k = 0; k < 4; k++) {
            const __m256i u[2] = {strip_half(s, k, (size_t)(16 + 16 * j)),
                                  strip_half(s, k, (size_t)(32 + 16 * j))};
            HL_UNROLL for (int i = 0; i < 2; i++) {
                const __m256i code[2] = {move8(u[0], 4 * i, 15), move8(u[1], 4 * i, 15)};
                HL_UNROLL for (size_t t = 0; t < n_tokens; t++) sum[i][t][k] =
                    dot_group(code, x, t, 32 * (i_group + (size_t)(j + i)));
            }
        }
        HL_UNROLL for (int i = 0; i < 2; i++) {
            const size_t  g = i_group + (size_t)(j + i);
            const __m256i scale = byte_pairs(h.scale[j / 4], j % 4 + i);
            const __m256i min = byte_pairs(h.min[j / 4], j % 4 + i);
            HL_UNROLL for (size_t t = 0; t < n_tokens; t++) acc[t] =
                min_step(rows_of_small_16(sum[i][t], scale), h.d, _mm256_madd_epi16(min, x_sums(x, t, g)),
                         h.dmin, x, t, g, acc[t]);
        }
    }
}

/* Offset of the codes times the sum of x. */
HL_INLINE __m256i less_offset(__m256i isum, int offset, const hl_act *x, size_t t, size_t i_group) {
    return _mm256_sub_epi32(isum, _mm256_madd_epi16(x_sums(x, t, i_group), _mm256_set1_epi16((short)offset)));
}

/* 16-bit sums of the 32 columns of a block of nibbles at `offset`. */
HL_INLINE void dot_nibbles(const strip8 *s, size_t offset, const hl_act *x, size_t i_group, size_t n_tokens,
                           __m256i (*sum)[4]) {
    HL_UNROLL for (size_t k = 0; k < 4; k++) {
        const __m256i u = strip_half(s, k, offset);
        const __m256i code[2] = {mask8(u, 15), move8(u, 4, 15)};
        HL_UNROLL for (size_t t = 0; t < n_tokens; t++) sum[t][k] = dot_group(code, x, t, 32 * i_group);
    }
}

HL_INLINE void block8_q4_0(const strip8 *s, const hl_act *x, size_t i_group, size_t n_tokens, __m256 *acc) {
    const __m256 d = strip_f16(s, 0);
    __m256i      sum[3][4];
    dot_nibbles(s, 2, x, i_group, n_tokens, sum);
    HL_UNROLL for (size_t t = 0; t < n_tokens; t++) acc[t] =
        scale_step(less_offset(rows_of_small_16(sum[t], ones16()), HL_OFFSET_q4_0, x, t, i_group), d, x, t,
                   i_group, acc[t]);
}

/* Half a block of q6_k is 128 columns, four groups g = 0..3 of 32; byte j of 32, in two halves c of 16:
 *
 *   low  bytes   64 n + j:      | low nibble: g 0 | high nibble: g 2 |     m = 0: groups 0 and 2
 *                64 n + 32 + j: | low nibble: g 1 | high nibble: g 3 |     m = 1: groups 1 and 3
 *   high byte    128 + 32 n + j: bits 1 0: g 0, 3 2: g 1, 5 4: g 2, 7 6: g 3
 *
 * So of group g = m + 2 i nibble i of a low byte is the code's lower four bits, and bits 2 g, 2 g + 1 of the
 * high byte, moved to bits 4 and 5 (0x30; right by 2 g - 4), are the upper two. 16 columns share a scale. */
HL_INLINE void block8_q6_k(const strip8 *s, const hl_act *x, size_t i_group, size_t n_tokens, __m256 *acc) {
    const __m256 d = _mm256_mul_ps(strip_f16(s, 208), _mm256_set1_ps(0x1p-24f));
    __m256i      scale[4];
    strip_units(s, 192, scale);
    HL_UNROLL for (int n = 0; n < 2; n++) {
        __m256 part[4][3]; /* the groups' sums, which are made two at a time, out of order */
        HL_UNROLL for (int m = 0; m < 2; m++) {
            strip_prefetch(s, (size_t)(4 * n + 2 * m), HL_BLOCK_BYTES_q6_k);
            strip_prefetch(s, (size_t)(4 * n + 2 * m + 1), HL_BLOCK_BYTES_q6_k);
            HL_UNROLL for (int c = 0; c < 2; c++) {
                __m256i sum[2][3][4];
                HL_UNROLL for (size_t k = 0; k < 4; k++) {
                    const __m256i low = strip_half(s, k, (size_t)(64 * n + 32 * m + 16 * c));
                    const __m256i high = strip_half(s, k, (size_t)(128 + 32 * n + 16 * c));
                    HL_UNROLL for (int i = 0; i < 2; i++) {
                        const __m256i code =
                            _mm256_or_si256(move8(low, 4 * i, 15), move8(high, 2 * m + 4 * i - 4, 0x30));
                        HL_UNROLL for (size_t t = 0; t < n_tokens; t++) sum[i][t][k] = _mm256_maddubs_epi16(
                            code,
                            x_half(x, t, 32 * (i_group + (size_t)(4 * n + m + 2 * i)) + (size_t)(16 * c)));
                    }
                }
                HL_UNROLL for (int i = 0; i < 2; i++) {
                    const int    g = 4 * n + m + 2 * i, b = 2 * g + c;
                    const __m256 f = _mm256_mul_ps(d, top_byte_f32(scale[b / 4], b % 4));
                    HL_UNROLL for (size_t t = 0; t < n_tokens; t++) {
                        const __m256i isum = rows_of_16(sum[i][t], ones16(), ones16());
                        const __m256i off =
                            _mm256_madd_epi16(x_sums(x, t, i_group + (size_t)g),
                                              _mm256_set1_epi32(c ? HL_OFFSET_q6_k << 16 : HL_OFFSET_q6_k));
                        const __m256 v = _mm256_cvtepi32_ps(_mm256_sub_epi32(isum, off));
                        part[m + 2 * i][t] =
                            c ? _mm256_fmadd_ps(v, f, part[m + 2 * i][t]) : _mm256_mul_ps(v, f);
                    }
                }
            }
        }
        HL_UNROLL for (int i = 0; i < 4; i++) HL_UNROLL for (size_t t = 0; t < n_tokens; t++) acc[t] =
            _mm256_fmadd_ps(part[i][t], x_scale(x, t, i_group + (size_t)(4 * n + i)), acc[t]);
    }
}

HL_INLINE void block8_q8_0(const strip8 *s, const hl_act *x, size_t i_group, size_t n_tokens, __m256 *acc) {
    const __m256 d = strip_f16(s, 0);
    __m256i      sum[3][4];
    HL_UNROLL for (size_t k = 0; k < 4; k++) {
        const __m256i w[2] = {strip_half(s, k, 2), strip_half(s, k, 18)};
        const __m256i size[2] = {_mm256_abs_epi8(w[0]), _mm256_abs_epi8(w[1])};
        HL_UNROLL for (size_t t = 0; t < n_tokens; t++) {
            const __m256i p0 =
                _mm256_maddubs_epi16(size[0], _mm256_sign_epi8(x_half(x, t, 32 * i_group), w[0]));
            const __m256i p1 =
                _mm256_maddubs_epi16(size[1], _mm256_sign_epi8(x_half(x, t, 32 * i_group + 16), w[1]));
            sum[t][k] = _mm256_add_epi32(_mm256_madd_epi16(p0, ones16()), _mm256_madd_epi16(p1, ones16()));
        }
    }
    HL_UNROLL for (size_t t = 0; t < n_tokens; t++) acc[t] =
        scale_step(rows_of_32(sum[t]), d, x, t, i_group, acc[t]);
}

HL_INLINE void block8_q4_1(const strip8 *s, const hl_act *x, size_t i_group, size_t n_tokens, __m256 *acc) {
    const __m256i dm = strip_u32(s, 0);
    const __m256  d = low_f16(dm), m = low_f16(_mm256_srli_epi32(dm, 16));
    __m256i       sum[3][4];
    dot_nibbles(s, 4, x, i_group, n_tokens, sum);
    HL_UNROLL for (size_t t = 0; t < n_tokens; t++) acc[t] =
        plus_step(rows_of_small_16(sum[t], ones16()), d, m, x, t, i_group, acc[t]);
}

/* As dot_nibbles() with a fifth bit: bit j of row r's lane of `high` is column j's. */
HL_INLINE void dot_fives(const strip8 *s, size_t offset, __m256i high, const hl_act *x, size_t i_group,
                         size_t n_tokens, __m256i (*sum)[4]) {
    const __m256i bit = _mm256_set1_epi64x((long long)0x8040201008040201);
    const __m256i spread = _mm256_setr_epi8(0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0,
                                            0, 0, 1, 1, 1, 1, 1, 1, 1, 1);
    HL_UNROLL for (size_t k = 0; k < 4; k++) {
        const __m256i u = strip_half(s, k, offset);
        __m256i       code[2];
        HL_UNROLL for (int c = 0; c < 2; c++) {
            const __m256i from = _mm256_add_epi8(spread, _mm256_set1_epi8((char)(4 * (int)k + 2 * c)));
            const __m256i own = _mm256_and_si256(_mm256_shuffle_epi8(high, from), bit);
            const __m256i fifth = mask8(_mm256_cmpeq_epi8(own, bit), 16);
            code[c] = _mm256_or_si256(move8(u, 4 * c, 15), fifth);
        }
        HL_UNROLL for (size_t t = 0; t < n_tokens; t++) sum[t][k] = dot_group(code, x, t, 32 * i_group);
    }
}

HL_INLINE void block8_q5_0(const strip8 *s, const hl_act *x, size_t i_group, size_t n_tokens, __m256 *acc) {
    const __m256 d = strip_f16(s, 0);
    __m256i      sum[3][4];
    dot_fives(s, 6, strip_u32(s, 2), x, i_group, n_tokens, sum);
    HL_UNROLL for (size_t t = 0; t < n_tokens; t++) {
        const __m256i isum = rows_of_16(sum[t], ones16(), ones16());
        acc[t] = scale_step(less_offset(isum, HL_OFFSET_q5_0, x, t, i_group), d, x, t, i_group, acc[t]);
    }
}

HL_INLINE void block8_q5_1(const strip8 *s, const hl_act *x, size_t i_group, size_t n_tokens, __m256 *acc) {
    const __m256i dm = strip_u32(s, 0);
    const __m256  d = low_f16(dm), m = low_f16(_mm256_srli_epi32(dm, 16));
    __m256i       sum[3][4];
    dot_fives(s, 8, strip_u32(s, 4), x, i_group, n_tokens, sum);
    HL_UNROLL for (size_t t = 0; t < n_tokens; t++) acc[t] =
        plus_step(rows_of_16(sum[t], ones16(), ones16()), d, m, x, t, i_group, acc[t]);
}

/* 32-bit sums of 32 columns whose codes are the entries of the iq4_nl table, -127 .. 113. */
HL_INLINE void dot_iq4_nl(const strip8 *s, size_t offset, const hl_act *x, size_t i_group, size_t n_tokens,
                          __m256i (*sum)[4]) {
    const __m256i table = _mm256_broadcastsi128_si256(
        _mm_setr_epi8(-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113));
    HL_UNROLL for (size_t k = 0; k < 4; k++) {
        const __m256i u = strip_half(s, k, offset);
        const __m256i w[2] = {_mm256_shuffle_epi8(table, mask8(u, 15)),
                              _mm256_shuffle_epi8(table, move8(u, 4, 15))};
        HL_UNROLL for (size_t t = 0; t < n_tokens; t++) {
            const __m256i q[2] = {x_half(x, t, 32 * i_group), x_half(x, t, 32 * i_group + 16)};
            const __m256i p0 = _mm256_maddubs_epi16(_mm256_abs_epi8(q[0]), _mm256_sign_epi8(w[0], q[0]));
            const __m256i p1 = _mm256_maddubs_epi16(_mm256_abs_epi8(q[1]), _mm256_sign_epi8(w[1], q[1]));
            sum[t][k] = _mm256_add_epi32(_mm256_madd_epi16(p0, ones16()), _mm256_madd_epi16(p1, ones16()));
        }
    }
}

HL_INLINE void block8_iq4_nl(const strip8 *s, const hl_act *x, size_t i_group, size_t n_tokens, __m256 *acc) {
    const __m256 d = strip_f16(s, 0);
    __m256i      sum[3][4];
    dot_iq4_nl(s, 2, x, i_group, n_tokens, sum);
    HL_UNROLL for (size_t t = 0; t < n_tokens; t++) acc[t] =
        scale_step(rows_of_32(sum[t]), d, x, t, i_group, acc[t]);
}

HL_INLINE void block8_iq4_xs(const strip8 *s, const hl_act *x, size_t i_group, size_t n_tokens, __m256 *acc) {
    const __m256i head = strip_u32(s, 0);
    const __m256  d = _mm256_mul_ps(low_f16(head), _mm256_set1_ps(0x1p-24f));
    __m256i       scale[2];
    iq4_xs_scales(head, strip_u32(s, 4), scale);
    HL_UNROLL for (size_t j = 0; j < 8; j++) {
        const __m256 f = _mm256_mul_ps(d, top_byte_f32(scale[j % 2], (int)j / 2));
        __m256i      sum[3][4];
        strip_prefetch(s, j, HL_BLOCK_BYTES_iq4_xs);
        dot_iq4_nl(s, 8 + 16 * j, x, i_group + j, n_tokens, sum);
        HL_UNROLL for (size_t t = 0; t < n_tokens; t++) acc[t] =
            scale_step(rows_of_32(sum[t]), f, x, t, i_group + j, acc[t]);
    }
}

HL_INLINE void block8_mxfp4(const strip8 *s, const hl_act *x, size_t i_group, size_t n_tokens, __m256 *acc) {
    const __m256i table = _mm256_broadcastsi128_si256(
        _mm_setr_epi8(16, 17, 18, 19, 20, 22, 24, 28, 16, 15, 14, 13, 12, 10, 8, 4));
    const __m128i first = _mm_and_si128(strip_u16(s, 0), _mm_set1_epi16(0xFF));
    const __m256  d = mxfp4_scale8(_mm256_cvtepu16_epi32(first));
    __m256i       sum[3][4];
    HL_UNROLL for (size_t k = 0; k < 4; k++) {
        const __m256i u = strip_half(s, k, 1);
        const __m256i code[2] = {_mm256_shuffle_epi8(table, mask8(u, 15)),
                                 _mm256_shuffle_epi8(table, move8(u, 4, 15))};
        HL_UNROLL for (size_t t = 0; t < n_tokens; t++) sum[t][k] = dot_group(code, x, t, 32 * i_group);
    }
    HL_UNROLL for (size_t t = 0; t < n_tokens; t++) {
        const __m256i isum = rows_of_16(sum[t], ones16(), ones16());
        acc[t] = scale_step(less_offset(isum, HL_OFFSET_mxfp4, x, t, i_group), d, x, t, i_group, acc[t]);
    }
}

HL_INLINE void block8_q5_k(const strip8 *s, const hl_act *x, size_t i_group, size_t n_tokens, __m256 *acc) {
    k_head8 h;
    k_head8_read(s, &h);
    HL_UNROLL for (int j = 0; j < 8; j += 2) {
        __m256i sum[2][3][4];
        strip_prefetch(s, (size_t)j, HL_BLOCK_BYTES_q5_k);
        strip_prefetch(s, (size_t)j + 1, HL_BLOCK_BYTES_q5_k);
        HL_UNROLL for (size_t k = 0; k < 4; k++) {
            const __m256i u[2] = {strip_half(s, k, (size_t)(48 + 16 * j)),
                                  strip_half(s, k, (size_t)(64 + 16 * j))};
            const __m256i high[2] = {strip_half(s, k, 16), strip_half(s, k, 32)};
            HL_UNROLL for (int i = 0; i < 2; i++) {
                __m256i code[2];
                HL_UNROLL for (int c = 0; c < 2; c++) code[c] =
                    _mm256_or_si256(move8(u[c], 4 * i, 15), move8(high[c], j + i - 4, 16));
                HL_UNROLL for (size_t t = 0; t < n_tokens; t++) sum[i][t][k] =
                    dot_group(code, x, t, 32 * (i_group + (size_t)(j + i)));
            }
        }
        HL_UNROLL for (int i = 0; i < 2; i++) {
            const size_t  g = i_group + (size_t)(j + i);
            const __m256i ab = byte_pairs_of(h.scale[j / 4], j % 4 + i, 0);
            const __m256i cd = byte_pairs_of(h.scale[j / 4], j % 4 + i, 2);
            const __m256i min = byte_pairs(h.min[j / 4], j % 4 + i);
            HL_UNROLL for (size_t t = 0; t < n_tokens; t++) acc[t] =
                min_step(rows_of_16(sum[i][t], ab, cd), h.d, _mm256_madd_epi16(min, x_sums(x, t, g)), h.dmin,
                         x, t, g, acc[t]);
        }
    }
}

HL_INLINE void block8_q2_k(const strip8 *s, const hl_act *x, size_t i_group, size_t n_tokens, __m256 *acc) {
    const __m256i dm = strip_u32(s, 80);
    const __m256  d = low_f16(dm), dmin = low_f16(_mm256_srli_epi32(dm, 16));
    __m256i       head[4];
    strip_units(s, 0, head);
    HL_UNROLL for (int j = 0; j < 8; j++) {
        __m256 part[3];
        strip_prefetch(s, (size_t)j, HL_BLOCK_BYTES_q2_k);
        HL_UNROLL for (int c = 0; c < 2; c++) {
            const int     b = 2 * j + c;
            const __m256i scale = byte_pairs(mask8(head[b / 4], 15), b % 4);
            __m256i       sum[3][4];
            HL_UNROLL for (size_t k = 0; k < 4; k++) {
                const __m256i u = strip_half(s, k, (size_t)(16 + 32 * (j / 4) + 16 * c));
                const __m256i code = move8(u, 2 * (j % 4), 3);
                HL_UNROLL for (size_t t = 0; t < n_tokens; t++) sum[t][k] =
                    _mm256_maddubs_epi16(code, x_half(x, t, 32 * (i_group + (size_t)j) + (size_t)(16 * c)));
            }
            HL_UNROLL for (size_t t = 0; t < n_tokens; t++) {
                const __m256 v = _mm256_cvtepi32_ps(rows_of_small_16(sum[t], scale));
                part[t] = c ? _mm256_fmadd_ps(v, d, part[t]) : _mm256_mul_ps(v, d);
            }
        }
        HL_UNROLL for (size_t t = 0; t < n_tokens; t++) {
            const __m256i xs = x_sums(x, t, i_group + (size_t)j);
            HL_UNROLL for (int c = 0; c < 2; c++) {
                const int     b = 2 * j + c;
                const __m256i min = _mm256_and_si256(byte_pairs(move8(head[b / 4], 4, 15), b % 4),
                                                     _mm256_set1_epi32(c ? -65536 : 65535));
                part[t] = _mm256_fnmadd_ps(dmin, _mm256_cvtepi32_ps(_mm256_madd_epi16(min, xs)), part[t]);
            }
            acc[t] = _mm256_fmadd_ps(part[t], x_scale(x, t, i_group + (size_t)j), acc[t]);
        }
    }
}

/* Byte i of every lane, signed, as two equal 16-bit numbers: its place among the wide even and odd bytes. */
HL_INLINE __m256i wide_pairs(const __m256i *wide, int i) {
    const int     at = 2 * (i / 2);
    const __m256i lanes = _mm256_setr_epi8(0, 1, 0, 1, 4, 5, 4, 5, 8, 9, 8, 9, 12, 13, 12, 13, 0, 1, 0, 1, 4,
                                           5, 4, 5, 8, 9, 8, 9, 12, 13, 12, 13);
    return _mm256_shuffle_epi8(wide[i % 2], _mm256_add_epi8(lanes, _mm256_set1_epi8((char)at)));
}

HL_INLINE void block8_q3_k(const strip8 *s, const hl_act *x, size_t i_group, size_t n_tokens, __m256 *acc) {
    const __m256 d = strip_f16(s, 108);
    __m256i      h[4];
    strip_units(s, 92, h); /* the last 4 bytes of qs, then the 12 bytes of scales */
    HL_UNROLL for (int j = 0; j < 8; j++) {
        __m256 part[3];
        strip_prefetch(s, (size_t)j, HL_BLOCK_BYTES_q3_k);
        const int     quarter = j / 2;
        const __m256i low = move8(h[1 + quarter % 2], 4 * (quarter / 2), 15);
        const __m256i bytes =
            _mm256_sub_epi8(_mm256_or_si256(low, move8(h[3], 2 * quarter - 4, 0x30)), _mm256_set1_epi8(32));
        const __m256i wide[2] = {_mm256_srai_epi16(_mm256_slli_epi16(bytes, 8), 8),
                                 _mm256_srai_epi16(bytes, 8)};
        HL_UNROLL for (int c = 0; c < 2; c++) {
            const __m256i scale = wide_pairs(wide, 2 * (j % 2) + c);
            __m256i       sum[3][4];
            HL_UNROLL for (size_t k = 0; k < 4; k++) {
                const __m256i u = strip_half(s, k, (size_t)(32 + 32 * (j / 4) + 16 * c));
                const __m256i third = move8(strip_half(s, k, (size_t)(16 * c)), j - 2, 4);
                const __m256i code = _mm256_or_si256(move8(u, 2 * (j % 4), 3), third);
                HL_UNROLL for (size_t t = 0; t < n_tokens; t++) sum[t][k] =
                    _mm256_maddubs_epi16(code, x_half(x, t, 32 * (i_group + (size_t)j) + (size_t)(16 * c)));
            }
            HL_UNROLL for (size_t t = 0; t < n_tokens; t++) {
                const __m256i xs =
                    _mm256_madd_epi16(x_sums(x, t, i_group + (size_t)j),
                                      _mm256_set1_epi32(c ? HL_OFFSET_q3_k << 16 : HL_OFFSET_q3_k));
                const __m256i off = _mm256_madd_epi16(scale, _mm256_and_si256(xs, _mm256_set1_epi32(65535)));
                const __m256  v = _mm256_cvtepi32_ps(_mm256_sub_epi32(rows_of_small_16(sum[t], scale), off));
                part[t] = c ? _mm256_fmadd_ps(v, d, part[t]) : _mm256_mul_ps(v, d);
            }
        }
        HL_UNROLL for (size_t t = 0; t < n_tokens; t++) acc[t] =
            _mm256_fmadd_ps(part[t], x_scale(x, t, i_group + (size_t)j), acc[t]);
    }
}

HL_INLINE void block8_tq2_0(const strip8 *s, const hl_act *x, size_t i_group, size_t n_tokens, __m256 *acc) {
    const __m256 d = strip_f16(s, 64);
    HL_UNROLL for (int j = 0; j < 8; j++) {
        const size_t g = i_group + (size_t)j;
        __m256i      sum[3][4];
        strip_prefetch(s, (size_t)j, HL_BLOCK_BYTES_tq2_0);
        HL_UNROLL for (size_t k = 0; k < 4; k++) {
            const size_t  at = (size_t)(32 * (j / 4));
            const __m256i code[2] = {move8(strip_half(s, k, at), 2 * (j % 4), 3),
                                     move8(strip_half(s, k, at + 16), 2 * (j % 4), 3)};
            HL_UNROLL for (size_t t = 0; t < n_tokens; t++) sum[t][k] = dot_group(code, x, t, 32 * g);
        }
        HL_UNROLL for (size_t t = 0; t < n_tokens; t++) acc[t] = scale_step(
            less_offset(rows_of_small_16(sum[t], ones16()), HL_OFFSET_tq2_0, x, t, g), d, x, t, g, acc[t]);
    }
}

HL_INLINE void block8_nvfp4(const strip8 *s, const hl_act *x, size_t i_group, size_t n_tokens, __m256 *acc) {
    const __m256i table = _mm256_broadcastsi128_si256(
        _mm_setr_epi8(16, 17, 18, 19, 20, 22, 24, 28, 16, 15, 14, 13, 12, 10, 8, 4));
    __m256i head[4];
    strip_units(s, 0, head);
    HL_UNROLL for (int i = 0; i < 2; i++) {
        const size_t g = i_group + (size_t)i;
        __m256i      sum[2][3][4];
        strip_prefetch(s, (size_t)i, 4 * HL_BLOCK_BYTES_nvfp4);
        HL_UNROLL for (size_t k = 0; k < 4; k++) {
            const __m256i u = strip_half(s, k, (size_t)(4 + 16 * i));
            const __m256i low = _mm256_shuffle_epi8(table, mask8(u, 15));
            const __m256i high = _mm256_shuffle_epi8(table, move8(u, 4, 15));
            const __m256i code[2] = {_mm256_unpacklo_epi64(low, high), _mm256_unpackhi_epi64(low, high)};
            HL_UNROLL for (int c = 0; c < 2; c++) HL_UNROLL for (size_t t = 0; t < n_tokens; t++)
                sum[c][t][k] = _mm256_maddubs_epi16(code[c], x_half(x, t, 32 * g + (size_t)(16 * c)));
        }
        HL_UNROLL for (size_t t = 0; t < n_tokens; t++) {
            __m256 part = _mm256_setzero_ps();
            HL_UNROLL for (int c = 0; c < 2; c++) {
                const __m256i off = _mm256_madd_epi16(
                    x_sums(x, t, g), _mm256_set1_epi32(c ? HL_OFFSET_nvfp4 << 16 : HL_OFFSET_nvfp4));
                const __m256i isum = _mm256_sub_epi32(rows_of_16(sum[c][t], ones16(), ones16()), off);
                const __m256  v = _mm256_cvtepi32_ps(isum), scale = nvfp4_scale8(head[0], 2 * i + c);
                part = c ? _mm256_fmadd_ps(v, scale, part) : _mm256_mul_ps(v, scale);
            }
            acc[t] = _mm256_fmadd_ps(part, x_scale(x, t, g), acc[t]);
        }
    }
}

/* 32-bit sums of 16 columns times codes above 127, with 128 taken off. */
HL_INLINE __m256i dot_signed16(__m256i code, __m256i x) {
    const __m256i w = _mm256_xor_si256(code, _mm256_set1_epi8(-128));
    return _mm256_madd_epi16(_mm256_maddubs_epi16(_mm256_abs_epi8(w), _mm256_sign_epi8(x, w)), ones16());
}

/* Integer sums of quads first .. first + n - 1 of a group with four columns of token t each: a lane is a row,
 * nothing is added crosswise. Sums of four products of codes up to 31 fit into 16 bits, of two others. */
HL_INLINE __m256i dot_quads(const hl_code_format f, const __m256i *quad, int first, int n, const int8_t *q) {
    const int together = f.max_code <= 31 ? 4 : 2;
    __m256i   sum = _mm256_setzero_si256(), products = sum;
    HL_UNROLL for (int k = first; k < first + n; k++) {
        int32_t four;
        __builtin_memcpy(&four, q + 4 * k, 4);
        const __m256i x = _mm256_set1_epi32(four), w = _mm256_xor_si256(quad[k], _mm256_set1_epi8(-128));
        const __m256i p = f.offset != 128 ? _mm256_maddubs_epi16(quad[k], x)
                                          : _mm256_maddubs_epi16(_mm256_abs_epi8(w), _mm256_sign_epi8(x, w));
        products = k % together == 0 ? p : _mm256_add_epi16(products, p);
        if (k % together == together - 1) sum = _mm256_add_epi32(sum, _mm256_madd_epi16(products, ones16()));
    }
    return sum;
}

/* Types whose codes stand in grids (grids.h). */
HL_INLINE void block8_grid(const grid_type type, size_t block_bytes, const strip8 *s, const hl_act *x,
                           size_t i_group, size_t n_tokens, __m256 *acc) {
    const hl_code_format f = type.format;
    const int            n = (int)f.group / 4; /* quads that share a scale */
    grid_block           b;
    read_grid8(type, s, &b);
    for (size_t i = 0; i < 8; i++) {
        const size_t g = i_group + i;
        grid_group   group;
        __m256i      quad[8];
        strip_prefetch(s, i, block_bytes);
        type.group(&b, i, &group);
        grid_quads(type, &group, quad);
        HL_UNROLL for (size_t t = 0; t < n_tokens; t++) {
            __m256 part;
            HL_UNROLL for (int c = 0; c < 8 / n; c++) {
                const int     offsets = n == 8 ? f.offset | f.offset << 16 : f.offset << 16 * c;
                __m256i       isum = dot_quads(f, quad, n * c, n, x->q + t * x->n_cols + 32 * g);
                const __m256i less = _mm256_madd_epi16(x_sums(x, t, g), _mm256_set1_epi32(offsets));
                if (f.offset != 128) isum = _mm256_sub_epi32(isum, less);
                const __m256 sum = _mm256_cvtepi32_ps(isum), scale = (__m256)group.scale[c];
                part = c == 0 ? _mm256_mul_ps(sum, scale) : _mm256_fmadd_ps(sum, scale, part);
            }
            acc[t] = _mm256_fmadd_ps(part, x_scale(x, t, g), acc[t]);
        }
    }
}

#define HL_GRID_BLOCK8(type, ...)                                                                            \
    HL_INLINE void block8_##type(const strip8 *s, const hl_act *x, size_t i_group, size_t n_tokens,          \
                                 __m256 *acc) {                                                              \
        block8_grid(grid_##type(), HL_BLOCK_BYTES_##type, s, x, i_group, n_tokens, acc);                     \
    }
HL_GRID_TYPES(HL_GRID_BLOCK8)

/* Integer sums of columns 16 c .. 16 c + n - 1 of group g of eight staged rows, offset taken off. n: 16,
 * 32. */
HL_INLINE void dot_staged(const hl_code_format f, const strip8 *staged, size_t i, int c, const hl_act *x,
                          size_t g, size_t n_tokens, __m256i *isum) {
    const size_t column = 32 * g + 16 * (size_t)c;
    const int    both = f.group == 32 ? f.offset | f.offset << 16 : c ? f.offset << 16 : f.offset;
    __m256i      sum[3][4];
    HL_UNROLL for (size_t k = 0; k < 4; k++) {
        const __m256i code = strip_half(staged, k, HL_STAGED_CODES(i) + 16 * (size_t)c);
        const __m256i next = f.group == 32 ? strip_half(staged, k, HL_STAGED_CODES(i) + 16) : code;
        HL_UNROLL for (size_t t = 0; t < n_tokens; t++) {
            const __m256i x0 = x_half(x, t, column);
            if (f.offset == 128 && f.group == 32)
                sum[t][k] =
                    _mm256_add_epi32(dot_signed16(code, x0), dot_signed16(next, x_half(x, t, column + 16)));
            else if (f.offset == 128)
                sum[t][k] = dot_signed16(code, x0);
            else if (f.group == 32 && f.max_code > 31)
                sum[t][k] =
                    _mm256_madd_epi16(dot_group((const __m256i[2]){code, next}, x, t, column), ones16());
            else if (f.group == 32)
                sum[t][k] = dot_group((const __m256i[2]){code, next}, x, t, column);
            else
                sum[t][k] = _mm256_maddubs_epi16(code, x0);
        }
    }
    HL_UNROLL for (size_t t = 0; t < n_tokens; t++) {
        const bool    wide = f.offset == 128 || (f.group == 32 && f.max_code > 31);
        const __m256i less = _mm256_madd_epi16(x_sums(x, t, g), _mm256_set1_epi32(both));
        isum[t] = wide ? rows_of_32(sum[t]) : rows_of_16(sum[t], ones16(), ones16());
        if (f.offset != 128) isum[t] = _mm256_sub_epi32(isum[t], less);
    }
}

/* Types whose rows are laid down first (staged.h). Their codes are at most 63, or have an offset of 128. */
HL_INLINE void block8_staged(const hl_code_format f, size_t block_bytes, size_t n_groups, stage8_fn *stage,
                             const strip8 *s, const hl_act *x, size_t i_group, size_t n_tokens, __m256 *acc) {
    hl_staged_row row[8];
    stage(s, row);
    const strip8 staged = staged_strip(row);
    for (size_t i = 0; i < n_groups; i++) {
        __m256i scale[4], first[3], second[3];
        strip_prefetch(s, i, 8 * block_bytes / n_groups);
        strip_units(&staged, HL_STAGED_SCALES(i), scale);
        dot_staged(f, &staged, i, 0, x, i_group + i, n_tokens, first);
        if (f.group == 16) dot_staged(f, &staged, i, 1, x, i_group + i, n_tokens, second);
        HL_UNROLL for (size_t t = 0; t < n_tokens; t++) {
            __m256 part = _mm256_mul_ps(_mm256_cvtepi32_ps(first[t]), _mm256_castsi256_ps(scale[0]));
            if (f.group == 16)
                part = _mm256_fmadd_ps(_mm256_cvtepi32_ps(second[t]), _mm256_castsi256_ps(scale[1]), part);
            acc[t] = _mm256_fmadd_ps(part, x_scale(x, t, i_group + i), acc[t]);
        }
    }
}

#define HL_STAGED_BLOCK8(type)                                                                               \
    HL_INLINE void block8_##type(const strip8 *s, const hl_act *x, size_t i_group, size_t n_tokens,          \
                                 __m256 *acc) {                                                              \
        block8_staged(hl_##type##_format(), HL_BLOCK_BYTES_##type, HL_BLOCK_GROUPS_##type, stage8_##type, s, \
                      x, i_group, n_tokens, acc);                                                            \
    }
HL_STAGED_TYPES(HL_STAGED_BLOCK8)

#endif
