/* SPDX-License-Identifier: MIT
 *
 * kv_host.h - blocks in the host's memory: one page for each layer and KV head, in that order.
 *
 * For the CPU's passes; all others go through kv_store.h.
 */
#ifndef HL_ENGINE_KV_KV_HOST_H
#define HL_ENGINE_KV_KV_HOST_H

#include "engine/kv/kv_store.h"

/* Where the pages of a layer lie in a block. */
typedef struct hl_kv_host_layer {
    size_t begin, page_bytes;
} hl_kv_host_layer;

typedef struct hl_kv_host {
    uint8_t          *data;        /* address space for all blocks, committed by first touch */
    size_t            block_bytes; /* a multiple of the system's page */
    size_t            total_bytes;
    hl_kv_host_layer *layers; /* [n_layers] */
} hl_kv_host;

extern const hl_kv_ops hl_kv_host_ops; /* its stores are hl_kv_host */

/* Keys and values of 64 positions, or keys alone, as kernels read them (engine/kernels/attend.h). */
static inline uint8_t *hl_kv_host_page(const hl_kv_host *h, uint32_t block, uint32_t i_layer,
                                       uint32_t i_kv_head) {
    const hl_kv_host_layer *l = &h->layers[i_layer];
    return h->data + block * h->block_bytes + l->begin + i_kv_head * l->page_bytes;
}

/* A state, where the blocks are states. */
static inline uint8_t *hl_kv_host_state(const hl_kv_host *h, uint32_t state) {
    return h->data + state * h->block_bytes;
}

#endif
