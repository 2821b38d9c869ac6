/* SPDX-License-Identifier: MIT
 *
 * kv_pages.c - a stack of free blocks, a count per block.
 */
#include "engine/kv/kv_pages.h"

#include <assert.h>

#include "core/base/mem.h"

struct hl_kv_pool {
    const hl_kv_ops *ops;
    void            *store; /* the device's */
    hl_kv_shape      shape; /* without layers */
    size_t           block_bytes;
    uint32_t         n_blocks;
    uint32_t         n_free;
    uint32_t        *free_stack; /* [n_blocks]; the top is free_stack[n_free - 1] */
    uint32_t        *refs;       /* [n_blocks] */
    hl_kv_pool      *states;     /* NULL: none */
};

hl_status hl_kv_pool_new(const hl_kv_ops *ops, const hl_kv_shape *s, uint32_t n_blocks, hl_kv_pool **ret_pool,
                         hl_err *err) {
    hl_kv_pool *p = hl_new(1, sizeof *p);
    if (!p) return hl_fail(err, HL_E_NOMEM, "key/value cache: no memory");
    p->ops = ops;
    p->shape = *s;
    p->shape.layers = NULL;
    p->block_bytes = ops->block_bytes(s);
    p->n_blocks = p->n_free = n_blocks;
    p->free_stack = hl_new(n_blocks, sizeof *p->free_stack);
    p->refs = hl_new(n_blocks, sizeof *p->refs);
    hl_status status = HL_OK;
    if (!p->free_stack || !p->refs)
        status = hl_fail(err, HL_E_NOMEM, "key/value cache: no memory for %u numbers of blocks", n_blocks);
    if (status == HL_OK) status = ops->create(s, n_blocks, &p->store, err);
    if (status != HL_OK) {
        hl_kv_pool_free(p);
        return status;
    }
    for (uint32_t i = 0; i < n_blocks; i++) p->free_stack[i] = n_blocks - 1 - i;
    *ret_pool = p;
    return HL_OK;
}

void hl_kv_pool_free(hl_kv_pool *p) {
    if (!p) return;
    hl_kv_pool_free(p->states);
    if (p->store) p->ops->destroy(p->store);
    hl_free(p->free_stack);
    hl_free(p->refs);
    hl_free(p);
}

bool hl_kv_block_get(hl_kv_pool *p, uint32_t *ret_block) {
    if (p->n_free == 0) return false;
    const uint32_t block = p->free_stack[--p->n_free];
    assert(p->refs[block] == 0);
    p->refs[block] = 1;
    *ret_block = block;
    return true;
}

void hl_kv_block_ref(hl_kv_pool *p, uint32_t block) {
    assert(p->refs[block] > 0);
    p->refs[block]++;
}

void hl_kv_block_unref(hl_kv_pool *p, uint32_t block) {
    assert(p->refs[block] > 0);
    if (--p->refs[block] == 0) p->free_stack[p->n_free++] = block;
}

uint32_t           hl_kv_block_refs(const hl_kv_pool *p, uint32_t block) { return p->refs[block]; }
uint32_t           hl_kv_pool_n_free(const hl_kv_pool *p) { return p->n_free; }
uint32_t           hl_kv_pool_n_blocks(const hl_kv_pool *p) { return p->n_blocks; }
const hl_kv_shape *hl_kv_pool_shape(const hl_kv_pool *p) { return &p->shape; }
size_t             hl_kv_pool_block_bytes(const hl_kv_pool *p) { return p->block_bytes; }

void        hl_kv_pool_set_states(hl_kv_pool *p, hl_kv_pool *states) { p->states = states; }
hl_kv_pool *hl_kv_pool_states(const hl_kv_pool *p) { return p->states; }

void *hl_kv_pool_store(const hl_kv_pool *p) { return p->store; }

void hl_kv_block_copy(hl_kv_pool *p, uint32_t from, uint32_t to) { p->ops->copy(p->store, from, to); }

hl_status hl_kv_block_read(const hl_kv_pool *p, uint32_t block, size_t at, size_t n, void *to, hl_err *err) {
    assert(at + n <= p->block_bytes);
    return p->ops->read(p->store, block, at, n, to, err);
}

