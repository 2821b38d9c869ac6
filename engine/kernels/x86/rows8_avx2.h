/* SPDX-License-Identifier: MIT
 *
 * rows8_avx2.h - blocks of eight rows of packed weights, read into vectors whose lanes are rows.
 */
#ifndef HL_ENGINE_KERNELS_X86_ROWS8_AVX2_H
#define HL_ENGINE_KERNELS_X86_ROWS8_AVX2_H

#include <immintrin.h>

#include "engine/kernels/kernels.h"
#include "engine/kernels/unroll.h"

/* One block of each of eight rows. */
typedef struct strip8 {
    const uint8_t *at[2];           /* of rows 0 and 4: with two distances all others are addressing modes */
    size_t         stride, stride3; /* from row to row, and three times that */
    const uint8_t *prefetch;        /* what to prefetch meanwhile */
} strip8;

HL_INLINE __m128i load16(const uint8_t *p) { return _mm_loadu_si128((const __m128i *)(const void *)p); }
HL_INLINE __m256i load32(const uint8_t *p) { return _mm256_loadu_si256((const __m256i *)(const void *)p); }

HL_INLINE const uint8_t *strip_row(const strip8 *s, size_t k) {
    return s->at[k / 4] + (k % 4 == 3 ? s->stride3 : k % 4 * s->stride);
}

/* 16 bytes at `offset` of row k, and of row k + 4 in the upper half. */
HL_INLINE __m256i strip_half(const strip8 *s, size_t k, size_t offset) {
    const __m128i low = load16(strip_row(s, k) + offset), high = load16(strip_row(s, k + 4) + offset);
    return _mm256_inserti128_si256(_mm256_castsi128_si256(low), high, 1);
}

/* A vector of which lane k (constant) is that of the bytes that begin k times `width` before `offset` of row
 * k. All of them are weights, because eight rows stand one after the other: no byte but the rows' own is
 * read. */
#define HL_STRIP_LANES(s, offset, width, load, blend, v)                                                     \
    v = load(strip_row(s, 0) + (offset));                                                                    \
    v = blend(v, load(strip_row(s, 1) + (offset)-1 * (width)), 1 << 1);                                      \
    v = blend(v, load(strip_row(s, 2) + (offset)-2 * (width)), 1 << 2);                                      \
    v = blend(v, load(strip_row(s, 3) + (offset)-3 * (width)), 1 << 3);                                      \
    v = blend(v, load(strip_row(s, 4) + (offset)-4 * (width)), 1 << 4);                                      \
    v = blend(v, load(strip_row(s, 5) + (offset)-5 * (width)), 1 << 5);                                      \
    v = blend(v, load(strip_row(s, 6) + (offset)-6 * (width)), 1 << 6);                                      \
    v = blend(v, load(strip_row(s, 7) + (offset)-7 * (width)), 1 << 7)

/* 2 bytes at `offset` of eight rows. */
HL_INLINE __m128i strip_u16(const strip8 *s, size_t offset) {
    __m128i v;
    HL_STRIP_LANES(s, offset, 2, load16, _mm_blend_epi16, v);
    return v;
}

HL_INLINE __m256 strip_f16(const strip8 *s, size_t offset) { return _mm256_cvtph_ps(strip_u16(s, offset)); }

/* 4 bytes at `offset` of eight rows. */
HL_INLINE __m256i strip_u32(const strip8 *s, size_t offset) {
    __m256i v;
    HL_STRIP_LANES(s, offset, 4, load32, _mm256_blend_epi32, v);
    return v;
}

/* 16 bytes at `offset` of eight rows as four vectors of one 4-byte unit each; lane = row. */
HL_INLINE void strip_units(const strip8 *s, size_t offset, __m256i *u) {
    __m256i a[4];
    HL_UNROLL for (size_t k = 0; k < 4;
                   k++) { /* a broadcast and a blend: loading into the upper half can be slow */
        const __m128i low = load16(strip_row(s, k) + offset), high = load16(strip_row(s, k + 4) + offset);
        a[k] = _mm256_blend_epi32(_mm256_castsi128_si256(low), _mm256_broadcastsi128_si256(high), 0xF0);
    }
    const __m256i t0 = _mm256_unpacklo_epi32(a[0], a[1]), t1 = _mm256_unpackhi_epi32(a[0], a[1]);
    const __m256i t2 = _mm256_unpacklo_epi32(a[2], a[3]), t3 = _mm256_unpackhi_epi32(a[2], a[3]);
    u[0] = _mm256_unpacklo_epi64(t0, t2);
    u[1] = _mm256_unpackhi_epi64(t0, t2);
    u[2] = _mm256_unpacklo_epi64(t1, t3);
    u[3] = _mm256_unpackhi_epi64(t1, t3);
}

/* Prefetch the k-th share of as much as a block of eight rows has. Prefetches run through the next eight rows
 * in the order of memory, not row by row: rows are short, and one line after the other suits pages and the
 * hardware's own streams. */
HL_INLINE void strip_prefetch(const strip8 *s, size_t k, size_t n_bytes) {
    const char *p = (const char *)s->prefetch + k * n_bytes;
    HL_UNROLL for (size_t i = 0; i < n_bytes; i += 64) _mm_prefetch(p + i, _MM_HINT_T1);
}

HL_INLINE void strip_advance(strip8 *s, size_t n_bytes) {
    s->at[0] += n_bytes;
    s->at[1] += n_bytes;
}

