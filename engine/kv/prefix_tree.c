/* SPDX-License-Identifier: MIT
 *
 * prefix_tree.c - nodes in lists of siblings, and all of them in one list from the least to the most recently
 * used.
 *
 * Using a node moves it and everything above it to the end of that list, the root last: so a node is always
 * older than its parent, and the first node that nobody uses is a leaf. Siblings are searched one by one:
 * their first tokens differ nearly always, and there are no more of them than blocks in the pool.
 */
#include "engine/kv/prefix_tree.h"

#include <assert.h>
#include <string.h>

#include "core/base/mem.h"

enum { BLOCK = HL_KV_PAGE_TOKENS };

struct hl_prefix_node {
    hl_prefix_node *parent; /* NULL: the root */
    hl_prefix_node *child;  /* the first one */
    hl_prefix_node *next;   /* sibling */
    hl_prefix_node *older, *newer;
    uint64_t        name[2];
    uint32_t        block;
    uint32_t        state;      /* behind its last token; HL_NO_STATE: none */
    uint64_t        state_used; /* the tree's clock when it was set or taken */
    uint32_t        n_tokens;
    uint32_t        n_pins;
    bool            is_saved, is_state_saved;
    bool            is_needed; /* scratch of hl_prefix_tree_n_evictable() */
    hl_prefix_key   keys[BLOCK];
};

struct hl_prefix_tree {
    hl_kv_pool     *pool;
    hl_prefix_node  root;
    hl_prefix_node *oldest, *newest; /* all nodes but the root */
    uint32_t        n_blocks;
    uint64_t        clock; /* of states */
};

hl_status hl_prefix_tree_new(hl_kv_pool *pool, hl_prefix_tree **ret_tree, hl_err *err) {
    hl_prefix_tree *t = hl_new(1, sizeof *t);
    if (!t) return hl_fail(err, HL_E_NOMEM, "prefix tree: no memory");
    t->pool = pool;
    t->root.n_tokens = BLOCK;
    t->root.state = HL_NO_STATE;
    *ret_tree = t;
    return HL_OK;
}

static void unlink_age(hl_prefix_tree *t, hl_prefix_node *n) {
    if (n->older)
        n->older->newer = n->newer;
    else
        t->oldest = n->newer;
    if (n->newer)
        n->newer->older = n->older;
    else
        t->newest = n->older;
    n->older = n->newer = NULL;
}

static void append_age(hl_prefix_tree *t, hl_prefix_node *n) {
    n->older = t->newest;
    if (t->newest)
        t->newest->newer = n;
    else
        t->oldest = n;
    t->newest = n;
}

/* The node and all above it are the most recently used ones, the topmost last. */
static void touch(hl_prefix_tree *t, hl_prefix_node *n) {
    for (; n->parent; n = n->parent) {
        unlink_age(t, n);
        append_age(t, n);
    }
}

static void drop_state(hl_prefix_tree *t, hl_prefix_node *n) {
    if (n->state != HL_NO_STATE) hl_kv_block_unref(hl_kv_pool_states(t->pool), n->state);
    n->state = HL_NO_STATE;
}

static void remove_node(hl_prefix_tree *t, hl_prefix_node *n) {
    hl_prefix_node **at = &n->parent->child;
    assert(!n->child);
    while (*at != n) at = &(*at)->next;
    *at = n->next;
    unlink_age(t, n);
    drop_state(t, n);
    hl_kv_block_unref(t->pool, n->block);
    t->n_blocks--;
    hl_free(n);
}

void hl_prefix_tree_free(hl_prefix_tree *t) {
    if (!t) return;
    while (t->oldest) {
        hl_prefix_node *n = t->oldest;
        while (n->child) n = n->child;
        remove_node(t, n);
    }
    hl_free(t);
}

hl_prefix_node *hl_prefix_tree_root(hl_prefix_tree *t) { return &t->root; }

static uint32_t count_equal(const hl_prefix_key *a, const hl_prefix_key *b, uint32_t n) {
    uint32_t i = 0;
    while (i < n && a[i] == b[i]) i++;
    return i;
}

