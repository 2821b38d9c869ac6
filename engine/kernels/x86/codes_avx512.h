/* SPDX-License-Identifier: MIT
 *
 * codes_avx512.h - for every quantized type: up to 256 columns of 16 rows into codes, scales and minima.
 *
 * codes16_<type>(w, row_bytes, n_cols, wide, codes, scale, min): w points at the first block of row 0.
 * Layouts: engine/quant/<type>.h. Codes are unsigned; what to subtract is OFFSET_<type>. The order of
 * columns inside a group of 32 (16) is kept, so one copy of the activations serves all types.
 */
#ifndef HL_ENGINE_KERNELS_X86_CODES_AVX512_H
#define HL_ENGINE_KERNELS_X86_CODES_AVX512_H

#include "engine/kernels/x86/rows16_avx512.h"

enum {
    OFFSET_q4_0 = 8,
    OFFSET_q4_1 = 0,
    OFFSET_q5_0 = 16,
    OFFSET_q5_1 = 0,
    OFFSET_q8_0 = 128,
    OFFSET_q2_k = 0,
    OFFSET_q3_k = 4,
    OFFSET_q4_k = 0,
    OFFSET_q5_k = 0,
    OFFSET_q6_k = 32,
    OFFSET_iq4_nl = 128,
    OFFSET_iq4_xs = 128,
    OFFSET_mxfp4 = 16,
    GROUP_q4_0 = 32,
    GROUP_q4_1 = 32,
    GROUP_q5_0 = 32,
    GROUP_q5_1 = 32,
    GROUP_q8_0 = 32,
    GROUP_q2_k = 16,
    GROUP_q3_k = 16,
    GROUP_q4_k = 32,
    GROUP_q5_k = 32,
    GROUP_q6_k = 16,
    GROUP_iq4_nl = 32,
    GROUP_iq4_xs = 32,
    GROUP_mxfp4 = 32,
    HAS_MIN_q4_0 = 0,
    HAS_MIN_q4_1 = 1,
    HAS_MIN_q5_0 = 0,
    HAS_MIN_q5_1 = 1,
    HAS_MIN_q8_0 = 0,
    HAS_MIN_q2_k = 1,
    HAS_MIN_q3_k = 0,
    HAS_MIN_q4_k = 1,
    HAS_MIN_q5_k = 1,
    HAS_MIN_q6_k = 0,
    HAS_MIN_iq4_nl = 0,
    HAS_MIN_iq4_xs = 0,
    HAS_MIN_mxfp4 = 0,
};

/* ---- blocks of 32: low nibbles are columns 0..15, high nibbles 16..31 ---- */

/* The 16 code bytes of one block, as steps 0..3 (low) and 4..7 (high). */
HL_INLINE void put_nibbles(const uint8_t *p, size_t row_bytes, int wide, uint8_t *codes, size_t step) {
    __m512i v[4];
    load_words(p, row_bytes, v);
    HL_UNROLL for (int j = 0; j < 4; j++) {
        put_codes(codes, wide, step + (size_t)j, and_bytes(v[j], 0x0f));
        put_codes(codes, wide, step + 4 + (size_t)j, and_bytes(_mm512_srli_epi16(v[j], 4), 0x0f));
    }
}

/* The same through a table of 16 bytes. */
HL_INLINE void put_table_nibbles(const uint8_t *p, size_t row_bytes, __m512i table, int wide, uint8_t *codes, size_t step) {
    __m512i v[4];
    load_words(p, row_bytes, v);
    HL_UNROLL for (int j = 0; j < 4; j++) {
        const __m512i lo = and_bytes(v[j], 0x0f), hi = and_bytes(_mm512_srli_epi16(v[j], 4), 0x0f);
        put_codes(codes, wide, step + (size_t)j, _mm512_shuffle_epi8(table, lo));
        put_codes(codes, wide, step + 4 + (size_t)j, _mm512_shuffle_epi8(table, hi));
    }
}

