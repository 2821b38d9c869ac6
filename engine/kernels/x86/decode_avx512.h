/* SPDX-License-Identifier: MIT
 *
 * decode_avx512.h - for every quantized type: up to 256 columns of 16 rows into codes, scales and minima.
 *
 * decode16_<type>(T, s, w, row_bytes, n_cols): w points at the first block of row 0. What becomes of the
 * codes is decided by the sink s (sink_avx512.h): T = 0 stores them in a panel, T > 0 multiplies them
 * with T tokens while they are in registers. Layouts: engine/quant/<type>.h; codes are unsigned, what to
 * subtract: engine/quant/formats.def. Four consecutive columns form a step; all step numbers are constants
 * within a block, which is what lets the sums of a block stay in registers.
 */
#ifndef HL_ENGINE_KERNELS_X86_DECODE_AVX512_H
#define HL_ENGINE_KERNELS_X86_DECODE_AVX512_H

#include <assert.h>

#include "engine/kernels/staged.h"
#include "engine/kernels/x86/sink_avx512.h"
#include "engine/quant/group.h"

#define GRID_LANES 16
#include "engine/kernels/x86/grids.h"

/* ---- blocks of 32: low nibbles are columns 0..15, high nibbles 16..31 ---- */

HL_INLINE __m512i low_nibbles(__m512i v) { return and_bytes(v, 0x0f); }
HL_INLINE __m512i high_nibbles(__m512i v) { return and_bytes(_mm512_srli_epi16(v, 4), 0x0f); }

/* The 16 code bytes of one block, as steps 0..3 (low) and 4..7 (high) after `step`. */
HL_INLINE void put_nibbles(const int T, const bool has_min, sink *s, int step, const __m512i v[4]) {
    HL_UNROLL for (int j = 0; j < 4; j++) put_codes(T, false, has_min, s, step + j, low_nibbles(v[j]));
    HL_UNROLL for (int j = 0; j < 4; j++) put_codes(T, false, has_min, s, step + 4 + j, high_nibbles(v[j]));
}

/* The same through a table of 16 bytes. */
HL_INLINE void put_table_nibbles(const int T, sink *s, int step, const __m512i v[4], __m512i table) {
    HL_UNROLL for (int j = 0; j < 4; j++)
        put_codes(T, false, false, s, step + j, _mm512_shuffle_epi8(table, low_nibbles(v[j])));
    HL_UNROLL for (int j = 0; j < 4; j++)
        put_codes(T, false, false, s, step + 4 + j, _mm512_shuffle_epi8(table, high_nibbles(v[j])));
}

/* Which bytes belong to columns of the step whose bits are set: bit i of lane r is column i of row r. */
HL_INLINE __mmask64 columns_set(__m512i v, int step) {
    const int     at = 0x01010101 * (step / 2);
    const __m512i from = _mm512_set4_epi32(0x0c0c0c0c + at, 0x08080808 + at, 0x04040404 + at, at);
    const __m512i bits = _mm512_set1_epi32(step % 2 ? (int)0x80402010u : 0x08040201);
    return _mm512_test_epi8_mask(_mm512_shuffle_epi8(v, from), bits);
}

/* Nibbles with a fifth bit. */
HL_INLINE __m512i add_fifth(__m512i nibbles, __m512i fifth, int step) {
    return _mm512_mask_add_epi8(nibbles, columns_set(fifth, step), nibbles, _mm512_set1_epi8(16));
}

/* What a block of 32 columns holds after its scale, as words of every row, becomes codes of group g. */
typedef void put_words_fn(const int T, sink *s, const int g, const __m512i *v);

HL_INLINE void put_q4_0(const int T, sink *s, const int g, const __m512i *v) {
    put_nibbles(T, false, s, 8 * g, v);
}
HL_INLINE void put_q4_1(const int T, sink *s, const int g, const __m512i *v) {
    put_nibbles(T, true, s, 8 * g, v);
}

HL_INLINE void put_fives(const int T, const bool has_min, sink *s, int step, const __m512i v[5]) {
    HL_UNROLL for (int j = 0; j < 4; j++)
        put_codes(T, false, has_min, s, step + j, add_fifth(low_nibbles(v[1 + j]), v[0], j));
    HL_UNROLL for (int j = 0; j < 4; j++)
        put_codes(T, false, has_min, s, step + 4 + j, add_fifth(high_nibbles(v[1 + j]), v[0], 4 + j));
}
HL_INLINE void put_q5_0(const int T, sink *s, const int g, const __m512i *v) {
    put_fives(T, false, s, 8 * g, v);
}
HL_INLINE void put_q5_1(const int T, sink *s, const int g, const __m512i *v) {
    put_fives(T, true, s, 8 * g, v);
}

