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

enum { ROWS16 = 16, TILE_COLS = 256, TILE_GROUPS = TILE_COLS / 32 };

HL_INLINE __m512i load_lanes(const uint8_t *p, size_t stride4) {
    __m512i v = _mm512_castsi128_si512(_mm_loadu_si128((const __m128i *)p));
    v = _mm512_inserti32x4(v, _mm_loadu_si128((const __m128i *)(p + stride4)), 1);
    v = _mm512_inserti32x4(v, _mm_loadu_si128((const __m128i *)(p + 2 * stride4)), 2);
    return _mm512_inserti32x4(v, _mm_loadu_si128((const __m128i *)(p + 3 * stride4)), 3);
}

/* ret[j] lane i = bytes 4j..4j+3 of the 16 at p + i * row_bytes. */
HL_INLINE void load_words(const uint8_t *p, size_t row_bytes, __m512i ret[4]) {
    const size_t  s4 = 4 * row_bytes;
    const __m512i a = load_lanes(p, s4);
    const __m512i b = load_lanes(p + row_bytes, s4);
    const __m512i c = load_lanes(p + 2 * row_bytes, s4);
    const __m512i d = load_lanes(p + 3 * row_bytes, s4);
    const __m512i ab_lo = _mm512_unpacklo_epi32(a, b), ab_hi = _mm512_unpackhi_epi32(a, b);
    const __m512i cd_lo = _mm512_unpacklo_epi32(c, d), cd_hi = _mm512_unpackhi_epi32(c, d);
    ret[0] = _mm512_unpacklo_epi64(ab_lo, cd_lo);
    ret[1] = _mm512_unpackhi_epi64(ab_lo, cd_lo);
    ret[2] = _mm512_unpacklo_epi64(ab_hi, cd_hi);
    ret[3] = _mm512_unpackhi_epi64(ab_hi, cd_hi);
}

/* Small fields, one per row, by inserts from memory: they need neither general registers nor a detour
 * through a table, whose narrow stores would stall the wide load. */
HL_INLINE __m128i gather_u8(const uint8_t *p, size_t row_bytes) {
    __m128i v = _mm_setzero_si128();
#define ROW(r) v = _mm_insert_epi8(v, p[(r) * row_bytes], r);
    ROW(0) ROW(1) ROW(2) ROW(3) ROW(4) ROW(5) ROW(6) ROW(7)
    ROW(8) ROW(9) ROW(10) ROW(11) ROW(12) ROW(13) ROW(14) ROW(15)
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

HL_INLINE __m256i gather_u16(const uint8_t *p, size_t row_bytes) {
    __m128i        lo = _mm_setzero_si128(), hi = lo;
    const uint8_t *q = p + 8 * row_bytes;
#define ROW(r)                                               \
    lo = _mm_insert_epi16(lo, read_u16(p + (r) * row_bytes), r); \
    hi = _mm_insert_epi16(hi, read_u16(q + (r) * row_bytes), r);
    ROW(0) ROW(1) ROW(2) ROW(3) ROW(4) ROW(5) ROW(6) ROW(7)
#undef ROW
    return _mm256_inserti128_si256(_mm256_castsi128_si256(lo), hi, 1);
}

HL_INLINE __m128i gather_4u32(const uint8_t *p, size_t row_bytes) {
    __m128i v = _mm_cvtsi32_si128(read_u32(p));
    v = _mm_insert_epi32(v, read_u32(p + row_bytes), 1);
    v = _mm_insert_epi32(v, read_u32(p + 2 * row_bytes), 2);
    return _mm_insert_epi32(v, read_u32(p + 3 * row_bytes), 3);
}

HL_INLINE __m512i gather_u32(const uint8_t *p, size_t row_bytes) {
    __m512i v = _mm512_castsi128_si512(gather_4u32(p, row_bytes));
    v = _mm512_inserti32x4(v, gather_4u32(p + 4 * row_bytes, row_bytes), 1);
    v = _mm512_inserti32x4(v, gather_4u32(p + 8 * row_bytes, row_bytes), 2);
    return _mm512_inserti32x4(v, gather_4u32(p + 12 * row_bytes, row_bytes), 3);
}

HL_INLINE __m512 gather_f16(const uint8_t *p, size_t row_bytes) { return _mm512_cvtph_ps(gather_u16(p, row_bytes)); }

/* f16 in the low or the high half of each lane. */
HL_INLINE __m512 f32_of_low_f16(__m512i v) { return _mm512_cvtph_ps(_mm512_cvtepi32_epi16(v)); }
HL_INLINE __m512 f32_of_high_f16(__m512i v) {
    return _mm512_cvtph_ps(_mm512_cvtepi32_epi16(_mm512_srli_epi32(v, 16)));
}

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