/* The same with a fifth bit: bit i of lane r in `fifth` belongs to column i of row r. */
HL_INLINE __m512i add_fifth(__m512i nibbles, __m512i fifth, int step) {
    const __m512i spread = _mm512_shuffle_epi8(fifth, _mm512_set4_epi32(0x0c0c0c0c + 0x01010101 * (step / 2), 0x08080808 + 0x01010101 * (step / 2),
                                                                        0x04040404 + 0x01010101 * (step / 2), 0x01010101 * (step / 2)));
    const __m512i   bits = _mm512_set1_epi32(step % 2 ? (int)0x80402010u : 0x08040201);
    const __mmask64 set = _mm512_test_epi8_mask(spread, bits);
    return _mm512_mask_add_epi8(nibbles, set, nibbles, _mm512_set1_epi8(16));
}

HL_INLINE void put_fives(const uint8_t *p, size_t row_bytes, __m512i fifth, int wide, uint8_t *codes, size_t step) {
    __m512i v[4];
    load_words(p, row_bytes, v);
    HL_UNROLL for (int j = 0; j < 4; j++) {
        const __m512i lo = and_bytes(v[j], 0x0f), hi = and_bytes(_mm512_srli_epi16(v[j], 4), 0x0f);
        put_codes(codes, wide, step + (size_t)j, add_fifth(lo, fifth, j));
        put_codes(codes, wide, step + 4 + (size_t)j, add_fifth(hi, fifth, 4 + j));
    }
}

/* Scales that are one f16 per block, and scale plus offset that are two (value = code * d + m). */
HL_INLINE void put_f16_scales(uint16_t (*staged)[16], size_t n, int wide, float *scale) {
    for (size_t b = 0; b < n; b++) put_scale(scale, wide, b, f32_of_staged_f16(staged[b]));
}
HL_INLINE void put_f16_pairs(uint32_t (*staged)[16], size_t n, int wide, float *scale, float *min) {
    for (size_t b = 0; b < n; b++) {
        const __m512i v = _mm512_load_si512(staged[b]);
        const __m512  m = f32_of_high_f16(v);
        put_scale(scale, wide, b, f32_of_low_f16(v));
        put_scale(min, wide, b, _mm512_castsi512_ps(_mm512_xor_si512(_mm512_castps_si512(m), _mm512_set1_epi32((int)0x80000000u))));
    }
}

HL_INLINE void codes16_q4_0(const uint8_t *w, size_t row_bytes, size_t n_cols, int wide, uint8_t *codes, float *scale, float *min) {
    _Alignas(64) uint16_t d[TILE_GROUPS][16];
    const size_t n = n_cols / 32;
    (void)min;
    stage_u16(w, row_bytes, 18, n, d);
    for (size_t b = 0; b < n; b++) put_nibbles(w + b * 18 + 2, row_bytes, wide, codes, 8 * b);
    put_f16_scales(d, n, wide, scale);
}

HL_INLINE void codes16_q4_1(const uint8_t *w, size_t row_bytes, size_t n_cols, int wide, uint8_t *codes, float *scale, float *min) {
    _Alignas(64) uint32_t dm[TILE_GROUPS][16];
    const size_t n = n_cols / 32;
    stage_u32(w, row_bytes, 20, n, dm);
    for (size_t b = 0; b < n; b++) put_nibbles(w + b * 20 + 4, row_bytes, wide, codes, 8 * b);
    put_f16_pairs(dm, n, wide, scale, min);
}

HL_INLINE void codes16_q5_0(const uint8_t *w, size_t row_bytes, size_t n_cols, int wide, uint8_t *codes, float *scale, float *min) {
    _Alignas(64) uint16_t d[TILE_GROUPS][16];
    _Alignas(64) uint32_t fifth[TILE_GROUPS][16];
    const size_t n = n_cols / 32;
    (void)min;
    stage_u32(w + 2, row_bytes, 22, n, fifth);
    stage_u16(w, row_bytes, 22, n, d);
    for (size_t b = 0; b < n; b++) put_fives(w + b * 22 + 6, row_bytes, _mm512_load_si512(fifth[b]), wide, codes, 8 * b);
    put_f16_scales(d, n, wide, scale);
}

HL_INLINE void codes16_q5_1(const uint8_t *w, size_t row_bytes, size_t n_cols, int wide, uint8_t *codes, float *scale, float *min) {
    _Alignas(64) uint32_t dm[TILE_GROUPS][16];
    _Alignas(64) uint32_t fifth[TILE_GROUPS][16];
    const size_t n = n_cols / 32;
    stage_u32(w + 4, row_bytes, 24, n, fifth);
    stage_u32(w, row_bytes, 24, n, dm);
    for (size_t b = 0; b < n; b++) put_fives(w + b * 24 + 8, row_bytes, _mm512_load_si512(fifth[b]), wide, codes, 8 * b);
    put_f16_pairs(dm, n, wide, scale, min);
}

