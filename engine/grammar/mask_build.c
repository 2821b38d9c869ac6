/* SPDX-License-Identifier: MIT
 *
 * mask_build.c - the mask of one state, for whatever called its rule: tokens that stay inside the rule, or
 * call others from it, are allowed for good; of those that run past the rule's end the rest is kept.
 */
#include <stdlib.h>
#include <string.h>

#include "core/base/mem.h"
#include "engine/grammar/matcher_priv.h"

enum { MAX_EXITS = 1 << 20 };

typedef struct raw_exit {
    const char *rest;
    uint32_t    n_rest;
    uint32_t    id, count;
} raw_exit;

typedef struct mask_builder {
    const hl_token_trie *trie;
    const hl_pda_rule   *rule;
    hl_pda_run           machine;
    hl_pda_config       *at; /* [max_depth + 1] */
    hl_mask             *mask;
    uint8_t             *counts; /* [n_vocab] of tokens inside; NULL: the rule does not count */
    raw_exit            *exits;
    uint32_t             n_exits, exits_cap;
    bool                 failed, is_too_large;
} mask_builder;

static void add_exit(mask_builder *b, uint32_t id, size_t depth, uint32_t count) {
    if (b->failed || b->is_too_large) return;
    if (b->n_exits == MAX_EXITS) {
        b->is_too_large = true;
        return;
    }
    if (b->n_exits == b->exits_cap) {
        const uint32_t cap = b->exits_cap ? 2 * b->exits_cap : 256;
        raw_exit      *more = hl_resize(b->exits, cap, sizeof *more);
        b->failed = !more;
        if (!more) return;
        b->exits = more;
        b->exits_cap = cap;
    }
    const hl_view v = hl_trie_piece(b->trie, id);
    b->exits[b->n_exits++] = (raw_exit){v.ptr + depth, (uint32_t)(v.len - depth), id, count};
}

/* The rule can end behind this node: tokens below it go on in whatever called it. */
static void add_exits_below(mask_builder *b, uint32_t node, uint32_t count) {
    const hl_trie_node *nodes = b->trie->nodes;
    const uint32_t      end = nodes[node].skip;
    for (uint32_t child = node + 1; child < end; child = nodes[child].skip) {
        if (!hl_byte_set_has(&b->rule->follow, nodes[child].byte)) continue;
        for (uint32_t i = child; i < nodes[child].skip; i++)
            for (uint32_t k = 0; k < nodes[i].n; k++)
                add_exit(b, b->trie->sorted[nodes[i].first + k], nodes[node].depth, count);
    }
}

static void allow(mask_builder *b, const hl_trie_node *node, uint32_t count, bool closes) {
    for (uint32_t k = 0; k < node->n; k++) {
        const uint32_t id = b->trie->sorted[node->first + k];
        if (closes && b->counts) { /* whether it may depends on the count */
            add_exit(b, id, node->depth, count);
            continue;
        }
        b->mask->inside[id / 32] |= UINT32_C(1) << (id % 32);
        if (b->counts) b->counts[id] = (uint8_t)(count < HL_MASK_BUCKETS - 1 ? count : HL_MASK_BUCKETS - 1);
    }
}

static uint32_t count_at(const mask_builder *b, const hl_pda_config *c, uint32_t otherwise) {
    return c->n > 0 && b->counts ? b->machine.places[c->first].count : otherwise;
}

static void walk(mask_builder *b) {
    const hl_trie_node *nodes = b->trie->nodes;
    for (uint32_t i = 0; i < b->trie->n_nodes && !b->failed && !b->is_too_large;) {
        const hl_trie_node  *node = &nodes[i];
        const hl_pda_config *from = &b->at[node->depth - 1];
        hl_pda_run_back(&b->machine, from);
        const uint32_t      count = count_at(b, from, 0);
        const hl_pda_config to = hl_pda_run_step(&b->machine, from, node->byte);
        b->failed |= b->machine.failed;
        if (to.n == 0 && !to.is_complete) {
            i = node->skip;
            continue;
        }
        b->at[node->depth] = to;
        allow(b, node, count_at(b, &to, count), to.n == 0);
        if (to.is_complete) add_exits_below(b, i, count_at(b, &to, count));
        i = to.n == 0 ? node->skip : i + 1;
    }
}

/* ---- from lists to the mask ---- */

