/* SPDX-License-Identifier: MIT
 *
 * codes_avx2.h - decoders of one block of eight rows, per weight type. Layouts: engine/quant/<type>.h.
 */
#ifndef HL_ENGINE_KERNELS_CODES_AVX2_H
#define HL_ENGINE_KERNELS_CODES_AVX2_H

#include "engine/kernels/x86/rows8_avx2.h"

HL_INLINE __m256i hl_and8(__m256i v, int mask) { return _mm256_and_si256(v, _mm256_set1_epi8((char)mask)); }

/* Bits shift .. of every byte, masked. */
HL_INLINE __m256i hl_bits8(__m256i v, int shift, int mask) { return hl_and8(_mm256_srli_epi16(v, shift), mask); }

/* Byte `i` of every 32-bit lane as f32. */
HL_INLINE __m256 hl_byte_f32(__m256i v, int i) {
    return _mm256_cvtepi32_ps(_mm256_and_si256(_mm256_srli_epi32(v, 8 * i), _mm256_set1_epi32(0xFF)));
}

HL_INLINE __m256 hl_signed_byte_f32(__m256i v, int i) {
    return _mm256_cvtepi32_ps(_mm256_srai_epi32(_mm256_slli_epi32(v, 24 - 8 * i), 24));
}

/* 16 bytes of nibbles at `offset`: low ones are columns 0..15, high ones 16..31. */
HL_INLINE void hl_nibbles16(const uint8_t *const *b, size_t offset, __m256i *quad) {
    __m256i u[4];
    hl_units16(b, offset, u);
    HL_UNROLL for (int k = 0; k < 4; k++) {
        quad[k] = hl_and8(u[k], 15);
        quad[k + 4] = hl_bits8(u[k], 4, 15);
    }
}

HL_INLINE void hl_decode8_q4_0(const uint8_t *const *b, hl_group8 *g) {
    g->scale[0] = hl_halves8(b, 0);
    hl_nibbles16(b, 2, g->quad);
}

HL_INLINE __m256 hl_negate8(__m256 x) { return _mm256_xor_ps(x, _mm256_set1_ps(-0.0f)); }

HL_INLINE void hl_decode8_q4_1(const uint8_t *const *b, hl_group8 *g) {
    const __m256i dm = hl_units4(b, 0);
    g->scale[0] = hl_low_halves8(dm);
    g->min[0] = hl_negate8(hl_low_halves8(_mm256_srli_epi32(dm, 16)));
    hl_nibbles16(b, 4, g->quad);
}

/* Add 16 to column j of a row where bit j of its lane in `high` is set. */
HL_INLINE void hl_add_fifth_bits(__m256i high, __m256i *quad) {
    const __m256i spread = _mm256_setr_epi8(0, 0, 0, 0, 4, 4, 4, 4, 8, 8, 8, 8, 12, 12, 12, 12, 0, 0, 0, 0, 4,
                                            4, 4, 4, 8, 8, 8, 8, 12, 12, 12, 12);
    HL_UNROLL for (int k = 0; k < 8; k++) {
        const __m256i bit = _mm256_set1_epi32(k % 2 ? (int)0x80402010 : 0x08040201);
        const __m256i byte = _mm256_shuffle_epi8(high, _mm256_add_epi8(spread, _mm256_set1_epi8((char)(k / 2))));
        const __m256i set = _mm256_cmpeq_epi8(_mm256_and_si256(byte, bit), bit);
        quad[k] = _mm256_or_si256(quad[k], hl_and8(set, 16));
    }
}

HL_INLINE void hl_decode8_q5_0(const uint8_t *const *b, hl_group8 *g) {
    g->scale[0] = hl_halves8(b, 0);
    hl_nibbles16(b, 6, g->quad);
    hl_add_fifth_bits(hl_units4(b, 2), g->quad);
}

HL_INLINE void hl_decode8_q5_1(const uint8_t *const *b, hl_group8 *g) {
    const __m256i dm = hl_units4(b, 0);
    g->scale[0] = hl_low_halves8(dm);
    g->min[0] = hl_negate8(hl_low_halves8(_mm256_srli_epi32(dm, 16)));
    hl_nibbles16(b, 8, g->quad);
    hl_add_fifth_bits(hl_units4(b, 4), g->quad);
}

HL_INLINE void hl_decode8_q8_0(const uint8_t *const *b, hl_group8 *g) {
    g->scale[0] = hl_halves8(b, 0);
    hl_units16(b, 2, g->quad);
    hl_units16(b, 18, g->quad + 4);
    HL_UNROLL for (int k = 0; k < 8; k++) g->quad[k] = _mm256_xor_si256(g->quad[k], _mm256_set1_epi8(-128));
}

/* Replace nibbles by entries of a table of 16. */
HL_INLINE void hl_look_up(__m128i table, __m256i *quad) {
    const __m256i both = _mm256_broadcastsi128_si256(table);
    HL_UNROLL for (int k = 0; k < 8; k++) quad[k] = _mm256_shuffle_epi8(both, quad[k]);
}

