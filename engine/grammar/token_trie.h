/* SPDX-License-Identifier: MIT
 *
 * token_trie.h - a vocabulary as a trie of bytes, and the masks that were computed with it.
 *
 * Nodes stand in the order of a walk in depth: the first child of a node is the next one, and `skip` leads
 * past everything below it.
 */
#ifndef HL_ENGINE_GRAMMAR_TOKEN_TRIE_H
#define HL_ENGINE_GRAMMAR_TOKEN_TRIE_H

#include <pthread.h>

#include "engine/grammar/grammar.h"

enum {
    HL_TRIE_MAX_BYTES = 1024, /* of a token: longer ones are never allowed */
    HL_MASK_CACHE_BYTES = 192 << 20,
    HL_MASK_BUCKETS = 256,
};

typedef struct hl_trie_node {
    uint32_t skip;     /* the next node that is not below this one */
    uint32_t first, n; /* tokens that end here: sorted[first, first + n) */
    uint16_t depth;    /* bytes up to here, this one included */
    uint8_t  byte;
} hl_trie_node;

/* A mask that holds for a state whatever called its rule, and what its rule's end would have to allow. */
typedef struct hl_mask_exit {
    uint32_t id;
    uint32_t count; /* that the token adds before its rule ends */
} hl_mask_exit;

typedef struct hl_mask_group {  /* tokens whose rest, behind the end of the rule, is the same */
    const char *rest;           /* bytes of one of them, the trie's */
    uint16_t    n_rest, shared; /* with the group before */
    uint32_t    first, n;       /* of exits */
} hl_mask_group;

typedef struct hl_mask {
    struct hl_mask *next; /* in its chain */
    uint64_t        key[2];
    uint64_t        used_at;
    uint32_t        n_refs; /* under the cache's lock */
    size_t          bytes;
    bool            is_too_large; /* nothing else here: tokens are walked through each time */
    uint32_t       *inside;       /* [n_words] */
    uint32_t       *by_count; /* tokens of `inside`, by what they add to the counter; NULL: it counts not */
    uint32_t        count_start[HL_MASK_BUCKETS + 1];
    uint32_t        most_counted;
    hl_mask_exit   *exits;
    hl_mask_group  *groups; /* by rest, rising */
    uint32_t        n_groups;
} hl_mask;

struct hl_token_trie {
    int32_t       n_vocab;
    uint32_t      n_words; /* of a mask */
    char         *bytes;   /* of all tokens */
    uint32_t     *start;   /* [n_vocab + 1] in bytes */
    uint32_t     *sorted;  /* ids by their bytes; [n_sorted] */
    uint32_t      n_sorted;
    hl_trie_node *nodes;
    uint32_t      n_nodes;
    uint32_t      max_depth;
    uint32_t     *ends; /* ids that end the generation */
    uint32_t      n_ends;
    /* the cache */
    pthread_mutex_t lock;
    hl_mask       **chains; /* [n_chains] */
    uint32_t        n_chains;
    size_t          cache_bytes;
    uint64_t        clock;
};

static inline hl_view hl_trie_piece(const hl_token_trie *t, uint32_t id) {
    return (hl_view){t->bytes + t->start[id], t->start[id + 1] - t->start[id]};
}
bool hl_trie_is_end(const hl_token_trie *t, int32_t id);

/* The mask of that key, kept until hl_mask_drop(); NULL: there is none yet. Any thread. */
hl_mask *hl_mask_find(hl_token_trie *t, const uint64_t key[2]);
/* Hand over a new one; when somebody was faster, theirs comes back and this one is freed. */
hl_mask *hl_mask_publish(hl_token_trie *t, hl_mask *m);
void     hl_mask_drop(hl_token_trie *t, hl_mask *m);
void     hl_mask_free(hl_mask *m);

#endif
