/* SPDX-License-Identifier: MIT
 *
 * kv_write_scalar.c - the definition of how a key and a value are stored (layouts: attend.h).
 *
 * q8_0: per group of 32 columns (the last may be shorter) d = f16(max|x| / 127), at most the largest f16;
 * code = x * (1 / d) clamped to -127..127 and rounded to nearest even, with the d that is stored, so that
 * the rounding of d costs no accuracy.
 */
#include "engine/kernels/clamp.h"
#include "engine/kernels/kernel_list.h"

static void quantize_row(size_t head_dim, const float *x, int8_t *ret_codes, uint16_t *ret_d) {
    for (size_t c0 = 0; c0 < head_dim; c0 += 32) {
        size_t n = head_dim - c0 < 32 ? head_dim - c0 : 32;
        float  amax = 0.0f;
        for (size_t c = 0; c < n; c++) {
            float a = fabsf(hl_clamp_finite(x[c0 + c], HL_F32_MAX));
            amax = a > amax ? a : amax;
        }
        uint16_t half = hl_f16_of_f32(hl_clamp_finite(amax / 127.0f, HL_F16_MAX));
        float    d = hl_f32_of_f16(half), inv = d > 0.0f ? 1.0f / d : 0.0f;
        ret_d[c0 / 32] = half;
        for (size_t c = 0; c < n; c++) {
            float y = hl_clamp_finite(x[c0 + c], HL_F32_MAX) * inv;
            ret_codes[c0 + c] = (int8_t)hl_round_to_int(hl_clamp_finite(y, 127.0f));
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
    for (size_t c = 0; c < head_dim; c++)
        page[(c / 4 * HL_KV_PAGE_TOKENS + slot) * 4 + c % 4] = (uint8_t)(codes[c] + 128);
    for (size_t g = 0; g < n_groups; g++) k_d[g * HL_KV_PAGE_TOKENS + slot] = d[g];
    if (v) quantize_row(head_dim, v, (int8_t *)page + v_offset + slot * head_dim, v_d + slot * n_groups);
}

static void write_f32(size_t head_dim, size_t slot, const float *k, const float *v, float *page) {
    float *row = page + (HL_KV_PAGE_TOKENS + slot) * head_dim;
    for (size_t c = 0; c < head_dim; c++)
        page[c * HL_KV_PAGE_TOKENS + slot] = hl_clamp_finite(k[c], HL_F32_MAX);
    for (size_t c = 0; v && c < head_dim; c++) row[c] = hl_clamp_finite(v[c], HL_F32_MAX);
}

static uint16_t to_16(hl_kv_cache_type type, float x) {
    return type == HL_KV_CACHE_F16 ? hl_f16_of_f32(hl_clamp_finite(x, HL_F16_MAX))
                                   : hl_bf16_of_f32(hl_clamp_finite(x, HL_BF16_MAX));
}

static void write_16(hl_kv_cache_type type, size_t head_dim, size_t slot, const float *k, const float *v,
                     uint16_t *page) {
    uint16_t *row = page + (HL_KV_PAGE_TOKENS + slot) * head_dim;
    for (size_t c = 0; c < head_dim; c++) page[c * HL_KV_PAGE_TOKENS + slot] = to_16(type, k[c]);
    for (size_t c = 0; v && c < head_dim; c++) row[c] = to_16(type, v[c]);
}

void hl_kv_write_scalar(hl_kv_cache_type type, size_t head_dim, size_t slot, const float *k, const float *v,
                        uint8_t *page) {
    if (type == HL_KV_CACHE_Q8_0)
        write_q8_0(head_dim, slot, k, v, page);
    else if (type == HL_KV_CACHE_F32)
        write_f32(head_dim, slot, k, v, (float *)(void *)page);
    else
        write_16(type, head_dim, slot, k, v, (uint16_t *)(void *)page);
}
