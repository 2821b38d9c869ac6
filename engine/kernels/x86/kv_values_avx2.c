/* SPDX-License-Identifier: MIT
 *
 * kv_values_avx2.c - values that are the first columns of keys: squares of 8 columns and 8 positions are
 * turned in registers.
 */
#include "engine/kernels/kernel_list.h"
#include "engine/kernels/x86/exp_x86.h"

enum { PAGE = HL_KV_PAGE_TOKENS };

/* 8 rows of 8 half words, `from` PAGE apart, become columns. */
HL_INLINE void turn_16(const uint16_t *from, size_t to_stride, uint16_t *to) {
    __m128i a[8], b[8];
    HL_UNROLL for (size_t i = 0; i < 8; i++) a[i] =
        _mm_loadu_si128((const __m128i *)(const void *)(from + i * PAGE));
    HL_UNROLL for (size_t i = 0; i < 8; i += 2) {
        b[i] = _mm_unpacklo_epi16(a[i], a[i + 1]);
        b[i + 1] = _mm_unpackhi_epi16(a[i], a[i + 1]);
    }
    HL_UNROLL for (size_t i = 0; i < 8; i += 4) {
        a[i] = _mm_unpacklo_epi32(b[i], b[i + 2]);
        a[i + 1] = _mm_unpackhi_epi32(b[i], b[i + 2]);
        a[i + 2] = _mm_unpacklo_epi32(b[i + 1], b[i + 3]);
        a[i + 3] = _mm_unpackhi_epi32(b[i + 1], b[i + 3]);
    }
    HL_UNROLL for (size_t i = 0; i < 4; i++) {
        _mm_storeu_si128((__m128i *)(void *)(to + 2 * i * to_stride), _mm_unpacklo_epi64(a[i], a[i + 4]));
        _mm_storeu_si128((__m128i *)(void *)(to + (2 * i + 1) * to_stride),
                         _mm_unpackhi_epi64(a[i], a[i + 4]));
    }
}

/* The same of words. */
HL_INLINE void turn_32(const uint32_t *from, size_t from_stride, __m256i sign, size_t to_stride,
                       uint32_t *to) {
    __m256i a[8], b[8];
    HL_UNROLL for (size_t i = 0; i < 8; i++) a[i] =
        _mm256_xor_si256(_mm256_loadu_si256((const __m256i *)(const void *)(from + i * from_stride)), sign);
    HL_UNROLL for (size_t i = 0; i < 8; i += 2) {
        b[i] = _mm256_unpacklo_epi32(a[i], a[i + 1]);
        b[i + 1] = _mm256_unpackhi_epi32(a[i], a[i + 1]);
    }
    HL_UNROLL for (size_t i = 0; i < 8; i += 4) {
        a[i] = _mm256_unpacklo_epi64(b[i], b[i + 2]);
        a[i + 1] = _mm256_unpackhi_epi64(b[i], b[i + 2]);
        a[i + 2] = _mm256_unpacklo_epi64(b[i + 1], b[i + 3]);
        a[i + 3] = _mm256_unpackhi_epi64(b[i + 1], b[i + 3]);
    }
    HL_UNROLL for (size_t i = 0; i < 4; i++) {
        _mm256_storeu_si256((__m256i *)(void *)(to + i * to_stride),
                            _mm256_permute2x128_si256(a[i], a[i + 4], 0x20));
        _mm256_storeu_si256((__m256i *)(void *)(to + (i + 4) * to_stride),
                            _mm256_permute2x128_si256(a[i], a[i + 4], 0x31));
    }
}

static void values_16(size_t head_dim, size_t n_cols, const uint16_t *page, uint16_t *ret) {
    for (size_t c = 0; c < n_cols; c += 8)
        for (size_t slot = 0; slot < PAGE; slot += 8)
            turn_16(page + c * PAGE + slot, head_dim, ret + slot * head_dim + c);
}

static void values_f32(size_t head_dim, size_t n_cols, const uint32_t *page, uint32_t *ret) {
    for (size_t c = 0; c < n_cols; c += 8)
        for (size_t slot = 0; slot < PAGE; slot += 8)
            turn_32(page + c * PAGE + slot, PAGE, _mm256_setzero_si256(), head_dim,
                    ret + slot * head_dim + c);
}

/* Four codes stand together in a key, too: they are turned as words. 8 words at a time, then what is left. */
static void values_q8_0(size_t head_dim, size_t n_cols, const uint8_t *page, uint8_t *ret) {
    const uint32_t *fours = (const uint32_t *)(const void *)page;
    const size_t    n_groups = hl_kv_n_groups(head_dim), n_fours = n_cols / 4;
    const uint16_t *k_d = (const uint16_t *)(const void *)(page + PAGE * head_dim);
    uint16_t       *v_d = (uint16_t *)(void *)(ret + PAGE * head_dim);
    uint32_t       *to = (uint32_t *)(void *)ret;
    size_t          c = 0;
    for (; c + 8 <= n_fours; c += 8)
        for (size_t slot = 0; slot < PAGE; slot += 8)
            turn_32(fours + c * PAGE + slot, PAGE, _mm256_set1_epi8((char)0x80), head_dim / 4,
                    to + slot * (head_dim / 4) + c);
    for (; c < n_fours; c++)
        for (size_t slot = 0; slot < PAGE; slot++)
            to[slot * (head_dim / 4) + c] = fours[c * PAGE + slot] ^ 0x80808080u;
    for (size_t g = 0; g < hl_kv_n_groups(n_cols); g++)
        for (size_t slot = 0; slot < PAGE; slot++) v_d[slot * n_groups + g] = k_d[g * PAGE + slot];
}

void hl_kv_values_avx2(hl_kv_cache_type type, size_t head_dim, size_t n_cols, const uint8_t *page,
                       uint8_t *ret_values) {
    switch (type) {
    case HL_KV_CACHE_F32:
        values_f32(head_dim, n_cols, (const uint32_t *)(const void *)page, (uint32_t *)(void *)ret_values);
        break;
    case HL_KV_CACHE_Q8_0: values_q8_0(head_dim, n_cols, page, ret_values); break;
    default:
        values_16(head_dim, n_cols, (const uint16_t *)(const void *)page, (uint16_t *)(void *)ret_values);
    }
}
