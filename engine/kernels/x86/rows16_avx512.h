/* SPDX-License-Identifier: MIT
 *
 * rows16_avx512.h - read 16 weight rows side by side, so that vector lane i belongs to row i.
 *
 * Everything after the load is then lane-wise the scalar definition, for any weight type and any number
 * of tokens. A piece of 16 bytes is taken from each of 16 rows and turned, as 32-bit words inside
 * 128-bit lanes, into four vectors: word j of every row. Only static inline functions may stand here.
 */
#ifndef HL_ENGINE_KERNELS_X86_ROWS16_AVX512_H
#define HL_ENGINE_KERNELS_X86_ROWS16_AVX512_H

#include <immintrin.h>
#include <string.h>

#include "engine/kernels/kernels.h"

#define HL_INLINE static inline __attribute__((always_inline, unused))
#ifdef __clang__
#define HL_UNROLL _Pragma("clang loop unroll(full)")
#else
#define HL_UNROLL _Pragma("GCC unroll 16")
#endif

/* Addresses of rows are formed where they are used, from a few registers: compilers otherwise hoist all
 * sixteen and spill them. Memory written just before as a vector is read as memory, not taken apart. */
#define HL_OPAQUE(x)        __asm__("" : "+r"(x))
#define HL_OPAQUE_MEMORY(x) __asm__("" : "+r"(x) : : "memory")

enum { ROWS16 = 16, TILE_COLS = 256, TILE_GROUPS = TILE_COLS / 32, WORDS_MAX = 76 };

/* Four pointers and two distances reach all 16 rows: at[i] is row 4 i. */
typedef struct row_addr {
    const uint8_t *at[4];
    size_t         one, three;
} row_addr;

HL_INLINE row_addr address_rows(const uint8_t *p, size_t row_bytes) {
    row_addr a;
    HL_OPAQUE(row_bytes);
    a.one = row_bytes;
    a.three = 3 * row_bytes;
    a.at[0] = p;
    a.at[1] = p + 4 * row_bytes;
    a.at[2] = p + 8 * row_bytes;
    a.at[3] = a.at[1] + 8 * row_bytes;
    return a;
}

/* What was computed from them before is not kept. */
HL_INLINE void reform_addresses(row_addr *a) {
    HL_OPAQUE(a->one);
    HL_OPAQUE(a->three);
}

/* The address of row 4 i + j; j is constant. */
HL_INLINE const uint8_t *row_at(const row_addr *a, int i, int j) {
    return a->at[i] + (j == 0 ? 0 : j == 1 ? a->one : j == 2 ? 2 * a->one : a->three);
}

HL_INLINE __m128i load_piece(const uint8_t *p) { return _mm_loadu_si128((const __m128i *)p); }

HL_INLINE __m512i load_lanes(const row_addr *a, int j, int at) {
    __m512i v = _mm512_castsi128_si512(load_piece(row_at(a, 0, j) + at));
    v = _mm512_inserti32x4(v, load_piece(row_at(a, 1, j) + at), 1);
    v = _mm512_inserti32x4(v, load_piece(row_at(a, 2, j) + at), 2);
    return _mm512_inserti32x4(v, load_piece(row_at(a, 3, j) + at), 3);
}

/* ret[j] lane i = bytes 4j..4j+3 of the 16 at byte `at` (constant) of row i. */
HL_INLINE void load_words(row_addr *rows, int at, __m512i ret[4]) {
    reform_addresses(rows);
    const __m512i a = load_lanes(rows, 0, at), b = load_lanes(rows, 1, at), c = load_lanes(rows, 2, at),
                  d = load_lanes(rows, 3, at);
    const __m512i ab_lo = _mm512_unpacklo_epi32(a, b), ab_hi = _mm512_unpackhi_epi32(a, b);
    const __m512i cd_lo = _mm512_unpacklo_epi32(c, d), cd_hi = _mm512_unpackhi_epi32(c, d);
    ret[0] = _mm512_unpacklo_epi64(ab_lo, cd_lo);
    ret[1] = _mm512_unpackhi_epi64(ab_lo, cd_lo);
    ret[2] = _mm512_unpacklo_epi64(ab_hi, cd_hi);
    ret[3] = _mm512_unpackhi_epi64(ab_hi, cd_hi);
}

/* Eight words of 16 rows from z[j] = two 16-byte pieces of row j and of row j + 4, z[j + 4] = of rows
 * j + 8 and j + 12: ret[j] and ret[j + 4] are word j of the first and of the second piece. */