HL_INLINE __m128i hl_iq4_nl_table(void) {
    return _mm_setr_epi8(1, 24, 45, 63, 79, 93, 106, 118, (char)129, (char)141, (char)153, (char)166,
                         (char)181, (char)197, (char)217, (char)241);
}

HL_INLINE void hl_decode8_iq4_nl(const uint8_t *const *b, hl_group8 *g) {
    g->scale[0] = hl_halves8(b, 0);
    hl_nibbles16(b, 2, g->quad);
    hl_look_up(hl_iq4_nl_table(), g->quad);
}

HL_INLINE void hl_decode8_mxfp4(const uint8_t *const *b, hl_group8 *g) {
    const __m256i e = _mm256_setr_epi32(b[0][0], b[1][0], b[2][0], b[3][0], b[4][0], b[5][0], b[6][0], b[7][0]);
    const __m256i normal = _mm256_slli_epi32(_mm256_sub_epi32(e, _mm256_set1_epi32(1)), 23);
    const __m256i tiny = _mm256_sllv_epi32(_mm256_set1_epi32(0x200000), e);
    const __m256i is_tiny = _mm256_cmpgt_epi32(_mm256_set1_epi32(2), e);
    g->scale[0] = _mm256_castsi256_ps(_mm256_blendv_epi8(normal, tiny, is_tiny));
    hl_nibbles16(b, 1, g->quad);
    hl_look_up(_mm_setr_epi8(16, 17, 18, 19, 20, 22, 24, 28, 16, 15, 14, 13, 12, 10, 8, 4), g->quad);
}

/* Scales and minimums of q4_k and q5_k: d * scale and dmin * min of all 8 groups. */
HL_INLINE void hl_k_scales8(const uint8_t *const *b, hl_group8 *g) {
    __m256i h[4];
    hl_units16(b, 0, h); /* d and dmin, then the 12 bytes of scales */
    const __m256  d = hl_low_halves8(h[0]);
    const __m256  dmin = hl_low_halves8(_mm256_srli_epi32(h[0], 16));
    const __m256i scale[2] = {
        hl_and8(h[1], 63),
        _mm256_or_si256(hl_and8(h[3], 15), _mm256_slli_epi16(hl_bits8(h[1], 6, 3), 4)),
    };
    const __m256i min[2] = {
        hl_and8(h[2], 63),
        _mm256_or_si256(hl_bits8(h[3], 4, 15), _mm256_slli_epi16(hl_bits8(h[2], 6, 3), 4)),
    };
    HL_UNROLL for (int i = 0; i < 8; i++) {
        g[i].scale[0] = _mm256_mul_ps(d, hl_byte_f32(scale[i / 4], i % 4));
        g[i].min[0] = _mm256_mul_ps(dmin, hl_byte_f32(min[i / 4], i % 4));
    }
}

HL_INLINE void hl_decode8_q4_k(const uint8_t *const *b, hl_group8 *g) {
    hl_k_scales8(b, g);
    HL_UNROLL for (int j = 0; j < 4; j++) {
        __m256i u[8];
        hl_units16(b, (size_t)(16 + 32 * j), u);
        hl_units16(b, (size_t)(32 + 32 * j), u + 4);
        HL_UNROLL for (int k = 0; k < 8; k++) {
            g[2 * j].quad[k] = hl_and8(u[k], 15);
            g[2 * j + 1].quad[k] = hl_bits8(u[k], 4, 15);
        }
    }
}

HL_INLINE void hl_decode8_q5_k(const uint8_t *const *b, hl_group8 *g) {
    __m256i high[8];
    hl_k_scales8(b, g);
    hl_units16(b, 16, high);
    hl_units16(b, 32, high + 4);
    HL_UNROLL for (int j = 0; j < 4; j++) {
        __m256i u[8];
        hl_units16(b, (size_t)(48 + 32 * j), u);
        hl_units16(b, (size_t)(64 + 32 * j), u + 4);
        HL_UNROLL for (int k = 0; k < 8; k++) {
            const __m256i low_bit = _mm256_slli_epi16(hl_bits8(high[k], 2 * j, 1), 4);
            const __m256i high_bit = _mm256_slli_epi16(hl_bits8(high[k], 2 * j + 1, 1), 4);
            g[2 * j].quad[k] = _mm256_or_si256(hl_and8(u[k], 15), low_bit);
            g[2 * j + 1].quad[k] = _mm256_or_si256(hl_bits8(u[k], 4, 15), high_bit);
        }
    }
}

