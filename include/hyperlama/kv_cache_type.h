/* SPDX-License-Identifier: MIT
 *
 * kv_cache_type.h - how keys and values are kept: one type, from settings down to the kernels.
 */
#ifndef HL_KV_CACHE_TYPE_H
#define HL_KV_CACHE_TYPE_H

typedef enum hl_kv_cache_type {
    HL_KV_CACHE_F16,
    HL_KV_CACHE_F32,
    HL_KV_CACHE_BF16,
    HL_KV_CACHE_Q8_0
} hl_kv_cache_type;

enum { HL_N_KV_CACHE_TYPES = HL_KV_CACHE_Q8_0 + 1 };

#endif