/* The child that has the most of tokens[0, n), and how many that are; NULL: none begins like them. */
static hl_prefix_node *find_child(const hl_prefix_node *n, const hl_prefix_key *keys, uint32_t n_tokens,
                                  uint32_t *ret_equal) {
    hl_prefix_node *best = NULL;
    *ret_equal = 0;
    for (hl_prefix_node *c = n->child; c; c = c->next) {
        const uint32_t most = c->n_tokens < n_tokens ? c->n_tokens : n_tokens;
        const uint32_t equal = count_equal(c->keys, keys, most);
        if (equal <= *ret_equal) continue;
        best = c;
        *ret_equal = equal;
        if (equal == BLOCK) break;
    }
    return best;
}

/* Tokens of the block behind the first n_pos that can be compared. */
static uint32_t tokens_left(int32_t n, int32_t n_pos) {
    return n - n_pos < BLOCK ? (uint32_t)(n - n_pos) : BLOCK;
}

/* Copy the block of `n` behind what the sequence has: its first n_tokens positions will count. */
static bool copy_block(hl_prefix_tree *t, const hl_prefix_node *n, uint32_t n_tokens, hl_seq *seq) {
    if (!hl_seq_reserve(seq, seq->n_pos + (int32_t)n_tokens)) return false;
    hl_kv_block_copy(t->pool, n->block, seq->blocks[seq->n_blocks - 1]);
    seq->n_pos += (int32_t)n_tokens;
    return true;
}

/* The last node on the way of keys[at, n) that has a state; NULL: none. One with fewer tokens than a
 * block, or not. */
static const hl_prefix_node *find_state(const hl_prefix_node *node, const hl_prefix_key *keys, int32_t at,
                                        int32_t n, bool short_too, int32_t *ret_at) {
    const hl_prefix_node *best = NULL;
    while (at < n) {
        uint32_t              equal;
        const hl_prefix_node *c = find_child(node, keys + at, tokens_left(n, at), &equal);
        if (!c || equal < c->n_tokens || (equal < BLOCK && !short_too)) break;
        at += (int32_t)equal;
        if (c->state != HL_NO_STATE) {
            best = c;
            *ret_at = at;
        }
        if (equal < BLOCK) break;
        node = c;
    }
    return best;
}

static void share_block(hl_prefix_tree *t, const hl_prefix_node *n, hl_seq *seq) {
    hl_kv_block_ref(t->pool, n->block);
    seq->blocks[seq->n_blocks++] = n->block;
    seq->n_pos += BLOCK;
}

/* The way down to a node with a state that lies `end` tokens deep. False: there is no block for the
 * start of one more. */
static bool take_way(hl_prefix_tree *t, hl_prefix_node *node, const hl_prefix_key *keys, int32_t end,
                     hl_seq *seq, hl_prefix_node **ret_node) {
    hl_prefix_node *c = node;
    while (seq->n_pos < end) {
        uint32_t equal;
        c = find_child(node, keys + seq->n_pos, tokens_left(end, seq->n_pos), &equal);
        if (equal < BLOCK && !copy_block(t, c, equal, seq)) return false;
        if (equal < BLOCK) break;
        share_block(t, c, seq);
        node = c;
    }
    hl_kv_block_ref(hl_kv_pool_states(t->pool), c->state);
    hl_seq_set_state(seq, c->state);
    c->state_used = ++t->clock;
    touch(t, c);
    *ret_node = node;
    return true;
}

static int32_t match_state(hl_prefix_tree *t, hl_prefix_node *node, const hl_prefix_key *keys, int32_t n,
                           hl_seq *seq, hl_prefix_node **ret_node) {
    const int32_t begin = seq->n_pos, cap = (int32_t)(seq->blocks_cap * BLOCK);
    const int32_t most = n < cap ? n : cap;
    for (int short_too = 1; short_too >= 0; short_too--) {
        int32_t end = begin;
        if (!find_state(node, keys, begin, most, short_too, &end)) break;
        if (take_way(t, node, keys, end, seq, ret_node)) return end;
        const uint32_t state = seq->state; /* blocks were shared in vain */
        seq->state = HL_NO_STATE;
        hl_seq_truncate(seq, begin);
        seq->state = state;
    }
    touch(t, node);
    *ret_node = node;
    return begin;
}

