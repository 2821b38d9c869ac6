/* SPDX-License-Identifier: MIT
 *
 * kv_pages.h - the key/value cache: blocks of 64 positions, reference counted, shared by sequences.
 *
 * A block holds 64 positions of all layers and KV heads, in memory of a device (kv_store.h). Address space
 * for all blocks is reserved at once. Reference counts let sequences share the blocks of a common prefix; a
 * block that is shared is never written.
 */
#ifndef HL_ENGINE_KV_KV_PAGES_H
#define HL_ENGINE_KV_KV_PAGES_H

#include "engine/kv/kv_store.h"

typedef struct hl_kv_pool hl_kv_pool;

#define HL_NO_STATE UINT32_MAX

/* in     ops  of the device whose passes will use it
 *        s    its layers are not kept
 * fails  HL_E_NOMEM  address space or tables; the blocks themselves are taken on first use */
HL_MUST_CHECK hl_status hl_kv_pool_new(const hl_kv_ops *ops, const hl_kv_shape *s, uint32_t n_blocks,
                                       hl_kv_pool **ret_pool, hl_err *err);
void                    hl_kv_pool_free(hl_kv_pool *p); /* NULL is allowed */

/* Take a free block with one reference; false when all are in use. */
HL_MUST_CHECK bool hl_kv_block_get(hl_kv_pool *p, uint32_t *ret_block);
void               hl_kv_block_ref(hl_kv_pool *p, uint32_t block);
void               hl_kv_block_unref(hl_kv_pool *p, uint32_t block); /* the last one frees it */
uint32_t           hl_kv_block_refs(const hl_kv_pool *p, uint32_t block);
uint32_t           hl_kv_pool_n_free(const hl_kv_pool *p);
uint32_t           hl_kv_pool_n_blocks(const hl_kv_pool *p);
const hl_kv_shape *hl_kv_pool_shape(const hl_kv_pool *p); /* its layers are NULL */
size_t             hl_kv_pool_block_bytes(const hl_kv_pool *p);

/* States of recurrent layers: what a sequence has instead of keys and values of each position. They are a
 * pool of their own whose blocks are whole states, counted, copied and saved as those of positions are.
 * in    states  the pool's from now on; NULL: there are none */
void        hl_kv_pool_set_states(hl_kv_pool *p, hl_kv_pool *states);
hl_kv_pool *hl_kv_pool_states(const hl_kv_pool *p); /* NULL: the model has no recurrent layers */

void *hl_kv_pool_store(const hl_kv_pool *p); /* for the device's passes alone */

/* See hl_kv_ops. */
void                    hl_kv_block_copy(hl_kv_pool *p, uint32_t from, uint32_t to);
HL_MUST_CHECK hl_status hl_kv_block_read(const hl_kv_pool *p, uint32_t block, size_t at, size_t n, void *to,
                                         hl_err *err);
HL_MUST_CHECK hl_status hl_kv_block_write(hl_kv_pool *p, uint32_t block, size_t at, size_t n,
                                          const void *from, hl_err *err);

/* One sequence's positions: block i holds positions 64 i .. 64 i + 63. */
typedef struct hl_seq {
    hl_kv_pool    *pool;
    uint32_t      *blocks; /* [blocks_cap] */
    uint32_t       n_blocks;
    uint32_t       blocks_cap;
    int32_t        n_pos;             /* positions that hold keys and values */
    uint32_t       state;             /* behind n_pos positions, of the pool's states; HL_NO_STATE: none */
    struct hl_seq *forks, *next_fork; /* that share positions which the coming pass writes */
    /* Adapters that its rows are computed with (engine/lora.h), all of them with the same ones; forks have
     * those of what they are forks of. NULL: none */
    const struct hl_lora_mix *lora;
} hl_seq;

HL_MUST_CHECK hl_status hl_seq_init(hl_seq *s, hl_kv_pool *pool, int32_t n_ctx, hl_err *err);
void                    hl_seq_done(hl_seq *s);
/* Have blocks for positions [0, n_pos); false when the pool has no more (what was there stays). */
HL_MUST_CHECK bool hl_seq_reserve(hl_seq *s, int32_t n_pos);
/* Forget positions from n_pos on; blocks that become empty go back. So does the state, unless n_pos says what
 * the sequence has: one from further ahead is of no use. */
void hl_seq_truncate(hl_seq *s, int32_t n_pos);
/* Have the state behind n_pos positions instead of the one it has. HL_NO_STATE: none.
 * in    state  with a reference, which is the sequence's from now on */
void hl_seq_set_state(hl_seq *s, uint32_t state);

/* Another continuation of `s`, for one pass: whole blocks are shared, the start of one more is copied, and
 * what the pass writes for `s` below n_pos is written for the fork too (engine/forward/attention.c). So
 * attention needs no mask.
 *
 * in     fork   without blocks, of the same pool and as long as s; in no other list of forks
 *        n_pos  positions that both have: those of s, and further ones that are rows of s in the pass; s has
 *               their blocks
 * out    false: no free block; nothing is held
 * after  hl_seq_join() for every s that was forked */
HL_MUST_CHECK bool hl_seq_fork(hl_seq *s, hl_seq *fork, int32_t n_pos);
/* End all forks of `s`; the one that is kept (NULL: none) changes blocks with it. Its n_pos is the caller's
 * to set. */
void hl_seq_join(hl_seq *s, hl_seq *kept);

#endif
