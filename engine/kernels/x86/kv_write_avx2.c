/* SPDX-License-Identifier: MIT
 *
 * kv_write_avx2.c - store a key and a value, converted 8 columns at a time; the key's are then scattered.
 */
#include "engine/kernels/clamp.h"
#include "engine/kernels/kernel_list.h"
#include "engine/kernels/x86/exp_x86.h"

/* min and max return their second operand when one is NaN, so that NaN becomes the largest number. */
HL_INLINE __m256 load_clamped(const float *x, float max) {
    return _mm256_max_ps(_mm256_min_ps(_mm256_loadu_ps(x), _mm256_set1_ps(max)), _mm256_set1_ps(-max));
}

HL_INLINE __m128i to_f16(const float *x) { return _mm256_cvtps_ph(load_clamped(x, HL_F16_MAX), 0); }

HL_INLINE __m128i to_bf16(const float *x) {
    __m256i u = _mm256_castps_si256(load_clamped(x, HL_BF16_MAX));
    __m256i odd = _mm256_and_si256(_mm256_srli_epi32(u, 16), _mm256_set1_epi32(1));
    u = _mm256_srli_epi32(_mm256_add_epi32(_mm256_add_epi32(u, _mm256_set1_epi32(0x7fff)), odd), 16);
    return _mm_packus_epi32(_mm256_castsi256_si128(u), _mm256_extracti128_si256(u, 1));
}

HL_INLINE void write_16(bool bf16, size_t head_dim, size_t slot, const float *k, const float *v,
                        uint16_t *page) {
    uint16_t *row = page + (HL_KV_PAGE_TOKENS + slot) * head_dim;
    for (size_t c = 0; c < head_dim; c += 8) {
        uint16_t key[8];
        _mm_storeu_si128((__m128i *)(void *)key, bf16 ? to_bf16(k + c) : to_f16(k + c));
        if (v) _mm_storeu_si128((__m128i *)(void *)(row + c), bf16 ? to_bf16(v + c) : to_f16(v + c));
        HL_UNROLL for (size_t i = 0; i < 8; i++) page[(c + i) * HL_KV_PAGE_TOKENS + slot] = key[i];
    }
}

static void write_f32(size_t head_dim, size_t slot, const float *k, const float *v, float *page) {
    float *row = page + (HL_KV_PAGE_TOKENS + slot) * head_dim;
    for (size_t c = 0; c < head_dim; c += 8) {
        float key[8];
        _mm256_storeu_ps(key, load_clamped(k + c, HL_F32_MAX));
        if (v) _mm256_storeu_ps(row + c, load_clamped(v + c, HL_F32_MAX));
        HL_UNROLL for (size_t i = 0; i < 8; i++) page[(c + i) * HL_KV_PAGE_TOKENS + slot] = key[i];
    }
}

/* Codes and scales of a row; room for a multiple of 8 codes. */
static void quantize_row(size_t head_dim, const float *x, int8_t *ret_codes, uint16_t *ret_d) {
    const __m256 sign = _mm256_set1_ps(-0.0f), one_two_seven = _mm256_set1_ps(127.0f);
    for (size_t c0 = 0; c0 < head_dim; c0 += 32) {
        size_t n = head_dim - c0 < 32 ? head_dim - c0 : 32;
        __m256 amax8 = _mm256_setzero_ps();
        for (size_t c = 0; c < n; c += 8)
            amax8 = _mm256_max_ps(amax8, _mm256_andnot_ps(sign, load_clamped(x + c0 + c, HL_F32_MAX)));
        float    amax = max_lanes_8(amax8) / 127.0f;
        uint16_t half = _cvtss_sh(amax < HL_F16_MAX ? amax : HL_F16_MAX, 0);
        float    d = _cvtsh_ss(half);
        __m256   inv = _mm256_set1_ps(d > 0.0f ? 1.0f / d : 0.0f);
        ret_d[c0 / 32] = half;
        for (size_t c = 0; c < n; c += 8) {
            __m256 y = _mm256_mul_ps(load_clamped(x + c0 + c, HL_F32_MAX), inv);
            y = _mm256_max_ps(_mm256_min_ps(y, one_two_seven),
                              _mm256_sub_ps(_mm256_setzero_ps(), one_two_seven));
            __m256i i = _mm256_cvtps_epi32(y);
            __m128i w = _mm_packs_epi32(_mm256_castsi256_si128(i), _mm256_extracti128_si256(i, 1));
            _mm_storel_epi64((__m128i *)(void *)(ret_codes + c0 + c), _mm_packs_epi16(w, w));
        }
    }
}

static void write_q8_0(size_t head_dim, size_t slot, const float *k, const float *v, uint8_t *page) {
    int8_t    codes[HL_ATTEND_MAX_HEAD_DIM];
    uint16_t  d[HL_ATTEND_MAX_HEAD_DIM / 32];
    size_t    n_groups = hl_kv_n_groups(head_dim), v_offset = hl_kv_page_v_offset(HL_KV_CACHE_Q8_0, head_dim);
    uint16_t *k_d = (uint16_t *)(void *)(page + HL_KV_PAGE_TOKENS * head_dim);
    uint16_t *v_d = (uint16_t *)(void *)(page + v_offset + HL_KV_PAGE_TOKENS * head_dim);
    quantize_row(head_dim, k, codes, d);
    for (size_t c = 0; c < head_dim; c += 4) {
        uint32_t four;
        memcpy(&four, codes + c, 4);
        four ^= 0x80808080u; /* code + 128 */
        memcpy(page + (c / 4 * HL_KV_PAGE_TOKENS + slot) * 4, &four, 4);
    }
    for (size_t g = 0; g < n_groups; g++) k_d[g * HL_KV_PAGE_TOKENS + slot] = d[g];
    if (v) quantize_row(head_dim, v, (int8_t *)page + v_offset + slot * head_dim, v_d + slot * n_groups);
}

void hl_kv_write_avx2(hl_kv_cache_type type, size_t head_dim, size_t slot, const float *k, const float *v,
                      uint8_t *page) {
    switch (type) {
    case HL_KV_CACHE_F16: write_16(false, head_dim, slot, k, v, (uint16_t *)(void *)page); break;
    case HL_KV_CACHE_BF16: write_16(true, head_dim, slot, k, v, (uint16_t *)(void *)page); break;
    case HL_KV_CACHE_F32: write_f32(head_dim, slot, k, v, (float *)(void *)page); break;
    default: write_q8_0(head_dim, slot, k, v, page); break;
    }
}