HL_INLINE void transpose_pairs(const __m512i z[8], __m512i ret[8]) {
    __m512i x[2][4];
    HL_UNROLL for (int h = 0; h < 2; h++) {
        const __m512i ab_lo = _mm512_unpacklo_epi32(z[4 * h], z[4 * h + 1]),
                      ab_hi = _mm512_unpackhi_epi32(z[4 * h], z[4 * h + 1]);
        const __m512i cd_lo = _mm512_unpacklo_epi32(z[4 * h + 2], z[4 * h + 3]);
        const __m512i cd_hi = _mm512_unpackhi_epi32(z[4 * h + 2], z[4 * h + 3]);
        x[h][0] = _mm512_unpacklo_epi64(ab_lo, cd_lo);
        x[h][1] = _mm512_unpackhi_epi64(ab_lo, cd_lo);
        x[h][2] = _mm512_unpacklo_epi64(ab_hi, cd_hi);
        x[h][3] = _mm512_unpackhi_epi64(ab_hi, cd_hi);
    }
    HL_UNROLL for (int j = 0; j < 4; j++) {
        ret[j] = _mm512_shuffle_i32x4(x[0][j], x[1][j], _MM_SHUFFLE(2, 0, 2, 0));
        ret[j + 4] = _mm512_shuffle_i32x4(x[0][j], x[1][j], _MM_SHUFFLE(3, 1, 3, 1));
    }
}

HL_INLINE __m512i join_halves(__m256i a, __m256i b) {
    return _mm512_inserti64x4(_mm512_castsi256_si512(a), b, 1);
}

HL_INLINE __m256i load_half(const uint8_t *p) { return _mm256_loadu_si256((const __m256i *)p); }

/* The same of 32 bytes, with half the loads for each. */
HL_INLINE void load_8words(row_addr *rows, int at, __m512i ret[8]) {
    __m512i z[8];
    reform_addresses(rows);
    HL_UNROLL for (int j = 0; j < 8; j++) z[j] = join_halves(
        load_half(row_at(rows, j / 4 * 2, j % 4) + at), load_half(row_at(rows, j / 4 * 2 + 1, j % 4) + at));
    transpose_pairs(z, ret);
}

/* Consecutive bytes of 16 rows, read once and in order as words: lane r of v[i] holds bytes 4i..4i+3 of row
 * r, whatever blocks they belong to. So the small fields between codes cost no loads of their own. n_bytes
 * and all places are constants; n_bytes is at least 32. */
typedef struct row_words {
    row_addr rows;
    int      n_bytes;
    __m512i  v[WORDS_MAX];
} row_words;

/* Words `first` and following of what the last 32 bytes (or 16, if that is enough) hold. */
HL_INLINE void load_last_words(row_words *w, const int first) {
    const int n = w->n_bytes / 4 - first, odd = w->n_bytes % 4;
    __m512i   t[8];
    if (n > 4)
        load_8words(&w->rows, w->n_bytes - 32, t);
    else
        load_words(&w->rows, w->n_bytes - 16, t);
    HL_UNROLL for (int i = 0; i < n; i++) w->v[first + i] = t[(n > 4 ? 8 : 4) - n + i];
    if (odd > 0) w->v[first] = _mm512_srli_epi32(t[3], (unsigned)(32 - 8 * odd)); /* only where n is 0 */
}

/* Bytes at..at + n - 1 are needed next; n is at most 32. */
HL_INLINE void reach_bytes(row_words *w, const int at, const int n) {
    const int piece = (at + n - 1) / 32 * 32;
    if (piece < at) return;
    if (w->n_bytes - piece >= 32)
        load_8words(&w->rows, piece, w->v + piece / 4);
    else
        load_last_words(w, piece / 4);
}

/* ret[j] = bytes at + 4j.. of every row, which are the next to be read. */
HL_INLINE void next_words(row_words *w, const int at, const int n, __m512i *ret) {
    const int skip = at % 4;
    HL_UNROLL for (int j = 0; j < n; j++) {
        const int i = at / 4 + j;
        reach_bytes(w, at + 4 * j, 4);
        ret[j] = w->v[i];
        if (skip == 0) continue;
        /* The last bytes of one word and the first of the next, then turned into their order. */
        const __m512i both =
            _mm512_mask_mov_epi8(w->v[i], 0x1111111111111111u * ((1u << skip) - 1), w->v[i + 1]);
        ret[j] = skip == 1   ? _mm512_ror_epi32(both, 8)
                 : skip == 2 ? _mm512_ror_epi32(both, 16)
                             : _mm512_ror_epi32(both, 24);
    }
}

/* Small fields, one per row, by inserts from memory: they need neither general registers nor a detour
 * through a table, whose narrow stores would stall the wide load. */