int32_t hl_prefix_tree_match(hl_prefix_tree *t, hl_prefix_node *node, const hl_prefix_key *keys, int32_t n,
                             hl_seq *seq, hl_prefix_node **ret_node) {
    assert(seq->n_pos % BLOCK == 0 && seq->n_blocks == (uint32_t)seq->n_pos / BLOCK);
    if (hl_kv_pool_states(t->pool)) return match_state(t, node, keys, n, seq, ret_node);
    while (seq->n_pos < n && seq->n_blocks < seq->blocks_cap) {
        uint32_t        equal;
        hl_prefix_node *c = find_child(node, keys + seq->n_pos, tokens_left(n, seq->n_pos), &equal);
        if (!c) break;
        if (equal < BLOCK) {
            touch(t, c);
            (void)copy_block(t, c, equal, seq);
            break;
        }
        share_block(t, c, seq);
        node = c;
    }
    touch(t, node);
    *ret_node = node;
    return seq->n_pos;
}

int32_t hl_prefix_tree_probe(const hl_prefix_tree *t, const hl_prefix_key *keys, int32_t n) {
    int32_t at = 0;
    if (!hl_kv_pool_states(t->pool)) return hl_prefix_tree_probe_tokens(t, keys, n);
    (void)find_state(&t->root, keys, 0, n, true, &at);
    return at;
}

int32_t hl_prefix_tree_probe_tokens(const hl_prefix_tree *t, const hl_prefix_key *keys, int32_t n) {
    const hl_prefix_node *node = &t->root;
    int32_t               at = 0;
    while (at < n) {
        uint32_t equal;
        node = find_child(node, keys + at, tokens_left(n, at), &equal);
        if (!node) break;
        at += (int32_t)equal;
        if (equal < BLOCK) break;
    }
    return at;
}

bool hl_prefix_tree_find_break(const hl_prefix_tree *t, const hl_prefix_key *keys, int32_t n, int32_t *ret_at,
                               hl_prefix_key *ret_key) {
    const hl_prefix_node *node = &t->root;
    for (int32_t at = 0; at < n;) {
        uint32_t              equal;
        const hl_prefix_node *c = find_child(node, keys + at, tokens_left(n, at), &equal);
        if (!c && !node->child) return false;
        at += (int32_t)equal;
        node = c ? c : node->child;
        if (equal == BLOCK) continue;
        if (at == n || equal == node->n_tokens) return false;
        *ret_at = at;
        *ret_key = node->keys[equal];
        return true;
    }
    return false;
}

/* The sequence's block takes the place of the node's, which holds fewer tokens or the same ones. */
static void swap_blocks(hl_prefix_tree *t, hl_prefix_node *n, const hl_prefix_key *keys, uint32_t n_tokens,
                        uint32_t block) {
    hl_kv_block_ref(t->pool, block);
    hl_kv_block_unref(t->pool, n->block);
    n->block = block;
    n->n_tokens = n_tokens;
    n->name[0] = n->name[1] = 0;
    n->is_saved = n->is_state_saved = false;
    drop_state(t, n);
    memcpy(n->keys, keys, n_tokens * sizeof *keys);
}

hl_prefix_node *hl_prefix_tree_add(hl_prefix_tree *t, hl_prefix_node *parent, const hl_prefix_key *keys,
                                   uint32_t n, hl_seq *seq, uint32_t i_block) {
    uint32_t        equal;
    const uint32_t  block = seq->blocks[i_block];
    hl_prefix_node *c = find_child(parent, keys, n, &equal);
    if (c && equal == n && c->n_tokens >= n) { /* known already */
        touch(t, c);
        if (n == BLOCK && c->block != block) {
            hl_kv_block_ref(t->pool, c->block);
            seq->blocks[i_block] = c->block;
            hl_kv_block_unref(t->pool, block);
        }
        return c;
    }
    if (c && equal == c->n_tokens) { /* a short block that this one goes on from */
        swap_blocks(t, c, keys, n, block);
        touch(t, c);
        return c;
    }
    c = hl_new(1, sizeof *c);
    if (!c) return NULL;
    hl_kv_block_ref(t->pool, block);
    c->parent = parent;
    c->next = parent->child;
    parent->child = c;
    c->block = block;
    c->state = HL_NO_STATE;
    c->n_tokens = n;
    memcpy(c->keys, keys, n * sizeof *keys);
    t->n_blocks++;
    append_age(t, c);
    touch(t, c);
    return c;
}

