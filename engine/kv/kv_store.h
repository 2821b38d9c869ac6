/* SPDX-License-Identifier: MIT
 *
 * kv_store.h - where the bytes of the cache's blocks lie: memory of a device, reached by these calls alone.
 *
 * Who counts, shares, saves and frees blocks (kv_pages.h, prefix_tree.h, kv_disk.h) knows their numbers. What
 * a block looks like inside is the device's own affair: its passes write and read it
 * (engine/forward/device.h).
 */
#ifndef HL_ENGINE_KV_KV_STORE_H
#define HL_ENGINE_KV_KV_STORE_H

#include "engine/kernels/attend.h"
#include "hyperlama/base.h"

typedef struct hl_kv_layer {
    uint32_t n_kv_heads, head_dim; /* head_dim: a multiple of 8 */
    bool     keys_alone;           /* values are their first columns */
} hl_kv_layer;

/* Of blocks of positions; or of states, of which a sequence has one instead: then there are no layers. */
typedef struct hl_kv_shape {
    hl_kv_cache_type   type;
    uint32_t           n_layers, n_kv_heads, head_dim; /* the largest of all layers */
    const hl_kv_layer *layers;                         /* [n_layers]; NULL: all are alike */
    size_t             state_bytes;                    /* 0: these are blocks of positions */
} hl_kv_shape;

/* thread  blocks are told apart by who uses them: calls on different blocks may come at the same time as one
 *         another and as a pass, calls on one block never */
typedef struct hl_kv_ops {
    size_t (*block_bytes)(const hl_kv_shape *s); /* of 64 positions, or of a state */

    /* Room for n_blocks blocks; what they hold is undefined. The shape's layers are not kept.
     * fails  HL_E_NOMEM */
    hl_status (*create)(const hl_kv_shape *s, uint32_t n_blocks, void **ret_store, hl_err *err);
    void (*destroy)(void *store);

    /* A whole block. Passes that begin later see the copy; should it fail, they do. */
    void (*copy)(void *store, uint32_t from, uint32_t to);

    /* Bytes [at, at + n) of a block, to and from memory of the host. What was read may be written to a
     * block of the same shape on the same kind of device, in another run of the program too. fails
     * HL_E_IO  the device */
    hl_status (*read)(void *store, uint32_t block, size_t at, size_t n, void *to, hl_err *err);
    hl_status (*write)(void *store, uint32_t block, size_t at, size_t n, const void *from, hl_err *err);
} hl_kv_ops;

#endif