HL_INLINE void codes16_q8_0(const uint8_t *w, size_t row_bytes, size_t n_cols, int wide, uint8_t *codes, float *scale, float *min) {
    _Alignas(64) uint16_t d[TILE_GROUPS][16];
    const size_t n = n_cols / 32;
    (void)min;
    stage_u16(w, row_bytes, 34, n, d);
    for (size_t b = 0; b < n; b++) {
        HL_UNROLL for (size_t piece = 0; piece < 2; piece++) {
            __m512i v[4];
            load_words(w + b * 34 + 2 + 16 * piece, row_bytes, v);
            HL_UNROLL for (size_t j = 0; j < 4; j++)
                put_codes(codes, wide, 8 * b + 4 * piece + j, _mm512_xor_si512(v[j], _mm512_set1_epi8((char)0x80)));
        }
    }
    put_f16_scales(d, n, wide, scale);
}

/* The 16 values of the non-linear 4-bit types, plus 128. from: the GGUF type list (iq4_nl) */
HL_INLINE __m512i iq4_table(void) {
    return _mm512_broadcast_i32x4(_mm_setr_epi8(1, 24, 45, 63, 79, 93, 106, 118, (char)129, (char)141, (char)153, (char)166,
                                                (char)181, (char)197, (char)217, (char)241));
}

HL_INLINE void codes16_iq4_nl(const uint8_t *w, size_t row_bytes, size_t n_cols, int wide, uint8_t *codes, float *scale, float *min) {
    _Alignas(64) uint16_t d[TILE_GROUPS][16];
    const size_t n = n_cols / 32;
    (void)min;
    stage_u16(w, row_bytes, 18, n, d);
    for (size_t b = 0; b < n; b++) put_table_nibbles(w + b * 18 + 2, row_bytes, iq4_table(), wide, codes, 8 * b);
    put_f16_scales(d, n, wide, scale);
}

/* e2m1 times two, plus 16; the scale is 2^(e - 128), subnormal for e < 2. from: OCP MX specification 1.0 */
HL_INLINE void codes16_mxfp4(const uint8_t *w, size_t row_bytes, size_t n_cols, int wide, uint8_t *codes, float *scale, float *min) {
    _Alignas(64) uint8_t e[TILE_GROUPS][16];
    const size_t  n = n_cols / 32;
    const __m512i table = _mm512_broadcast_i32x4(_mm_setr_epi8(16, 17, 18, 19, 20, 22, 24, 28, 16, 15, 14, 13, 12, 10, 8, 4));
    (void)min;
    stage_u8(w, row_bytes, 17, n, e);
    for (size_t b = 0; b < n; b++) put_table_nibbles(w + b * 17 + 1, row_bytes, table, wide, codes, 8 * b);
    for (size_t b = 0; b < n; b++) {
        const __m512i   v = _mm512_cvtepu8_epi32(_mm_load_si128((const __m128i *)e[b]));
        const __mmask16 tiny = _mm512_cmplt_epu32_mask(v, _mm512_set1_epi32(2));
        const __m512i   normal = _mm512_slli_epi32(_mm512_sub_epi32(v, _mm512_set1_epi32(1)), 23);
        put_scale(scale, wide, b, _mm512_castsi512_ps(_mm512_mask_sllv_epi32(normal, tiny, _mm512_set1_epi32(0x00200000), v)));
    }
}

/* ---- blocks of 256 ---- */