HL_INLINE void hl_decode8_q6_k(const uint8_t *const *b, hl_group8 *g) {
    const __m256 d = hl_halves8(b, 208);
    __m256i      scale[4];
    hl_units16(b, 192, scale);
    HL_UNROLL for (int i = 0; i < 16; i++)
        g[i / 2].scale[i % 2] = _mm256_mul_ps(d, hl_signed_byte_f32(scale[i / 4], i % 4));
    HL_UNROLL for (int n = 0; n < 2; n++) {
        __m256i high[8];
        hl_units16(b, (size_t)(128 + 32 * n), high);
        hl_units16(b, (size_t)(144 + 32 * n), high + 4);
        HL_UNROLL for (int m = 0; m < 2; m++) { /* columns 32 m and 64 + 32 m of the 128 */
            __m256i u[8];
            hl_units16(b, (size_t)(64 * n + 32 * m), u);
            hl_units16(b, (size_t)(64 * n + 32 * m + 16), u + 4);
            HL_UNROLL for (int k = 0; k < 8; k++) {
                const __m256i near = _mm256_slli_epi16(hl_bits8(high[k], 2 * m, 3), 4);
                const __m256i far = _mm256_slli_epi16(hl_bits8(high[k], 2 * m + 4, 3), 4);
                g[4 * n + m].quad[k] = _mm256_or_si256(hl_and8(u[k], 15), near);
                g[4 * n + m + 2].quad[k] = _mm256_or_si256(hl_bits8(u[k], 4, 15), far);
            }
        }
    }
}

HL_INLINE void hl_decode8_q2_k(const uint8_t *const *b, hl_group8 *g) {
    const __m256i dm = hl_units4(b, 80);
    const __m256  d = hl_low_halves8(dm);
    const __m256  dmin = hl_low_halves8(_mm256_srli_epi32(dm, 16));
    __m256i       s[4];
    hl_units16(b, 0, s);
    HL_UNROLL for (int i = 0; i < 16; i++) {
        g[i / 2].scale[i % 2] = _mm256_mul_ps(d, hl_byte_f32(hl_and8(s[i / 4], 15), i % 4));
        g[i / 2].min[i % 2] = _mm256_mul_ps(dmin, hl_byte_f32(hl_bits8(s[i / 4], 4, 15), i % 4));
    }
    HL_UNROLL for (int n = 0; n < 2; n++) {
        __m256i u[8];
        hl_units16(b, (size_t)(16 + 32 * n), u);
        hl_units16(b, (size_t)(32 + 32 * n), u + 4);
        HL_UNROLL for (int i = 0; i < 4; i++)
            HL_UNROLL for (int k = 0; k < 8; k++) g[4 * n + i].quad[k] = hl_bits8(u[k], 2 * i, 3);
    }
}

HL_INLINE void hl_decode8_q3_k(const uint8_t *const *b, hl_group8 *g) {
    const __m256 d = hl_halves8(b, 108);
    __m256i      h[4], mask[8];
    hl_units16(b, 92, h); /* the last 4 bytes of qs, then the 12 bytes of scales */
    HL_UNROLL for (int i = 0; i < 4; i++) {
        const __m256i low = hl_bits8(h[1 + i % 2], 4 * (i / 2), 15);
        const __m256i s = _mm256_or_si256(low, _mm256_slli_epi16(hl_bits8(h[3], 2 * i, 3), 4));
        HL_UNROLL for (int j = 0; j < 4; j++)
            g[2 * i + j / 2].scale[j % 2] =
                _mm256_mul_ps(d, _mm256_sub_ps(hl_byte_f32(s, j), _mm256_set1_ps(32.0f)));
    }
    hl_units16(b, 0, mask);
    hl_units16(b, 16, mask + 4);
    HL_UNROLL for (int n = 0; n < 2; n++) {
        __m256i u[8];
        hl_units16(b, (size_t)(32 + 32 * n), u);
        hl_units16(b, (size_t)(48 + 32 * n), u + 4);
        HL_UNROLL for (int i = 0; i < 4; i++)
            HL_UNROLL for (int k = 0; k < 8; k++) {
                const __m256i third = _mm256_slli_epi16(hl_bits8(mask[k], 4 * n + i, 1), 2);
                g[4 * n + i].quad[k] = _mm256_or_si256(hl_bits8(u[k], 2 * i, 3), third);
            }
    }
}

HL_INLINE void hl_decode8_iq4_xs(const uint8_t *const *b, hl_group8 *g) {
    const __m256i head = hl_units4(b, 0);
    const __m256i low = hl_units4(b, 4);
    const __m256  d = hl_low_halves8(head);
    HL_UNROLL for (int i = 0; i < 8; i++) {
        const __m256i lo = _mm256_and_si256(_mm256_srli_epi32(low, 4 * i), _mm256_set1_epi32(15));
        const __m256i hi = _mm256_and_si256(_mm256_srli_epi32(head, 16 + 2 * i), _mm256_set1_epi32(3));
        const __m256i s = _mm256_sub_epi32(_mm256_or_si256(lo, _mm256_slli_epi32(hi, 4)), _mm256_set1_epi32(32));
        g[i].scale[0] = _mm256_mul_ps(d, _mm256_cvtepi32_ps(s));
        hl_nibbles16(b, (size_t)(8 + 16 * i), g[i].quad);
        hl_look_up(hl_iq4_nl_table(), g[i].quad);
    }
}

#endif