HL_INLINE void put_q8_0(const int T, sink *s, const int g, const __m512i *v) {
    HL_UNROLL for (int j = 0; j < 8; j++)
        put_codes(T, false, false, s, 8 * g + j, _mm512_xor_si512(v[j], _mm512_set1_epi8((char)0x80)));
}

/* The 16 values of the non-linear 4-bit types, plus 128. from: the GGUF type list (iq4_nl) */
HL_INLINE __m512i iq4_table(void) {
    return _mm512_broadcast_i32x4(_mm_setr_epi8(1, 24, 45, 63, 79, 93, 106, 118, (char)129, (char)141,
                                                (char)153, (char)166, (char)181, (char)197, (char)217,
                                                (char)241));
}
HL_INLINE void put_iq4_nl(const int T, sink *s, const int g, const __m512i *v) {
    put_table_nibbles(T, s, 8 * g, v, iq4_table());
}

/* e2m1 times two, plus 16. from: OCP MX specification 1.0 */
HL_INLINE __m512i e2m1_table(void) {
    return _mm512_broadcast_i32x4(
        _mm_setr_epi8(16, 17, 18, 19, 20, 22, 24, 28, 16, 15, 14, 13, 12, 10, 8, 4));
}
HL_INLINE void put_mxfp4(const int T, sink *s, const int g, const __m512i *v) {
    put_table_nibbles(T, s, 8 * g, v, e2m1_table());
}

/* What stands in front of a block of 32 columns, by its number of bytes: an exponent, a scale (f16), or a
 * scale and what is added to all values (two f16). */
enum { HEAD_E8M0 = 1, HEAD_F16 = 2, HEAD_F16_PAIR = 4 };

/* The scale of mxfp4 codes is 2^(e - 128), subnormal for e < 2. */
HL_INLINE __m512 scale_of_e8m0(__m512i e) {
    const __mmask16 tiny = _mm512_cmplt_epu32_mask(e, _mm512_set1_epi32(2));
    const __m512i   normal = _mm512_slli_epi32(_mm512_sub_epi32(e, _mm512_set1_epi32(1)), 23);
    return _mm512_castsi512_ps(_mm512_mask_sllv_epi32(normal, tiny, _mm512_set1_epi32(0x00200000), e));
}

HL_INLINE void put_scale(const int T, sink *s, const int g, __m512 scale) {
    put_group32(T, 0, s, g, scale, _mm512_setzero_ps());
}
HL_INLINE void put_f16_pair(const int T, sink *s, const int g, __m512i v) {
    __m512 f[2];
    split_f16(v, f);
    put_group32(T, 1, s, g, f[0], f[1]);
}

/* n blocks side by side, read as words: even, so that they are whole ones (for HEAD_E8M0: or half). Where a
 * block begins within a word changes from block to block; the f16 scales of two neighbours lie in different
 * halves and are converted together. */
HL_INLINE void put_blocks32(const int T, const int n, sink *s, const uint8_t *p, size_t row_bytes,
                            const int head, const int n_words, put_words_fn *put) {
    const int bytes = head + 4 * n_words;
    row_words w = {.rows = address_rows(p, row_bytes), .n_bytes = n * bytes};
    __m512    d[2];
    HL_UNROLL for (int g = 0; g < n; g++) {
        const int at = g * bytes, i = at / 4;
        __m512i   v[8];
        reach_bytes(&w, at, head);
        next_words(&w, at + head, n_words, v);
        put(T, s, g, v);
        if (head == HEAD_F16_PAIR) put_f16_pair(T, s, g, w.v[i]);
        if (head == HEAD_F16 && g % 2 == 0)
            split_f16(_mm512_mask_mov_epi16(w.v[i], 0xaaaaaaaa, w.v[(at + bytes) / 4]), d);
        if (head == HEAD_F16) put_scale(T, s, g, d[g % 2]);
        if (head == HEAD_E8M0) put_scale(T, s, g, scale_of_e8m0(byte_of_lane(w.v[i], at % 4)));
    }
    advance(T, false, s, n);
}