/* Head of q4_k and q5_k: d, dmin, then 6-bit scales and minima of eight groups in 12 bytes. */
HL_INLINE void put_scales_k45(const uint8_t *w, size_t row_bytes, int wide, float *scale, float *min) {
    __m512i h[4], s[2], m[2];
    load_words(w, row_bytes, h);
    const __m512 d = f32_of_low_f16(h[0]), dmin = f32_of_high_f16(h[0]);
    s[0] = and_bytes(h[1], 0x3f);
    m[0] = and_bytes(h[2], 0x3f);
    s[1] = _mm512_or_si512(and_bytes(h[3], 0x0f), and_bytes(_mm512_srli_epi16(h[1], 2), 0x30));
    m[1] = _mm512_or_si512(and_bytes(_mm512_srli_epi16(h[3], 4), 0x0f), and_bytes(_mm512_srli_epi16(h[2], 2), 0x30));
    HL_UNROLL for (int g = 0; g < 8; g++) {
        put_scale(scale, wide, (size_t)g, _mm512_mul_ps(d, f32_of_byte(s[g / 4], g % 4)));
        put_scale(min, wide, (size_t)g, _mm512_mul_ps(dmin, f32_of_byte(m[g / 4], g % 4)));
    }
}

/* Every 32 bytes hold two groups: low nibbles the first, high nibbles the second. */
HL_INLINE void codes16_q4_k(const uint8_t *w, size_t row_bytes, size_t n_cols, int wide, uint8_t *codes, float *scale, float *min) {
    (void)n_cols;
    put_scales_k45(w, row_bytes, wide, scale, min);
    HL_UNROLL for (size_t piece = 0; piece < 8; piece++) {
        const size_t step = piece / 2 * 16 + piece % 2 * 4;
        __m512i v[4];
        load_words(w + 16 + 16 * piece, row_bytes, v);
        HL_UNROLL for (size_t j = 0; j < 4; j++) {
            put_codes(codes, wide, step + j, and_bytes(v[j], 0x0f));
            put_codes(codes, wide, step + 8 + j, and_bytes(_mm512_srli_epi16(v[j], 4), 0x0f));
        }
    }
}

/* As q4_k; bit g of fifth-bit byte i belongs to column i of group g. */
HL_INLINE void codes16_q5_k(const uint8_t *w, size_t row_bytes, size_t n_cols, int wide, uint8_t *codes, float *scale, float *min) {
    (void)n_cols;
    put_scales_k45(w, row_bytes, wide, scale, min);
    HL_UNROLL for (size_t half = 0; half < 2; half++) {
        __m512i fifth[4];
        load_words(w + 16 + 16 * half, row_bytes, fifth);
        HL_UNROLL for (size_t pair = 0; pair < 4; pair++) {
            __m512i v[4];
            load_words(w + 48 + 32 * pair + 16 * half, row_bytes, v);
            HL_UNROLL for (size_t j = 0; j < 4; j++) {
                const unsigned bit = 2 * (unsigned)pair; /* move it to bit 4 */
                const __m512i  f0 = bit <= 4 ? _mm512_slli_epi16(fifth[j], 4 - bit) : _mm512_srli_epi16(fifth[j], bit - 4);
                const __m512i  f1 = bit <= 3 ? _mm512_slli_epi16(fifth[j], 3 - bit) : _mm512_srli_epi16(fifth[j], bit - 3);
                const size_t   step = pair * 16 + half * 4 + j;
                put_codes(codes, wide, step, _mm512_or_si512(and_bytes(v[j], 0x0f), and_bytes(f0, 0x10)));
                put_codes(codes, wide, step + 8,
                          _mm512_or_si512(and_bytes(_mm512_srli_epi16(v[j], 4), 0x0f), and_bytes(f1, 0x10)));
            }
        }
    }
}

/* ql 128, qh 64, 16 signed scales, d. Per half of 128 columns, bytes l and l + 32 of ql give with
 * byte l of qh the columns l, l + 32 (low nibbles), l + 64, l + 96 (high nibbles). */