HL_INLINE __m256i mask8(__m256i v, int mask) { return _mm256_and_si256(v, _mm256_set1_epi8((char)mask)); }

/* Every byte shifted to the right (left where negative); the mask takes away what neighbours shift in. */
HL_INLINE __m256i move8(__m256i v, int right, int mask) {
    if (right > 0) v = _mm256_srli_epi16(v, right);
    if (right < 0) v = _mm256_slli_epi16(v, -right);
    return mask8(v, mask);
}

/* The f16 in the low halves of eight 32-bit lanes, as f32. */
HL_INLINE __m256 low_f16(__m256i v) {
    const __m256i low = _mm256_and_si256(v, _mm256_set1_epi32(0xFFFF));
    const __m256i both = _mm256_permute4x64_epi64(_mm256_packus_epi32(low, low), 0x08);
    return _mm256_cvtph_ps(_mm256_castsi256_si128(both));
}

/* 2^(e - 128); the two smallest are subnormal. */
HL_INLINE __m256 mxfp4_scale8(__m256i e) {
    const __m256i normal = _mm256_slli_epi32(_mm256_sub_epi32(e, _mm256_set1_epi32(1)), 23);
    const __m256i tiny = _mm256_sllv_epi32(_mm256_set1_epi32(0x200000), e);
    return _mm256_castsi256_ps(_mm256_blendv_epi8(normal, tiny, _mm256_cmpgt_epi32(_mm256_set1_epi32(2), e)));
}

/* Half of the e4m3 number in byte i (constant) of each lane: its bits as those of an f32 whose exponent is
 * 119 too small; where it has none, eighths of 2^-7, without a subnormal on the way, for which processors
 * stop. 0x7f is 0. */
HL_INLINE __m256 nvfp4_scale8(__m256i v, int i) {
    const __m256i byte = _mm256_and_si256(_mm256_srli_epi32(v, 8 * i), _mm256_set1_epi32(0xFF));
    const __m256i e = _mm256_and_si256(byte, _mm256_set1_epi32(0x7F));
    const __m256  none = _mm256_castsi256_ps(_mm256_cmpeq_epi32(byte, _mm256_set1_epi32(0x7F)));
    const __m256  small = _mm256_castsi256_ps(_mm256_cmpgt_epi32(_mm256_set1_epi32(8), e));
    const __m256i x = _mm256_slli_epi32(_mm256_add_epi32(e, _mm256_set1_epi32(119 << 3)), 20);
    const __m256  eighths = _mm256_mul_ps(_mm256_cvtepi32_ps(e), _mm256_set1_ps(0x1p-10f));
    return _mm256_andnot_ps(none, _mm256_blendv_ps(_mm256_castsi256_ps(x), eighths, small));
}

/* d, dmin and the two 6-bit numbers of all 8 groups of q4_k and q5_k: byte i % 4 of [i / 4]. */
typedef struct k_head8 {
    __m256  d, dmin;
    __m256i scale[2], min[2];
} k_head8;

HL_INLINE void k_head8_read(const strip8 *s, k_head8 *h) {
    __m256i u[4];
    strip_units(s, 0, u); /* d and dmin, then the 12 bytes of scales */
    h->d = low_f16(u[0]);
    h->dmin = low_f16(_mm256_srli_epi32(u[0], 16));
    h->scale[0] = mask8(u[1], 63);
    h->scale[1] = _mm256_or_si256(mask8(u[3], 15), move8(u[1], 2, 0x30));
    h->min[0] = mask8(u[2], 63);
    h->min[1] = _mm256_or_si256(move8(u[3], 4, 15), move8(u[2], 2, 0x30));
}

/* Byte i of every lane as f32, 2^24 times as large: where it stands at the top no sign need be spread. */
HL_INLINE __m256 top_byte_f32(__m256i v, int i) {
    const __m256i top =
        _mm256_and_si256(_mm256_slli_epi32(v, 24 - 8 * i), _mm256_set1_epi32((int)0xFF000000));
    return _mm256_cvtepi32_ps(top);
}

/* Scales of iq4_xs: lower bits of groups 0 2 4 6 and 1 3 5 7 in low and high nibbles, upper bits two by two
 * in the upper half of head. As bytes scale - 32 of even groups and of odd ones. */
HL_INLINE void iq4_xs_scales(__m256i head, __m256i low, __m256i *ret) {
    const __m256i twice = _mm256_setr_epi8(2, 2, 3, 3, 6, 6, 7, 7, 10, 10, 11, 11, 14, 14, 15, 15, 2, 2, 3, 3,
                                           6, 6, 7, 7, 10, 10, 11, 11, 14, 14, 15, 15);
    const __m256i high = _mm256_shuffle_epi8(head, twice);
    const __m256i first = _mm256_set1_epi16(0x0030), second = _mm256_set1_epi16(0x3000);
    const __m256i even =
        _mm256_or_si256(_mm256_and_si256(_mm256_slli_epi16(high, 4), first), _mm256_and_si256(high, second));
    const __m256i odd = _mm256_or_si256(_mm256_and_si256(_mm256_slli_epi16(high, 2), first),
                                        _mm256_and_si256(_mm256_srli_epi16(high, 2), second));
    ret[0] = _mm256_sub_epi8(_mm256_or_si256(mask8(low, 15), even), _mm256_set1_epi8(32));
    ret[1] = _mm256_sub_epi8(_mm256_or_si256(move8(low, 4, 15), odd), _mm256_set1_epi8(32));
}

#endif
