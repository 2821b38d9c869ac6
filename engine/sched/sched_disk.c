/* SPDX-License-Identifier: MIT
 *
 * sched_disk.c - prompts that were read in another run of the program: blocks go to files when an answer
 * ends, and come back when a prompt begins with their tokens.
 */
#include "engine/sched/sched_priv.h"

enum {
    MIN_SAVED_BLOCKS = 4,  /* a shorter prefix is read again sooner than kept */
    RESTORED_PER_STEP = 16 /* while others generate: a millisecond or less each */
};

static hl_kv_key key_of(hl_sched *s, hl_prefix_node *n) {
    uint64_t *w = hl_prefix_node_name(n);
    if (w[0] == 0 && w[1] == 0) {
        hl_prefix_node *parent = hl_prefix_node_parent(n);
        uint32_t        n_tokens;
        hl_kv_key       k;
        if (parent)
            k = hl_kv_disk_key(s->disk, key_of(s, parent), hl_prefix_node_keys(n, &n_tokens));
        else
            k = hl_kv_disk_root(s->disk);
        w[0] = k.w[0];
        w[1] = k.w[1];
    }
    return (hl_kv_key){{w[0], w[1]}};
}

/* Queue a node's block behind those above it: a block without the ones before it is never found. What was
 * saved may have left for others since. False: not all of them are saved; the next answer that ends goes
 * on. */
static bool save_path(hl_sched *s, hl_prefix_node *n) {
    hl_prefix_node *parent = hl_prefix_node_parent(n);
    uint32_t        n_tokens;
    if (!parent || (hl_prefix_node_is_saved(n) && hl_kv_disk_will_have(s->disk, key_of(s, n)))) return true;
    if (!save_path(s, parent)) return false;
    const hl_prefix_key *keys = hl_prefix_node_keys(n, &n_tokens);
    const uint32_t       block = hl_prefix_node_block(n);
    if (!hl_kv_disk_save(s->disk, key_of(s, n), key_of(s, parent), keys, block)) return false;
    hl_kv_block_ref(s->pool, block); /* until it is written */
    hl_prefix_node_set_saved(n);
    return true;
}

void hl_sched_save(hl_sched *s, hl_stream *st) {
    if (s->disk && st->n_cached >= MIN_SAVED_BLOCKS) (void)save_path(s, st->node);
}

void hl_sched_take_saved(hl_sched *s) {
    uint32_t block;
    if (!s->disk) return;
    while (hl_kv_disk_take_done(s->disk, &block)) hl_kv_block_unref(s->pool, block);
}

/* The next whole block of the prompt from its file. */
static bool restore_block(hl_sched *s, hl_stream *st) {
    enum { BLOCK = HL_KV_PAGE_TOKENS };
    const int32_t        begin = (int32_t)(st->n_cached * BLOCK);
    const hl_prefix_key *keys = st->keys + begin;
    const hl_kv_key      parent = key_of(s, st->node);
    const hl_kv_key      key = hl_kv_disk_key(s->disk, parent, keys);
    if (!hl_kv_disk_has(s->disk, key)) return false;
    if (!hl_kv_disk_load(s->disk, key, parent, keys, st->seq.blocks[st->n_cached])) {
        st->seq.n_pos = begin; /* what was in the block is spoilt */
        return false;
    }
    st->seq.n_pos = begin + BLOCK;
    hl_prefix_node *n = hl_prefix_tree_add(s->tree, st->node, keys, BLOCK, &st->seq, st->n_cached);
    if (!n) return false;
    st->node = n;
    st->n_cached++;
    hl_prefix_node_set_saved(n);
    return true;
}

bool hl_sched_restore(hl_sched *s, hl_stream *st, bool others_generate) {
    enum { BLOCK = HL_KV_PAGE_TOKENS };
    if (!s->disk || hl_stream_tells(st) || st->seq.n_pos >= (int32_t)((st->n_cached + 1) * BLOCK))
        return false;
    const int32_t before = st->seq.n_pos;
    uint32_t      n = 0;
    while ((st->n_cached + 1) * BLOCK < st->n_ids && st->n_cached < st->seq.n_blocks) {
        if (others_generate && n == RESTORED_PER_STEP) break;
        if (!restore_block(s, st)) break;
        n++;
    }
    hl_stream_count_cached(st, st->seq.n_pos - before);
    return others_generate && n == RESTORED_PER_STEP;
}

void hl_sched_each_saved(const char *cache_dir, hl_sched_saved_fn *fn, void *user) {
    hl_kv_disk_each(cache_dir, fn, user);
}

uint64_t hl_sched_remove_saved(const char *cache_dir, const char *cache_key) {
    return hl_kv_disk_remove(cache_dir, cache_key);
}