HL_INLINE __m128i gather_u8(row_addr *rows, int at) {
    __m128i v = _mm_setzero_si128();
    reform_addresses(rows);
#define ROW(r) v = _mm_insert_epi8(v, row_at(rows, (r) / 4, (r) % 4)[at], r);
    ROW(0)
    ROW(1)
    ROW(2)
    ROW(3)
    ROW(4)
    ROW(5)
    ROW(6)
    ROW(7)
    ROW(8)
    ROW(9)
    ROW(10)
    ROW(11)
    ROW(12)
    ROW(13)
    ROW(14)
    ROW(15)
#undef ROW
    return v;
}

HL_INLINE int read_u16(const uint8_t *p) {
    uint16_t v;
    memcpy(&v, p, 2);
    return v;
}

HL_INLINE int read_u32(const uint8_t *p) {
    int v;
    memcpy(&v, p, 4);
    return v;
}

HL_INLINE __m256i gather_u16(row_addr *rows, int at) {
    __m128i lo = _mm_setzero_si128(), hi = lo;
    reform_addresses(rows);
#define ROW(r)                                                                                               \
    lo = _mm_insert_epi16(lo, read_u16(row_at(rows, (r) / 4, (r) % 4) + at), r);                             \
    hi = _mm_insert_epi16(hi, read_u16(row_at(rows, (r) / 4 + 2, (r) % 4) + at), r);
    ROW(0)
    ROW(1)
    ROW(2)
    ROW(3)
    ROW(4)
    ROW(5)
    ROW(6)
    ROW(7)
#undef ROW
    return _mm256_inserti128_si256(_mm256_castsi128_si256(lo), hi, 1);
}

HL_INLINE __m128i gather_4u32(const row_addr *rows, int i, int at) {
    __m128i v = _mm_cvtsi32_si128(read_u32(row_at(rows, i, 0) + at));
    v = _mm_insert_epi32(v, read_u32(row_at(rows, i, 1) + at), 1);
    v = _mm_insert_epi32(v, read_u32(row_at(rows, i, 2) + at), 2);
    return _mm_insert_epi32(v, read_u32(row_at(rows, i, 3) + at), 3);
}

HL_INLINE __m512i gather_u32(row_addr *rows, int at) {
    reform_addresses(rows);
    const __m256i lo = _mm256_inserti128_si256(_mm256_castsi128_si256(gather_4u32(rows, 0, at)),
                                               gather_4u32(rows, 1, at), 1);
    const __m256i hi = _mm256_inserti128_si256(_mm256_castsi128_si256(gather_4u32(rows, 2, at)),
                                               gather_4u32(rows, 3, at), 1);
    return join_halves(lo, hi);
}

HL_INLINE __m512 gather_f16(row_addr *rows, int at) { return _mm512_cvtph_ps(gather_u16(rows, at)); }

/* The two f16 of each lane: ret[0] the low one. */
HL_INLINE void split_f16(__m512i v, __m512 ret[2]) {
    const __m512i low_then_high = _mm512_set_epi16(31, 29, 27, 25, 23, 21, 19, 17, 15, 13, 11, 9, 7, 5, 3, 1,
                                                   30, 28, 26, 24, 22, 20, 18, 16, 14, 12, 10, 8, 6, 4, 2, 0);
    const __m512i x = _mm512_permutexvar_epi16(low_then_high, v);
    ret[0] = _mm512_cvtph_ps(_mm512_castsi512_si256(x));
    ret[1] = _mm512_cvtph_ps(_mm512_extracti64x4_epi64(x, 1));
}
HL_INLINE __m512 f32_of_low_f16(__m512i v) { return _mm512_cvtph_ps(_mm512_cvtepi32_epi16(v)); }

HL_INLINE __m512i and_bytes(__m512i v, int byte) { return _mm512_and_si512(v, _mm512_set1_epi8((char)byte)); }

/* Byte i of each 32-bit lane, as an integer / as a float. */
HL_INLINE __m512i byte_of_lane(__m512i v, int i) {
    return _mm512_and_si512(_mm512_srli_epi32(v, (unsigned)(8 * i)), _mm512_set1_epi32(0xff));
}
HL_INLINE __m512 f32_of_byte(__m512i v, int i) { return _mm512_cvtepi32_ps(byte_of_lane(v, i)); }
HL_INLINE __m512 f32_of_signed_byte(__m512i v, int i) {
    return _mm512_cvtepi32_ps(_mm512_srai_epi32(_mm512_slli_epi32(v, (unsigned)(24 - 8 * i)), 24));
}

#endif