HL_INLINE void put_block32(const int T, sink *s, const uint8_t *p, size_t row_bytes, const int head,
                           const int n_words, put_words_fn *put) {
    row_addr rows = address_rows(p, row_bytes);
    __m512i  v[8];
    if (n_words == 8)
        load_8words(&rows, head, v);
    else
        load_words(&rows, head + 4 * (n_words - 4), v + n_words - 4);
    if (n_words == 5) v[0] = gather_u32(&rows, head);
    put(T, s, 0, v);
    if (head == HEAD_F16_PAIR) put_f16_pair(T, s, 0, gather_u32(&rows, 0));
    if (head == HEAD_F16) put_scale(T, s, 0, gather_f16(&rows, 0));
    if (head == HEAD_E8M0) put_scale(T, s, 0, scale_of_e8m0(_mm512_cvtepu8_epi32(gather_u8(&rows, 0))));
    advance(T, false, s, 1);
}

/* n_side (constant) blocks side by side, then what the last tile of a row has left: pairs, perhaps a single
 * block. */
#define HL_BLOCKS32(type, head, n_words, n_side)                                                             \
    HL_INLINE void decode16_##type(const int T, sink *s, const uint8_t *w, size_t row_bytes,                 \
                                   size_t n_cols) {                                                          \
        const size_t bytes = (head) + 4 * (n_words);                                                         \
        for (; n_cols >= 32 * (n_side); n_cols -= 32 * (n_side), w += (n_side)*bytes)                        \
            put_blocks32(T, n_side, s, w, row_bytes, head, n_words, put_##type);                             \
        for (; n_cols >= 64; n_cols -= 64, w += 2 * bytes)                                                   \
            put_blocks32(T, 2, s, w, row_bytes, head, n_words, put_##type);                                  \
        if (n_cols > 0) put_block32(T, s, w, row_bytes, head, n_words, put_##type);                          \
    }

HL_BLOCKS32(q4_0, HEAD_F16, 4, 8)
HL_BLOCKS32(q4_1, HEAD_F16_PAIR, 4, 8)
HL_BLOCKS32(q5_0, HEAD_F16, 5, 4)
HL_BLOCKS32(q5_1, HEAD_F16_PAIR, 5, 4)
HL_BLOCKS32(q8_0, HEAD_F16, 8, 4)
HL_BLOCKS32(iq4_nl, HEAD_F16, 4, 8)
HL_BLOCKS32(mxfp4, HEAD_E8M0, 4, 8)

/* ---- blocks of 256 ---- */

/* Head of q4_k and q5_k: d, dmin, then 6-bit scales and minima of eight groups in 12 bytes. */
typedef struct k45_head {
    __m512  d[2];             /* of scales, of minima */
    __m512i scale[2], min[2]; /* byte g % 4 of [g / 4] */
} k45_head;

HL_INLINE k45_head read_k45(row_addr *rows) {
    __m512i h[4];
    load_words(rows, 0, h);
    k45_head k;
    split_f16(h[0], k.d);
    k.scale[0] = and_bytes(h[1], 0x3f);
    k.min[0] = and_bytes(h[2], 0x3f);
    k.scale[1] = _mm512_or_si512(low_nibbles(h[3]), and_bytes(_mm512_srli_epi16(h[1], 2), 0x30));
    k.min[1] = _mm512_or_si512(high_nibbles(h[3]), and_bytes(_mm512_srli_epi16(h[2], 2), 0x30));
    return k;
}

HL_INLINE void put_k45(const int T, sink *s, const k45_head *k, __m512 d, int g) {
    put_group32(T, -1, s, g, _mm512_mul_ps(d, f32_of_byte(k->scale[g / 4], g % 4)),
                _mm512_mul_ps(k->d[1], f32_of_byte(k->min[g / 4], g % 4)));
}

/* Every 32 bytes hold two groups: low nibbles the first, high nibbles the second. Where codes are multiplied
 * at once, high nibbles stay where they are: 16 times the sum times a sixteenth of the scale is the same
 * number, and a shift less. (Not for eight tokens, whose sums leave no register for one constant more.) */
HL_INLINE void decode16_q4_k(const int T, sink *s, const uint8_t *w, size_t row_bytes, size_t n_cols) {
    (void)n_cols;
    row_addr       rows = address_rows(w, row_bytes);
    const k45_head k = read_k45(&rows);
    const bool     in_place = T > 0 && T < 8;
    const __m512   d_high = !in_place ? k.d[0] : _mm512_mul_ps(k.d[0], _mm512_set1_ps(1.0f / 16));
    HL_UNROLL for (int pair = 0; pair < 4; pair++) {
        __m512i v[8];
        load_8words(&rows, 16 + 32 * pair, v);
        HL_UNROLL for (int j = 0; j < 8; j++) put_codes(T, false, true, s, pair * 16 + j, low_nibbles(v[j]));
        put_k45(T, s, &k, k.d[0], 2 * pair);
        HL_UNROLL for (int j = 0; j < 8; j++) put_codes(
            T, false, true, s, pair * 16 + 8 + j, in_place ? and_bytes(v[j], 0xf0) : high_nibbles(v[j]));
        put_k45(T, s, &k, d_high, 2 * pair + 1);
    }
    advance(T, false, s, 8);
}

/* Bit `bit` of every byte, moved to bit `to`. */
HL_INLINE __m512i one_bit(__m512i v, unsigned bit, unsigned to) {
    return and_bytes(bit <= to ? _mm512_slli_epi16(v, to - bit) : _mm512_srli_epi16(v, bit - to), 1 << to);
}

/* As q4_k; bit g of fifth-bit byte i belongs to column i of group g. */
HL_INLINE void decode16_q5_k(const int T, sink *s, const uint8_t *w, size_t row_bytes, size_t n_cols) {
    (void)n_cols;
    row_addr       rows = address_rows(w, row_bytes);
    const k45_head k = read_k45(&rows);
    __m512i        fifth[8];
    load_8words(&rows, 16, fifth);
    HL_UNROLL for (unsigned pair = 0; pair < 4; pair++) {
        __m512i v[8];
        load_8words(&rows, 48 + 32 * (int)pair, v);
        HL_UNROLL for (unsigned j = 0; j < 8; j++) {
            const int step = (int)(pair * 16 + j);
            put_codes(T, false, true, s, step,
                      _mm512_or_si512(low_nibbles(v[j]), one_bit(fifth[j], 2 * pair, 4)));
            put_codes(T, false, true, s, step + 8,
                      _mm512_or_si512(high_nibbles(v[j]), one_bit(fifth[j], 2 * pair + 1, 4)));
        }
        put_k45(T, s, &k, k.d[0], 2 * (int)pair);
        put_k45(T, s, &k, k.d[0], 2 * (int)pair + 1);
    }
    advance(T, false, s, 8);
}

/* ql 128, qh 64, 16 signed scales, d. Per half of 128 columns, bytes l and l + 32 of ql give with
 * byte l of qh the columns l, l + 32 (low nibbles), l + 64, l + 96 (high nibbles). */
HL_INLINE void put_q6_k_half(const int T, sink *s, int step, row_addr *rows, int ql, int qh) {
    __m512i a[8], b[8], h[8];
    load_8words(rows, qh, h);
    load_8words(rows, ql, a);
    HL_UNROLL for (int j = 0; j < 8; j++) {
        put_codes(T, true, false, s, step + j,
                  _mm512_or_si512(low_nibbles(a[j]), and_bytes(_mm512_slli_epi16(h[j], 4), 0x30)));
        put_codes(T, true, false, s, step + 16 + j,
                  _mm512_or_si512(high_nibbles(a[j]), and_bytes(h[j], 0x30)));
    }
    load_8words(rows, ql + 32, b);
    HL_UNROLL for (int j = 0; j < 8; j++) {
        put_codes(T, true, false, s, step + 8 + j,
                  _mm512_or_si512(low_nibbles(b[j]), and_bytes(_mm512_slli_epi16(h[j], 2), 0x30)));
        put_codes(T, true, false, s, step + 24 + j,
                  _mm512_or_si512(high_nibbles(b[j]), and_bytes(_mm512_srli_epi16(h[j], 2), 0x30)));
    }
}

HL_INLINE void decode16_q6_k(const int T, sink *s, const uint8_t *w, size_t row_bytes, size_t n_cols) {
    (void)n_cols;
    row_addr rows = address_rows(w, row_bytes);
    /* Sixteen scales and d end the block: read the 32 bytes that end there. */
    enum { SCALES_AT = 192 - (210 - 32) };
    __m512i end[8];
    load_8words(&rows, 210 - 32, end);
    const __m512 d = f32_of_low_f16(_mm512_srli_epi32(end[7], 16));
    HL_UNROLL for (int half = 0; half < 2; half++) {
        put_q6_k_half(T, s, half * 32, &rows, 64 * half, 128 + 32 * half);
        HL_UNROLL for (int k = 0; k < 4; k++) {
            const int    g = 4 * half + k, i = SCALES_AT + 2 * g;
            const __m512 s0 = f32_of_signed_byte(end[i / 4], i % 4),
                         s1 = f32_of_signed_byte(end[i / 4], i % 4 + 1);
            put_group16(T, false, s, g, _mm512_mul_ps(d, s0), _mm512_mul_ps(d, s1), _mm512_setzero_ps(),
                        _mm512_setzero_ps());
        }
    }
    advance(T, true, s, 8);
}

/* 16 bytes of 4-bit scale and 4-bit minimum, 64 bytes of codes, d, dmin. Per half of 128 columns the
 * bit pairs of 32 bytes are four groups of 32 columns. */
HL_INLINE void decode16_q2_k(const int T, sink *s, const uint8_t *w, size_t row_bytes, size_t n_cols) {
    (void)n_cols;
    row_addr rows = address_rows(w, row_bytes);
    __m512i  sm[4];
    load_words(&rows, 0, sm);
    __m512i end[4];
    load_words(&rows, 84 - 16, end);
    __m512 d[2];
    split_f16(end[3], d);
    HL_UNROLL for (int half = 0; half < 2; half++) {
        __m512i v[8];
        load_8words(&rows, 16 + 32 * half, v);
        HL_UNROLL for (int k = 0; k < 4; k++) HL_UNROLL for (int j = 0; j < 8; j++)
            put_codes(T, true, true, s, half * 32 + 8 * k + j,
                      and_bytes(_mm512_srli_epi16(v[j], 2 * (unsigned)k), 0x03));
        HL_UNROLL for (int k = 0; k < 4; k++) {
            const int     g = 4 * half + k, i = 2 * g % 4;
            const __m512i sv = low_nibbles(sm[g / 2]), mv = high_nibbles(sm[g / 2]);
            put_group16(T, true, s, g, _mm512_mul_ps(d[0], f32_of_byte(sv, i)),
                        _mm512_mul_ps(d[0], f32_of_byte(sv, i + 1)), _mm512_mul_ps(d[1], f32_of_byte(mv, i)),
                        _mm512_mul_ps(d[1], f32_of_byte(mv, i + 1)));
        }
    }
    advance(T, true, s, 8);
}

/* 6-bit scale g of q3_k minus 32, times d. */
HL_INLINE __m512 scale_q3_k(__m512 d, const __m512i six[4], int g) {
    const __m512i sc = _mm512_sub_epi32(byte_of_lane(six[g / 4], g % 4), _mm512_set1_epi32(32));
    return _mm512_mul_ps(d, _mm512_cvtepi32_ps(sc));
}

/* hmask 32, low two bits 64 as in q2_k, 12 bytes of 6-bit scales, d. Bit g of hmask byte i is the third
 * bit of column i of group g (of 32). */
HL_INLINE void decode16_q3_k(const int T, sink *s, const uint8_t *w, size_t row_bytes, size_t n_cols) {
    (void)n_cols;
    row_addr rows = address_rows(w, row_bytes);
    /* Twelve bytes of scales end at d: read the 16 that end there and skip the first word. */
    __m512i h[4], six[4], third[8];
    load_words(&rows, 92, h);
    six[0] = _mm512_or_si512(low_nibbles(h[1]), and_bytes(_mm512_slli_epi16(h[3], 4), 0x30));
    six[1] = _mm512_or_si512(low_nibbles(h[2]), and_bytes(_mm512_slli_epi16(h[3], 2), 0x30));
    six[2] = _mm512_or_si512(high_nibbles(h[1]), and_bytes(h[3], 0x30));
    six[3] = _mm512_or_si512(high_nibbles(h[2]), and_bytes(_mm512_srli_epi16(h[3], 2), 0x30));
    load_8words(&rows, 0, third);
    const __m512 d = gather_f16(&rows, 108);
    HL_UNROLL for (int half = 0; half < 2; half++) {
        __m512i v[8];
        load_8words(&rows, 32 + 32 * half, v);
        HL_UNROLL for (int k = 0; k < 4; k++) HL_UNROLL for (int j = 0; j < 8; j++)
            put_codes(T, true, false, s, half * 32 + 8 * k + j,
                      _mm512_or_si512(and_bytes(_mm512_srli_epi16(v[j], 2 * (unsigned)k), 0x03),
                                      one_bit(third[j], (unsigned)(4 * half + k), 2)));
        HL_UNROLL for (int k = 0; k < 4; k++) {
            const int g = 4 * half + k;
            put_group16(T, false, s, g, scale_q3_k(d, six, 2 * g), scale_q3_k(d, six, 2 * g + 1),
                        _mm512_setzero_ps(), _mm512_setzero_ps());
        }
    }
    advance(T, true, s, 8);
}

/* d, 16 bits of high scale pairs, 4 bytes of low scale nibbles, 128 bytes of nibbles. */
HL_INLINE void decode16_iq4_xs(const int T, sink *s, const uint8_t *w, size_t row_bytes, size_t n_cols) {
    (void)n_cols;
    row_addr      rows = address_rows(w, row_bytes);
    const __m512i table = iq4_table();
    __m512i       h[4]; /* of these, two words */
    load_words(&rows, 0, h);
    const __m512i head = h[0], low = h[1];
    const __m512  d = f32_of_low_f16(head);
    __m512i       v[8];
    HL_UNROLL for (unsigned g = 0; g < 8; g++) {
        if (g % 2 == 0) load_8words(&rows, 8 + 16 * (int)g, v);
        put_table_nibbles(T, s, 8 * (int)g, v + g % 2 * 4, table);
        const __m512i lo = _mm512_and_si512(_mm512_srli_epi32(low, 4 * g), _mm512_set1_epi32(0x0f));
        const __m512i hi = _mm512_and_si512(_mm512_slli_epi32(_mm512_srli_epi32(head, 16 + 2 * g), 4),
                                            _mm512_set1_epi32(0x30));
        const __m512i sc = _mm512_sub_epi32(_mm512_or_si512(lo, hi), _mm512_set1_epi32(32));
        put_scale(T, s, (int)g, _mm512_mul_ps(d, _mm512_cvtepi32_ps(sc)));
    }
    advance(T, false, s, 8);
}

/* 64 bytes of bit pairs as in q2_k, d. */
HL_INLINE void decode16_tq2_0(const int T, sink *s, const uint8_t *w, size_t row_bytes, size_t n_cols) {
    (void)n_cols;
    row_addr     rows = address_rows(w, row_bytes);
    const __m512 d = gather_f16(&rows, 64);
    HL_UNROLL for (int half = 0; half < 2; half++) {
        __m512i v[8];
        load_8words(&rows, 32 * half, v);
        HL_UNROLL for (int k = 0; k < 4; k++) {
            HL_UNROLL for (int j = 0; j < 8; j++)
                put_codes(T, false, false, s, half * 32 + 8 * k + j,
                          and_bytes(_mm512_srli_epi16(v[j], 2 * (unsigned)k), 0x03));
            put_scale(T, s, 4 * half + k, d);
        }
    }
    advance(T, false, s, 8);
}

/* Half of the e4m3 number in byte i (constant) of each lane: its bits as those of an f32 whose exponent is
 * 119 too small; where it has none, eighths of 2^-7, without a subnormal on the way, for which processors
 * stop. 0x7f is 0. */
HL_INLINE __m512 half_of_e4m3(__m512i v, int i) {
    const __m512i   byte = byte_of_lane(v, i), e = _mm512_and_si512(byte, _mm512_set1_epi32(0x7f));
    const __m512i   x = _mm512_slli_epi32(_mm512_add_epi32(e, _mm512_set1_epi32(119 << 3)), 20);
    const __mmask16 small = _mm512_cmplt_epu32_mask(e, _mm512_set1_epi32(8));
    const __mmask16 number = _mm512_cmpneq_epi32_mask(byte, _mm512_set1_epi32(0x7f));
    return _mm512_maskz_mov_ps(number, _mm512_mask_mul_ps(_mm512_castsi512_ps(x), small,
                                                          _mm512_cvtepi32_ps(e), _mm512_set1_ps(0x1p-10f)));
}

/* Blocks of 64 columns: four scales, then 8 bytes of every 16 columns, low nibbles the first eight. */
HL_INLINE void decode16_nvfp4(const int T, sink *s, const uint8_t *w, size_t row_bytes, size_t n_cols) {
    const __m512i table = e2m1_table();
    for (; n_cols > 0; n_cols -= 64, w += 36) {
        row_addr      rows = address_rows(w, row_bytes);
        const __m512i e = gather_u32(&rows, 0);
        __m512i       v[8];
        load_8words(&rows, 4, v);
        HL_UNROLL for (int g = 0; g < 2; g++) {
            HL_UNROLL for (int i = 0; i < 8; i++) {
                const __m512i both = v[4 * g + i / 4 * 2 + i % 2];
                const __m512i code = i % 4 < 2 ? low_nibbles(both) : high_nibbles(both);
                put_codes(T, true, false, s, 8 * g + i, _mm512_shuffle_epi8(table, code));
            }
            put_group16(T, false, s, g, half_of_e4m3(e, 2 * g), half_of_e4m3(e, 2 * g + 1),
                        _mm512_setzero_ps(), _mm512_setzero_ps());
        }
        advance(T, true, s, 2);
    }
}

/* ---- blocks of 256 whose codes stand in grids (grids.h) ---- */

HL_INLINE grid_floats f32_of_f16_lanes(grid_lanes v) { return (grid_floats)f32_of_low_f16((__m512i)v); }

/* Codes of digits 0..2, and from 8 on of the same with a minus: of iq2_*, or of iq1_*, which have no minus
 * but an eighth more or less. */
HL_INLINE __m512i digit_codes(const bool iq2) {
    const __m128i two =
        _mm_setr_epi8((char)136, (char)153, (char)171, 0, 0, 0, 0, 0, 120, 103, 85, 0, 0, 0, 0, 0);
    const __m128i one = _mm_setr_epi8(9, 17, 25, 0, 0, 0, 0, 0, 7, 15, 23, 0, 0, 0, 0, 0);
    return _mm512_broadcast_i32x4(iq2 ? two : one);
}

/* An entry of the grid for four columns is made of magnitudes; one for eight of digits, the first four in low
 * nibbles. Their signs go to the top of the same nibbles: bits c and c + 4 of the signs to byte c, and what
 * is missing to 8. */
HL_INLINE void put_entry(const int T, const grid_type type, sink *s, const int k, __m512i entry,
                         __m512i minus) {
    const bool    g16 = type.format.group == 16;
    const __m512i offset = _mm512_set1_epi8((char)type.format.offset);
    if (type.per == 4) {
        const __m512i plus = _mm512_add_epi8(offset, entry);
        put_codes(T, g16, false, s, k, _mm512_mask_sub_epi8(plus, columns_set(minus, k), offset, entry));
        return;
    }
    const int     at = 0x01010101 * k;
    const __m512i from = _mm512_set4_epi32(0x0c0c0c0c + at, 0x08080808 + at, 0x04040404 + at, at);
    const __m512i bits =
        _mm512_and_si512(_mm512_shuffle_epi8(minus, from), _mm512_set1_epi32((int)0x88442211u));
    const __m512i signs = _mm512_add_epi32(bits, _mm512_set1_epi32(0x00446677));
    const __m512i low = _mm512_or_si512(entry, and_bytes(signs, 0x08));
    const __m512i high = _mm512_srli_epi16(_mm512_or_si512(entry, and_bytes(signs, 0x80)), 4);
    const __m512i codes = digit_codes(type.format.offset == 128);
    /* of an index the shuffle takes the low nibble, where the top bit is not set */
    put_codes(T, g16, false, s, 2 * k, _mm512_shuffle_epi8(codes, low));
    put_codes(T, g16, false, s, 2 * k + 1, _mm512_shuffle_epi8(codes, high));
}

HL_INLINE void put_grid(const int T, const grid_type type, sink *s, const uint8_t *w, size_t row_bytes) {
    const bool g16 = type.format.group == 16;
    row_addr   rows = address_rows(w, row_bytes);
    grid_block b;
    HL_UNROLL for (int i = 0; i < type.n_loads; i++)
        load_words(&rows, type.piece[i], (__m512i *)&b.word[4 * i]);
    grid_d(&b, type.d_in_scales);
    for (size_t g = 0; g < 8; g++) {
        grid_group x;
        type.group(&b, g, &x);
        HL_UNROLL for (int k = 0; k < 32 / type.per; k++) put_entry(
            T, type, s, k, _mm512_i32gather_epi32((__m512i)x.index[k], type.grid, 4), (__m512i)x.minus);
        if (g16)
            put_group16(T, false, s, 0, (__m512)x.scale[0], (__m512)x.scale[1], _mm512_setzero_ps(),
                        _mm512_setzero_ps());
        else
            put_scale(T, s, 0, (__m512)x.scale[0]);
        advance(T, g16, s, 1);
    }
}

#define HL_GRID16(type, ...)                                                                                 \
    HL_INLINE void decode16_##type(const int T, sink *s, const uint8_t *w, size_t row_bytes,                 \
                                   size_t n_cols) {                                                          \
        (void)n_cols;                                                                                        \
        put_grid(T, grid_##type(), s, w, row_bytes);                                                         \
    }
HL_GRID_TYPES(HL_GRID16)

/* ---- types whose rows are laid down first (staged.h) ---- */

HL_INLINE void put_staged(const int T, const bool g16, sink *s, const hl_staged_row *staged,
                          size_t n_groups) {
    row_addr rows = address_rows((const uint8_t *)staged, sizeof *staged);
    for (size_t g = 0; g < n_groups; g++) {
        __m512i v[8], sm[4];
        load_8words(&rows, HL_STAGED_CODES(0), v);
        load_words(&rows, HL_STAGED_SCALES(0), sm);
        HL_UNROLL for (int j = 0; j < 8; j++) put_codes(T, g16, false, s, j, v[j]);
        const __m512 scale = _mm512_castsi512_ps(sm[0]), second = _mm512_castsi512_ps(sm[1]);
        if (g16)
            put_group16(T, false, s, 0, scale, second, _mm512_setzero_ps(), _mm512_setzero_ps());
        else
            put_scale(T, s, 0, scale);
        advance(T, g16, s, 1);
        HL_UNROLL for (int i = 0; i < 4; i++) rows.at[i] += sizeof(hl_group);
    }
}

#define HL_STAGED16(type)                                                                                    \
    static __attribute__((noinline, unused)) void stage16_##type(const uint8_t *w, size_t row_bytes,         \
                                                                 size_t n_groups, hl_staged_row *ret) {      \
        for (size_t r = 0; r < ROWS16; r++)                                                                  \
            hl_stage_row(hl_##type##_group, w + r * row_bytes, n_groups, &ret[r]);                           \
    }                                                                                                        \
    HL_INLINE void decode16_##type(const int T, sink *s, const uint8_t *w, size_t row_bytes,                 \
                                   size_t n_cols) {                                                          \
        hl_staged_row staged[ROWS16];                                                                        \
        stage16_##type(w, row_bytes, n_cols / 32, staged);                                                   \
        put_staged(T, HL_GROUP_##type == 16, s, staged, n_cols / 32);                                        \
    }
HL_STAGED_TYPES(HL_STAGED16)

/* ---- what gemv and unpack share ---- */

/* Bytes of 256 columns of the type that the file is compiled for. */
#define HL_BLOCK256 (8 / HL_TYPED(HL_BLOCK_GROUPS) * HL_TYPED(HL_BLOCK_BYTES))

enum { BLOCK_BYTES_MAX = 272 }; /* of 256 columns of any type */
static_assert(HL_BLOCK256 <= BLOCK_BYTES_MAX, "a row of a block fits");

typedef void decode16_fn(const int T, sink *s, const uint8_t *w, size_t row_bytes, size_t n_cols);

/* A strip with fewer than 16 rows is copied, a block of columns at a time, with zeros for the rest. */
typedef struct row_stage {
    uint8_t bytes[ROWS16][BLOCK_BYTES_MAX];
} row_stage;

HL_INLINE void stage_rows(row_stage *s, const uint8_t *w, size_t row_bytes, size_t n_rows, size_t n_bytes) {
    memset(s, 0, sizeof *s);
    for (size_t r = 0; r < n_rows; r++) memcpy(s->bytes[r], w + r * row_bytes, n_bytes);
}

#endif
