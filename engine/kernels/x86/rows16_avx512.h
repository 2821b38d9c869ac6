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

/* Small fields at the head of 32-column blocks go through general registers and a table in the
 * first-level cache: that leaves the vector ports to the codes. */
HL_INLINE void stage_u8(const uint8_t *p, size_t row_bytes, size_t block_bytes, size_t n, uint8_t (*ret)[16]) {
    for (size_t r = 0; r < ROWS16; r++, p += row_bytes)
        for (size_t b = 0; b < n; b++) ret[b][r] = p[b * block_bytes];
}

HL_INLINE void stage_u16(const uint8_t *p, size_t row_bytes, size_t block_bytes, size_t n, uint16_t (*ret)[16]) {
    for (size_t r = 0; r < ROWS16; r++, p += row_bytes)
        for (size_t b = 0; b < n; b++) memcpy(&ret[b][r], p + b * block_bytes, 2);
}

HL_INLINE void stage_u32(const uint8_t *p, size_t row_bytes, size_t block_bytes, size_t n, uint32_t (*ret)[16]) {
    for (size_t r = 0; r < ROWS16; r++, p += row_bytes)
        for (size_t b = 0; b < n; b++) memcpy(&ret[b][r], p + b * block_bytes, 4);
}

HL_INLINE __m512 f32_of_staged_f16(const uint16_t *staged) {
    return _mm512_cvtph_ps(_mm256_load_si256((const __m256i *)staged));
}

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

/* Where the codes of 16 rows go: `wide` is 1 for a tile of 16 rows, 2 for half of a panel of 32. */
HL_INLINE void put_codes(uint8_t *codes, int wide, size_t step, __m512i v) {
    _mm512_store_si512(codes + step * 64 * (size_t)wide, v);
}
HL_INLINE void put_scale(float *scale, int wide, size_t group, __m512 v) {
    _mm512_store_ps(scale + group * 16 * (size_t)wide, v);
}

#endif