static bool is_evictable(const hl_prefix_tree *t, const hl_prefix_node *n) {
    return !n->child && n->n_pins == 0 && hl_kv_block_refs(t->pool, n->block) == 1;
}

bool hl_prefix_tree_evict(hl_prefix_tree *t) {
    for (hl_prefix_node *n = t->oldest; n; n = n->newer) {
        if (!is_evictable(t, n)) continue;
        remove_node(t, n);
        return true;
    }
    return false;
}

void hl_prefix_node_set_state(hl_prefix_tree *t, hl_prefix_node *n, uint32_t state) {
    if (n->state != state) {
        drop_state(t, n);
        hl_kv_block_ref(hl_kv_pool_states(t->pool), state);
        n->state = state;
    }
    n->state_used = ++t->clock;
}

uint32_t hl_prefix_node_state(const hl_prefix_node *n) { return n->state; }

bool hl_prefix_tree_knows(const hl_prefix_node *parent, const hl_prefix_key *keys) {
    uint32_t equal;
    return find_child(parent, keys, BLOCK, &equal) != NULL && equal == BLOCK;
}

bool hl_prefix_tree_evict_state(hl_prefix_tree *t) {
    hl_prefix_node *best = NULL;
    for (hl_prefix_node *n = t->oldest; n; n = n->newer) {
        if (n->state == HL_NO_STATE || hl_kv_block_refs(hl_kv_pool_states(t->pool), n->state) > 1) continue;
        const bool is_pinned = n->n_pins > 0, best_is = best && best->n_pins > 0;
        if (!best || (best_is && !is_pinned) || (best_is == is_pinned && n->state_used < best->state_used))
            best = n;
    }
    if (best) drop_state(t, best);
    return best != NULL;
}

void hl_prefix_node_pin(hl_prefix_node *n) { n->n_pins++; }

void hl_prefix_node_unpin(hl_prefix_node *n) {
    assert(n->n_pins > 0);
    n->n_pins--;
}

hl_prefix_node *hl_prefix_node_parent(const hl_prefix_node *n) { return n->parent; }

const hl_prefix_key *hl_prefix_node_keys(const hl_prefix_node *n, uint32_t *ret_n) {
    *ret_n = n->n_tokens;
    return n->keys;
}

uint32_t  hl_prefix_node_block(const hl_prefix_node *n) { return n->block; }
uint64_t *hl_prefix_node_name(hl_prefix_node *n) { return n->name; }
bool      hl_prefix_node_is_saved(const hl_prefix_node *n) { return n->is_saved; }
void      hl_prefix_node_set_saved(hl_prefix_node *n) { n->is_saved = true; }
bool      hl_prefix_node_is_state_saved(const hl_prefix_node *n) { return n->is_state_saved; }
void      hl_prefix_node_set_state_saved(hl_prefix_node *n, bool is_saved) { n->is_state_saved = is_saved; }
bool      hl_prefix_node_parts(const hl_prefix_node *n) { return n->child && n->child->next; }
uint32_t  hl_prefix_tree_n_blocks(const hl_prefix_tree *t) { return t->n_blocks; }

/* Children are older than their parents, so one walk from the oldest on sees all of a node's before it. */
uint32_t hl_prefix_tree_n_evictable(const hl_prefix_tree *t) {
    uint32_t n_evictable = 0;
    for (hl_prefix_node *n = t->oldest; n; n = n->newer) n->is_needed = false;
    for (hl_prefix_node *n = t->oldest; n; n = n->newer) {
        n->is_needed |= n->n_pins > 0 || hl_kv_block_refs(t->pool, n->block) > 1;
        if (n->is_needed) n->parent->is_needed = true;
        n_evictable += !n->is_needed;
    }
    return n_evictable;
}