hl_status hl_kv_block_write(hl_kv_pool *p, uint32_t block, size_t at, size_t n, const void *from,
                            hl_err *err) {
    assert(at + n <= p->block_bytes && p->refs[block] > 0);
    return p->ops->write(p->store, block, at, n, from, err);
}

static uint32_t blocks_for(int32_t n_pos) {
    return ((uint32_t)n_pos + HL_KV_PAGE_TOKENS - 1) / HL_KV_PAGE_TOKENS;
}

hl_status hl_seq_init(hl_seq *s, hl_kv_pool *pool, int32_t n_ctx, hl_err *err) {
    const uint32_t cap = blocks_for(n_ctx);
    *s = (hl_seq){.pool = pool, .blocks_cap = cap, .state = HL_NO_STATE};
    s->blocks = hl_new(cap, sizeof *s->blocks);
    return s->blocks ? HL_OK : hl_fail(err, HL_E_NOMEM, "sequence: no memory for %u block numbers", cap);
}

void hl_seq_done(hl_seq *s) {
    assert(!s->forks);
    if (s->blocks) hl_seq_truncate(s, 0);
    hl_free(s->blocks);
    *s = (hl_seq){0};
}

bool hl_seq_reserve(hl_seq *s, int32_t n_pos) {
    const uint32_t need = blocks_for(n_pos);
    if (need > s->blocks_cap) return false;
    while (s->n_blocks < need) {
        if (!hl_kv_block_get(s->pool, &s->blocks[s->n_blocks])) return false;
        s->n_blocks++;
    }
    return true;
}

void hl_seq_set_state(hl_seq *s, uint32_t state) {
    if (s->state != HL_NO_STATE && s->pool->states) hl_kv_block_unref(s->pool->states, s->state);
    s->state = state;
}

void hl_seq_truncate(hl_seq *s, int32_t n_pos) {
    if (n_pos < s->n_pos || n_pos == 0) hl_seq_set_state(s, HL_NO_STATE);
    if (n_pos < s->n_pos) s->n_pos = n_pos;
    const uint32_t keep = blocks_for(s->n_pos);
    while (s->n_blocks > keep) hl_kv_block_unref(s->pool, s->blocks[--s->n_blocks]);
}

bool hl_seq_fork(hl_seq *s, hl_seq *fork, int32_t n_pos) {
    const uint32_t whole = (uint32_t)n_pos / HL_KV_PAGE_TOKENS;
    assert(fork->n_blocks == 0 && fork->pool == s->pool && fork->blocks_cap == s->blocks_cap &&
           s->n_blocks >= blocks_for(n_pos));
    if (n_pos % HL_KV_PAGE_TOKENS != 0) {
        if (!hl_kv_block_get(s->pool, &fork->blocks[whole])) return false;
        if (s->n_pos > (int32_t)(whole * HL_KV_PAGE_TOKENS)) /* else nothing is computed there yet */
            hl_kv_block_copy(s->pool, s->blocks[whole], fork->blocks[whole]);
    }
    for (uint32_t i = 0; i < whole; i++) {
        hl_kv_block_ref(s->pool, s->blocks[i]);
        fork->blocks[i] = s->blocks[i];
    }
    fork->n_blocks = blocks_for(n_pos);
    fork->n_pos = n_pos;
    fork->lora = s->lora;
    fork->next_fork = s->forks;
    s->forks = fork;
    return true;
}

void hl_seq_join(hl_seq *s, hl_seq *kept) {
    if (kept) {
        uint32_t *const blocks = s->blocks;
        const uint32_t  n_blocks = s->n_blocks;
        s->blocks = kept->blocks;
        s->n_blocks = kept->n_blocks;
        kept->blocks = blocks;
        kept->n_blocks = n_blocks;
    }
    while (s->forks) {
        hl_seq *fork = s->forks;
        s->forks = fork->next_fork;
        fork->next_fork = NULL;
        hl_seq_truncate(fork, 0);
    }
}