static int compare(const void *a, const void *b) {
    const raw_exit *x = a, *y = b;
    const uint32_t  n = x->n_rest < y->n_rest ? x->n_rest : y->n_rest;
    const int       c = n ? memcmp(x->rest, y->rest, n) : 0;
    if (c != 0) return c;
    if (x->n_rest != y->n_rest) return x->n_rest < y->n_rest ? -1 : 1;
    return x->id < y->id ? -1 : x->id > y->id;
}

static bool make_groups(mask_builder *b) {
    hl_mask *m = b->mask;
    if (b->n_exits > 1) qsort(b->exits, b->n_exits, sizeof *b->exits, compare);
    m->exits = hl_new(b->n_exits, sizeof *m->exits);
    m->groups = hl_new(b->n_exits, sizeof *m->groups);
    if (!m->exits || !m->groups) return false;
    for (uint32_t i = 0; i < b->n_exits; i++) {
        const raw_exit *x = &b->exits[i];
        hl_mask_group  *g = m->n_groups ? &m->groups[m->n_groups - 1] : NULL;
        if (!g || g->n_rest != x->n_rest || memcmp(g->rest, x->rest, x->n_rest) != 0) {
            uint16_t shared = 0;
            while (g && shared < g->n_rest && shared < x->n_rest && g->rest[shared] == x->rest[shared])
                shared++;
            m->groups[m->n_groups++] =
                (hl_mask_group){.rest = x->rest, .n_rest = (uint16_t)x->n_rest, .shared = shared, .first = i};
        }
        m->groups[m->n_groups - 1].n++;
        m->exits[i] = (hl_mask_exit){x->id, x->count};
    }
    m->bytes += b->n_exits * (sizeof *m->exits + sizeof *m->groups);
    return true;
}

static bool sort_by_count(mask_builder *b) {
    hl_mask *m = b->mask;
    if (!b->counts) return true;
    const uint32_t n_vocab = (uint32_t)b->trie->n_vocab;
    uint32_t       at[HL_MASK_BUCKETS];
    for (uint32_t id = 0; id < n_vocab; id++)
        if (m->inside[id / 32] >> (id % 32) & 1) m->count_start[b->counts[id] + 1]++;
    for (uint32_t k = 0; k < HL_MASK_BUCKETS; k++) {
        if (m->count_start[k + 1] > 0) m->most_counted = k;
        at[k] = m->count_start[k];
        m->count_start[k + 1] += m->count_start[k];
    }
    m->by_count = hl_new(m->count_start[HL_MASK_BUCKETS], sizeof *m->by_count);
    if (!m->by_count) return false;
    m->bytes += m->count_start[HL_MASK_BUCKETS] * sizeof *m->by_count;
    for (uint32_t id = 0; id < n_vocab; id++)
        if (m->inside[id / 32] >> (id % 32) & 1) m->by_count[at[b->counts[id]]++] = id;
    return true;
}

hl_mask *hl_mask_build(const hl_token_trie *t, const hl_pda *pda, hl_pda_place place) {
    const hl_pda_rule *rule = &pda->rules[pda->states[place.state].rule];
    mask_builder       b = {.trie = t, .rule = rule};
    b.mask = hl_new(1, sizeof *b.mask);
    b.at = hl_new((size_t)t->max_depth + 1, sizeof *b.at);
    if (rule->counts_text) b.counts = hl_new((size_t)t->n_vocab, 1);
    b.failed = !hl_pda_run_init(&b.machine, pda) || !b.mask || !b.at || (rule->counts_text && !b.counts);
    if (!b.failed) {
        b.mask->bytes = sizeof *b.mask + t->n_words * sizeof *b.mask->inside;
        b.mask->inside = hl_new(t->n_words, sizeof *b.mask->inside);
        b.failed = !b.mask->inside;
    }
    if (!b.failed) {
        b.machine.is_free = rule->counts_text;
        place.frame = HL_PDA_RUN_BOTTOM;
        if (rule->counts_text) place.count = 0;
        b.at[0] = hl_pda_run_at(&b.machine, place);
        walk(&b);
    }
    if (b.is_too_large) b.mask->is_too_large = true;
    if (!b.failed && !b.is_too_large) b.failed = !make_groups(&b) || !sort_by_count(&b);
    hl_pda_run_done(&b.machine);
    hl_free(b.at);
    hl_free(b.counts);
    hl_free(b.exits);
    if (!b.failed) return b.mask;
    hl_mask_free(b.mask);
    return NULL;
}
