/* SPDX-License-Identifier: MIT
 *
 * prefix_tree.h - which prompts' keys and values are in the cache: a tree whose edges are blocks of 64
 * positions.
 *
 * A node is one block of the cache with the keys (prefix_key.h) of what it was computed from, tokens mostly;
 * the path from the root to it is the whole prefix. The tree holds one reference to each block, sequences
 * that use a block hold theirs, and a block that the tree knows is never written again. Blocks of 64 tokens
 * have children; a shorter one (the end of an answer) is a leaf until a longer one that begins with it takes
 * its place.
 *
 * Windowed layers need no care of their own: their pages keep every position, like all others.
 *
 * Recurrent layers have one state instead of something for each position. A node may hold the state behind
 * its last token, a checkpoint; where a model has such layers, sequences go on from checkpoints alone.
 * Blocks behind the last one say no more than where prompts part, which is where the next checkpoint is
 * worth its memory.
 *
 * thread  one at a time, together with the block pool: the scheduler's
 */
#ifndef HL_ENGINE_KV_PREFIX_TREE_H
#define HL_ENGINE_KV_PREFIX_TREE_H

#include "engine/kv/kv_pages.h"
#include "engine/kv/prefix_key.h"

typedef struct hl_prefix_tree hl_prefix_tree;
typedef struct hl_prefix_node hl_prefix_node;

/* fails  HL_E_NOMEM. The pool must outlive the tree. */
HL_MUST_CHECK hl_status hl_prefix_tree_new(hl_kv_pool *pool, hl_prefix_tree **ret_tree, hl_err *err);
void hl_prefix_tree_free(hl_prefix_tree *t); /* gives all its blocks back; NULL is allowed */

hl_prefix_node *hl_prefix_tree_root(hl_prefix_tree *t);

/* Let `seq` go on with what the tree has of keys[0, n): whole blocks are shared, the start of one more is
 * copied into a block of the sequence's own (when the pool has a free one).
 *
 * in     node  the node of the sequence's last whole block (the root for an empty one); seq->n_pos is a
 *              multiple of 64
 *        n     tokens of the whole prefix; the result never passes it
 * out    ret_node  the node of its last whole block now
 *        seq       blocks, n_pos and state; returns n_pos */
int32_t hl_prefix_tree_match(hl_prefix_tree *t, hl_prefix_node *node, const hl_prefix_key *keys, int32_t n,
                             hl_seq *seq, hl_prefix_node **ret_node);

/* As hl_prefix_tree_match(), but changes nothing: how many of keys[0, n) it would give. */
int32_t hl_prefix_tree_probe(const hl_prefix_tree *t, const hl_prefix_key *keys, int32_t n);

/* As hl_prefix_tree_probe(), without asking for states: how far others have the same tokens. */
int32_t hl_prefix_tree_probe_tokens(const hl_prefix_tree *t, const hl_prefix_key *keys, int32_t n);

/* Where keys[0, n) leave what the tree has, and what goes on there instead: of the neighbour that has the
 * most of them. False: nothing does; they are all there, or what there is ends.
 * out    ret_at  0..n-1 */
bool hl_prefix_tree_find_break(const hl_prefix_tree *t, const hl_prefix_key *keys, int32_t n, int32_t *ret_at,
                               hl_prefix_key *ret_key);

/* Make block i_block of `seq`, computed from keys[0, n) behind `parent`, known. When the tree has an equal
 * block already, the sequence uses that one from now on and its own goes back.
 *
 * in     n  1..64; less than 64 for the end of a sequence that will not grow
 * fails  NULL: no memory (nothing changed, the sequence keeps its block) */
hl_prefix_node *hl_prefix_tree_add(hl_prefix_tree *t, hl_prefix_node *parent, const hl_prefix_key *keys,
                                   uint32_t n, hl_seq *seq, uint32_t i_block);

/* Give back the block that was not used for the longest time and that no sequence and no other block needs.
 * False: there is none. */
bool hl_prefix_tree_evict(hl_prefix_tree *t);

/* Keep the state behind a node's last token; the tree takes a reference of its own. */
void     hl_prefix_node_set_state(hl_prefix_tree *t, hl_prefix_node *n, uint32_t state);
uint32_t hl_prefix_node_state(const hl_prefix_node *n); /* HL_NO_STATE: it has none */

/* Whether a whole block of these keys is known behind a node: hl_prefix_tree_add() would use it. */
bool hl_prefix_tree_knows(const hl_prefix_node *parent, const hl_prefix_key *keys);

/* Give back the state that was not used for the longest time and that no sequence has; of pinned nodes
 * only when there is no other. False: there is none. */
bool hl_prefix_tree_evict_state(hl_prefix_tree *t);

/* A pinned node, and with it all above, stays. Counts. */
void hl_prefix_node_pin(hl_prefix_node *n);
void hl_prefix_node_unpin(hl_prefix_node *n);

hl_prefix_node      *hl_prefix_node_parent(const hl_prefix_node *n); /* NULL: n is the root */
const hl_prefix_key *hl_prefix_node_keys(const hl_prefix_node *n, uint32_t *ret_n);
uint32_t             hl_prefix_node_block(const hl_prefix_node *n);
/* Notes of whoever keeps blocks elsewhere too; cleared when the node gets another block. */
uint64_t *hl_prefix_node_name(hl_prefix_node *n); /* [2] */
bool      hl_prefix_node_is_saved(const hl_prefix_node *n);
void      hl_prefix_node_set_saved(hl_prefix_node *n);
bool      hl_prefix_node_is_state_saved(const hl_prefix_node *n);
void      hl_prefix_node_set_state_saved(hl_prefix_node *n, bool is_saved);

/* Whether texts go on differently behind it. */
bool hl_prefix_node_parts(const hl_prefix_node *n);

uint32_t hl_prefix_tree_n_blocks(const hl_prefix_tree *t);
/* Blocks that hl_prefix_tree_evict() could give back, one after another. Walks all nodes. */
uint32_t hl_prefix_tree_n_evictable(const hl_prefix_tree *t);

#endif