HL_INLINE void codes16_q6_k(const uint8_t *w, size_t row_bytes, size_t n_cols, int wide, uint8_t *codes, float *scale, float *min) {
    _Alignas(64) uint16_t staged[1][16];
    (void)n_cols;
    (void)min;
    stage_u16(w + 208, row_bytes, 0, 1, staged);
    HL_UNROLL for (size_t i = 0; i < 4; i++) { /* half i / 2, 16 bytes i % 2 of its 32 */
        const size_t at = i / 2 * 64 + i % 2 * 16;
        __m512i      a[4], b[4], h[4];
        load_words(w + at, row_bytes, a);
        load_words(w + at + 32, row_bytes, b);
        load_words(w + 128 + 16 * i, row_bytes, h);
        HL_UNROLL for (size_t j = 0; j < 4; j++) {
            const size_t step = i / 2 * 32 + i % 2 * 4 + j;
            put_codes(codes, wide, step, _mm512_or_si512(and_bytes(a[j], 0x0f), and_bytes(_mm512_slli_epi16(h[j], 4), 0x30)));
            put_codes(codes, wide, step + 8, _mm512_or_si512(and_bytes(b[j], 0x0f), and_bytes(_mm512_slli_epi16(h[j], 2), 0x30)));
            put_codes(codes, wide, step + 16, _mm512_or_si512(and_bytes(_mm512_srli_epi16(a[j], 4), 0x0f), and_bytes(h[j], 0x30)));
            put_codes(codes, wide, step + 24,
                      _mm512_or_si512(and_bytes(_mm512_srli_epi16(b[j], 4), 0x0f), and_bytes(_mm512_srli_epi16(h[j], 2), 0x30)));
        }
    }
    __m512i sc[4];
    load_words(w + 192, row_bytes, sc);
    const __m512 d = f32_of_staged_f16(staged[0]);
    HL_UNROLL for (int g = 0; g < 16; g++)
        put_scale(scale, wide, (size_t)g, _mm512_mul_ps(d, f32_of_signed_byte(sc[g / 4], g % 4)));
}

/* 16 bytes of 4-bit scale and 4-bit minimum, 64 bytes of codes, d, dmin. Per half of 128 columns the
 * bit pairs of 32 bytes are four groups of 32 columns. */
HL_INLINE void codes16_q2_k(const uint8_t *w, size_t row_bytes, size_t n_cols, int wide, uint8_t *codes, float *scale, float *min) {
    _Alignas(64) uint32_t staged[1][16];
    (void)n_cols;
    stage_u32(w + 80, row_bytes, 0, 1, staged);
    HL_UNROLL for (size_t i = 0; i < 4; i++) {
        __m512i v[4];
        load_words(w + 16 + 16 * i, row_bytes, v);
        HL_UNROLL for (size_t j = 0; j < 4; j++) {
            const size_t step = i / 2 * 32 + i % 2 * 4 + j;
            HL_UNROLL for (size_t k = 0; k < 4; k++)
                put_codes(codes, wide, step + 8 * k, and_bytes(_mm512_srli_epi16(v[j], 2 * (unsigned)k), 0x03));
        }
    }
    __m512i sm[4];
    load_words(w, row_bytes, sm);
    const __m512i dm = _mm512_load_si512(staged[0]);
    const __m512  d = f32_of_low_f16(dm), dmin = f32_of_high_f16(dm);
    HL_UNROLL for (int g = 0; g < 16; g++) {
        const __m512i s = and_bytes(sm[g / 4], 0x0f), m = and_bytes(_mm512_srli_epi16(sm[g / 4], 4), 0x0f);
        put_scale(scale, wide, (size_t)g, _mm512_mul_ps(d, f32_of_byte(s, g % 4)));
        put_scale(min, wide, (size_t)g, _mm512_mul_ps(dmin, f32_of_byte(m, g % 4)));
    }
}

/* hmask 32, low two bits 64 as in q2_k, 12 bytes of 6-bit scales, d. Bit g of hmask byte i is the third
 * bit of column i of group g (of 32). */
