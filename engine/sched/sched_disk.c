/* SPDX-License-Identifier: MIT
 *
 * sched_disk.c - prompts that were read in another run of the program: blocks go to files when an answer
 * ends, and come back when a prompt begins with their tokens.
 *
 * Where layers are recurrent, a prompt goes on from a state alone: so what comes back are blocks up to the
 * last one with a state in a file, all or none of them. States are large, and of a conversation that goes on
 * the newest are wanted: older ones leave, but for the first ones where texts part, such as the end of what
 * many conversations begin with.
 */
#include "engine/sched/sched_priv.h"

enum {
    BLOCK = HL_KV_PAGE_TOKENS,
    MIN_SAVED_BLOCKS = 4,   /* a shorter prefix is read again sooner than kept */
    RESTORED_PER_STEP = 16, /* while others generate: a millisecond or less each */
    NEWEST_STATES = 4,      /* of a text: where its last two answers ended, and their prompts */
    FIRST_PARTINGS = 2
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

/* ---- save ---- */

static bool queue(hl_sched *s, hl_prefix_node *n, hl_kv_kind kind, uint32_t block) {
    uint32_t             n_tokens;
    const hl_prefix_key *keys = hl_prefix_node_keys(n, &n_tokens);
    if (!hl_kv_disk_save(s->disk, kind, key_of(s, n), key_of(s, hl_prefix_node_parent(n)), keys, block))
        return false;
    hl_kv_block_ref(kind == HL_KV_STATE ? s->state_pool : s->pool, block); /* until it is written */
    return true;
}

/* Queue a node's block behind those above it: a block without the ones before it is never found. What was
 * saved may have left for others since. False: not all of them are saved; the next answer that ends goes
 * on. */
static bool save_path(hl_sched *s, hl_prefix_node *n) {
    hl_prefix_node *parent = hl_prefix_node_parent(n);
    if (!parent || (hl_prefix_node_is_saved(n) && hl_kv_disk_will_have(s->disk, HL_KV_BLOCK, key_of(s, n))))
        return true;
    if (!save_path(s, parent) || !queue(s, n, HL_KV_BLOCK, hl_prefix_node_block(n))) return false;
    hl_prefix_node_set_saved(n);
    return true;
}

/* True: it is there, or will be. */
static bool save_state(hl_sched *s, hl_prefix_node *n, uint32_t state) {
    if (hl_prefix_node_is_state_saved(n) && hl_kv_disk_will_have(s->disk, HL_KV_STATE, key_of(s, n)))
        return true;
    const bool is_queued =
        state != HL_NO_STATE && s->n_saving_states < s->n_saving_most && queue(s, n, HL_KV_STATE, state);
    s->n_saving_states += is_queued;
    hl_prefix_node_set_state_saved(n, is_queued);
    return is_queued;
}

static bool is_kept_parting(const hl_prefix_node *n) {
    return hl_prefix_node_parts(n) &&
           (hl_prefix_node_state(n) != HL_NO_STATE || hl_prefix_node_is_state_saved(n));
}

/* States of the way to the end of a text, whose blocks are saved. */
static void save_states(hl_sched *s, hl_stream *st) {
    const bool has_border = (uint32_t)st->seq.n_pos / BLOCK == st->n_cached;
    uint32_t   n_newest = 0, n_partings = 0;
    for (hl_prefix_node *n = st->node; hl_prefix_node_parent(n); n = hl_prefix_node_parent(n))
        n_partings += is_kept_parting(n);
    for (hl_prefix_node *n = st->node; hl_prefix_node_parent(n); n = hl_prefix_node_parent(n)) {
        const bool is_first_parting = is_kept_parting(n) && n_partings-- <= FIRST_PARTINGS;
        uint32_t   state = hl_prefix_node_state(n);
        if (n == st->node && has_border && state == HL_NO_STATE) state = st->border_state;
        if (n_newest < NEWEST_STATES) {
            n_newest += save_state(s, n, state);
        } else if (is_first_parting) {
            (void)save_state(s, n, state);
        } else if (hl_prefix_node_is_state_saved(n)) {
            hl_kv_disk_drop_state(s->disk, key_of(s, n));
            hl_prefix_node_set_state_saved(n, false);
        }
    }
}

void hl_sched_save(hl_sched *s, hl_stream *st) {
    if (!s->disk || st->n_cached < MIN_SAVED_BLOCKS) return;
    if (save_path(s, st->node) && s->state_pool) save_states(s, st);
}

void hl_sched_take_saved(hl_sched *s) {
    hl_kv_kind kind;
    uint32_t   block;
    if (!s->disk) return;
    while (hl_kv_disk_take_done(s->disk, &kind, &block)) {
        hl_kv_block_unref(kind == HL_KV_STATE ? s->state_pool : s->pool, block);
        s->n_saving_states -= kind == HL_KV_STATE;
    }
}

bool hl_sched_wait_saved(hl_sched *s) {
    if (!s->disk || !hl_kv_disk_wait_done(s->disk)) return false;
    hl_sched_take_saved(s);
    return true;
}

/* ---- restore ---- */

/* The next whole block of the prompt from its file, unless it is in memory. False: what the sequence's block
 * holds is spoilt. */
static bool restore_block(hl_sched *s, hl_stream *st) {
    const int32_t        begin = (int32_t)(st->n_cached * BLOCK);
    const hl_prefix_key *keys = st->keys + begin;
    const hl_kv_key      parent = key_of(s, st->node);
    const hl_kv_key      key = hl_kv_disk_key(s->disk, parent, keys);
    const bool           is_known = s->state_pool && hl_prefix_tree_knows(st->node, keys);
    if (!is_known &&
        !hl_kv_disk_load(s->disk, HL_KV_BLOCK, key, parent, keys, st->seq.blocks[st->n_cached])) {
        st->seq.n_pos = begin;
        return false;
    }
    st->seq.n_pos = begin + BLOCK;
    hl_prefix_node *n = hl_prefix_tree_add(s->tree, st->node, keys, BLOCK, &st->seq, st->n_cached);
    if (!n) return false;
    st->node = n;
    st->n_cached++;
    if (!is_known) hl_prefix_node_set_saved(n);
    if (s->state_pool) hl_prefix_node_set_state_saved(n, hl_kv_disk_has(s->disk, HL_KV_STATE, key));
    return true;
}

static bool has_block(hl_sched *s, const hl_stream *st) {
    const hl_kv_key key =
        hl_kv_disk_key(s->disk, key_of(s, st->node), st->keys + (size_t)st->n_cached * BLOCK);
    return hl_kv_disk_has(s->disk, HL_KV_BLOCK, key);
}

/* Whole blocks of the prompt up to the last one with a state, of those that files have; 0: there is none. The
 * end of what they have is worth a checkpoint. */
static uint32_t find_state(hl_sched *s, hl_stream *st) {
    hl_kv_key key = key_of(s, st->node);
    uint32_t  n = st->n_cached, n_with_state = 0;
    while ((n + 1) * BLOCK < st->n_ids && n < st->seq.n_blocks) {
        key = hl_kv_disk_key(s->disk, key, st->keys + (size_t)n * BLOCK);
        if (!hl_kv_disk_has(s->disk, HL_KV_BLOCK, key)) break;
        n++;
        if (hl_kv_disk_has(s->disk, HL_KV_STATE, key)) n_with_state = n;
    }
    if (n > st->n_cached && n > n_with_state) hl_sched_note_parting(s, st, n * BLOCK);
    return n_with_state;
}

/* Back to what is in memory: blocks that came lead to no state. */
static void match_memory(hl_sched *s, hl_stream *st) {
    const int32_t held = (int32_t)(st->seq.n_blocks * BLOCK);
    hl_seq_truncate(&st->seq, 0);
    const int32_t n = hl_prefix_tree_match(s->tree, hl_prefix_tree_root(s->tree), st->keys,
                                           hl_stream_most_cached(st), &st->seq, &st->node);
    st->n_cached = (uint32_t)n / BLOCK;
    st->n_restoring = 0;
    hl_stream_count_cached(st, n - st->restored_from);
    const int32_t want = held < st->req.n_ctx ? held : st->req.n_ctx;
    while (!hl_seq_reserve(&st->seq, want))
        if (!hl_prefix_tree_evict(s->tree)) { /* then room is made when there are rows */
            hl_seq_truncate(&st->seq, n);
            return;
        }
}

/* The state behind the block that came last. */
static bool restore_state(hl_sched *s, hl_stream *st) {
    hl_prefix_node      *n = st->node;
    uint32_t             n_tokens, state;
    const hl_prefix_key *keys = hl_prefix_node_keys(n, &n_tokens);
    if (!hl_sched_state_get(s, &state)) return false;
    if (!hl_kv_disk_load(s->disk, HL_KV_STATE, key_of(s, n), key_of(s, hl_prefix_node_parent(n)), keys,
                         state)) {
        hl_kv_block_unref(s->state_pool, state);
        return false;
    }
    hl_prefix_node_set_state(s->tree, n, state);
    hl_prefix_node_set_state_saved(n, true);
    hl_seq_set_state(&st->seq, state);
    hl_stream_count_cached(st, st->seq.n_pos - st->restored_from);
    st->n_restoring = 0;
    return true;
}

static bool restore_to_state(hl_sched *s, hl_stream *st, bool others_generate) {
    if (!st->asked_disk) {
        st->asked_disk = true;
        st->n_restoring = find_state(s, st);
        st->restored_from = st->seq.n_pos;
        if (st->n_restoring == 0) return false;
        hl_seq_set_state(&st->seq, HL_NO_STATE);
        st->seq.n_pos = (int32_t)(st->n_cached * BLOCK);
    }
    if (st->n_restoring == 0) return false;
    for (uint32_t n = 0; st->n_cached < st->n_restoring; n++) {
        if (others_generate && n == RESTORED_PER_STEP) return true;
        if (restore_block(s, st)) continue;
        match_memory(s, st);
        return false;
    }
    if (!restore_state(s, st)) match_memory(s, st);
    return false;
}

bool hl_sched_restore(hl_sched *s, hl_stream *st, bool others_generate) {
    if (!s->disk || hl_stream_tells(st)) return false;
    if (st->n_restoring == 0 && st->seq.n_pos >= (int32_t)((st->n_cached + 1) * BLOCK)) return false;
    if (s->state_pool) return restore_to_state(s, st, others_generate);
    const int32_t before = st->seq.n_pos;
    uint32_t      n = 0;
    while ((st->n_cached + 1) * BLOCK < st->n_ids && st->n_cached < st->seq.n_blocks) {
        if (others_generate && n == RESTORED_PER_STEP) break;
        if (!has_block(s, st) || !restore_block(s, st)) break;
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