HL_INLINE void codes16_q3_k(const uint8_t *w, size_t row_bytes, size_t n_cols, int wide, uint8_t *codes, float *scale, float *min) {
    _Alignas(64) uint16_t staged[1][16];
    (void)n_cols;
    (void)min;
    stage_u16(w + 108, row_bytes, 0, 1, staged);
    HL_UNROLL for (size_t piece = 0; piece < 2; piece++) {
        __m512i third[4];
        load_words(w + 16 * piece, row_bytes, third);
        HL_UNROLL for (size_t half = 0; half < 2; half++) {
            __m512i v[4];
            load_words(w + 32 + 32 * half + 16 * piece, row_bytes, v);
            HL_UNROLL for (size_t j = 0; j < 4; j++) {
                HL_UNROLL for (size_t k = 0; k < 4; k++) {
                    const unsigned bit = (unsigned)(4 * half + k); /* move it to bit 2 */
                    const __m512i  t = bit <= 2 ? _mm512_slli_epi16(third[j], 2 - bit) : _mm512_srli_epi16(third[j], bit - 2);
                    const __m512i  low = and_bytes(_mm512_srli_epi16(v[j], 2 * (unsigned)k), 0x03);
                    put_codes(codes, wide, half * 32 + k * 8 + piece * 4 + j, _mm512_or_si512(low, and_bytes(t, 0x04)));
                }
            }
        }
    }
    /* Twelve bytes of scales end at d: read the 16 that end there and skip the first word. */
    __m512i s[4], six[4];
    load_words(w + 92, row_bytes, s);
    six[0] = _mm512_or_si512(and_bytes(s[1], 0x0f), and_bytes(_mm512_slli_epi16(s[3], 4), 0x30));
    six[1] = _mm512_or_si512(and_bytes(s[2], 0x0f), and_bytes(_mm512_slli_epi16(s[3], 2), 0x30));
    six[2] = _mm512_or_si512(and_bytes(_mm512_srli_epi16(s[1], 4), 0x0f), and_bytes(s[3], 0x30));
    six[3] = _mm512_or_si512(and_bytes(_mm512_srli_epi16(s[2], 4), 0x0f), and_bytes(_mm512_srli_epi16(s[3], 2), 0x30));
    const __m512 d = f32_of_staged_f16(staged[0]);
    HL_UNROLL for (int g = 0; g < 16; g++) {
        const __m512i sc = _mm512_sub_epi32(byte_of_lane(six[g / 4], g % 4), _mm512_set1_epi32(32));
        put_scale(scale, wide, (size_t)g, _mm512_mul_ps(d, _mm512_cvtepi32_ps(sc)));
    }
}

/* d, 16 bits of high scale pairs, 4 bytes of low scale nibbles, 128 bytes of nibbles. */
HL_INLINE void codes16_iq4_xs(const uint8_t *w, size_t row_bytes, size_t n_cols, int wide, uint8_t *codes, float *scale, float *min) {
    _Alignas(64) uint32_t staged[2][16];
    (void)n_cols;
    (void)min;
    stage_u32(w, row_bytes, 4, 2, staged);
    HL_UNROLL for (size_t g = 0; g < 8; g++) put_table_nibbles(w + 8 + 16 * g, row_bytes, iq4_table(), wide, codes, 8 * g);
    const __m512i head = _mm512_load_si512(staged[0]), low = _mm512_load_si512(staged[1]);
    const __m512  d = f32_of_low_f16(head);
    HL_UNROLL for (unsigned g = 0; g < 8; g++) {
        const __m512i lo = _mm512_and_si512(_mm512_srli_epi32(low, 4 * g), _mm512_set1_epi32(0x0f));
        const __m512i hi = _mm512_and_si512(_mm512_slli_epi32(_mm512_srli_epi32(head, 16 + 2 * g), 4), _mm512_set1_epi32(0x30));
        const __m512i sc = _mm512_sub_epi32(_mm512_or_si512(lo, hi), _mm512_set1_epi32(32));
        put_scale(scale, wide, g, _mm512_mul_ps(d, _mm512_cvtepi32_ps(sc)));
    }
}

/* ---- what gemv and unpack share ---- */

/* Bytes of 256 columns, from the table of types. */
enum {
#define HL_TYPE(name, id, elems, bytes) BLOCK256_##name = 256 / (elems) * (bytes),
#include "core/gguf/types.def"
#undef HL_TYPE
};

enum { BLOCK_BYTES_MAX = 272 }; /* of 256 columns of any type */

typedef void codes16_fn(const uint8_t *w, size_t row_bytes, size_t n_cols, int wide, uint8_t *codes, float *scale, float *min);

/* A strip with fewer than 16 rows is copied, a block of columns at a time, with zeros for the rest. */
typedef struct row_stage {
    uint8_t bytes[ROWS16][BLOCK_BYTES_MAX];
} row_stage;

HL_INLINE void stage_rows(row_stage *s, const uint8_t *w, size_t row_bytes, size_t n_rows, size_t n_bytes) {
    memset(s, 0, sizeof *s);
    for (size_t r = 0; r < n_rows; r++) memcpy(s->bytes[r], w + r * row_bytes, n_bytes);
}

#endif
