/* SPDX-License-Identifier: MIT
 *
 * ngram.c - a hash table of chains, newest first.
 */
#include "engine/speculate/ngram.h"

#include <string.h>

#include "core/base/mem.h"

enum { FIRST_CAP = 1024, MAX_POSITIONS = 64 /* looked at: repetitive texts have thousands */ };

void hl_ngram_done(hl_ngram *g) {
    hl_free(g->heads);
    hl_free(g->before);
    *g = (hl_ngram){0};
}

/* Of the NGRAM tokens that end at ids[i]. */
static uint32_t hash_at(const hl_ngram *g, const int32_t *ids, uint32_t i) {
    uint64_t h = 0;
    for (uint32_t k = 0; k < HL_NGRAM; k++) h = (h ^ (uint32_t)ids[i - k]) * 0x9E3779B97F4A7C15u;
    return (uint32_t)(h >> 32) & (g->n_heads - 1);
}

static void link_position(hl_ngram *g, const int32_t *ids, uint32_t i) {
    const uint32_t h = hash_at(g, ids, i);
    g->before[i] = g->heads[h];
    g->heads[h] = i + 1;
}

/* Twice the room; everything is linked again. */
static bool grow(hl_ngram *g, const int32_t *ids, uint32_t need) {
    uint32_t cap = g->cap ? g->cap : FIRST_CAP;
    while (cap < need) cap *= 2;
    uint32_t *heads = hl_new(cap, sizeof *heads);
    uint32_t *before = hl_new(cap, sizeof *before);
    if (!heads || !before) {
        hl_free(heads);
        hl_free(before);
        return false;
    }
    hl_free(g->heads);
    hl_free(g->before);
    g->heads = heads;
    g->before = before;
    g->cap = g->n_heads = cap;
    for (uint32_t i = HL_NGRAM - 1; i < g->n; i++) link_position(g, ids, i);
    return true;
}

void hl_ngram_add(hl_ngram *g, const int32_t *ids, uint32_t n) {
    if (n > g->cap && !grow(g, ids, n)) return;
    for (uint32_t i = g->n < HL_NGRAM - 1 ? HL_NGRAM - 1 : g->n; i < n; i++) link_position(g, ids, i);
    if (n > g->n) g->n = n;
}

/* How many tokens agree up to ids[a] and ids[b], these two included. */
static uint32_t common_suffix(const int32_t *ids, uint32_t a, uint32_t b) {
    const uint32_t most = a + 1 < HL_NGRAM_MAX_MATCH ? a + 1 : HL_NGRAM_MAX_MATCH;
    uint32_t       n = 0;
    while (n < most && ids[a - n] == ids[b - n]) n++;
    return n;
}

/* Keep the longest match of each next token, the longest first. */
static uint32_t insert(const int32_t *ids, hl_ngram_match p, uint32_t n, uint32_t n_cap,
                       hl_ngram_match *matches) {
    uint32_t at = n;
    for (uint32_t i = 0; i < n; i++) {
        if (ids[matches[i].at] != ids[p.at]) continue;
        if (matches[i].n_tokens >= p.n_tokens) return n;
        at = i; /* the same token behind a shorter match: replaced */
        break;
    }
    if (at == n && n == n_cap) {
        if (matches[n - 1].n_tokens >= p.n_tokens) return n;
        at = n - 1;
    }
    if (at == n) n++;
    while (at > 0 && matches[at - 1].n_tokens < p.n_tokens) {
        matches[at] = matches[at - 1];
        at--;
    }
    matches[at] = p;
    return n;
}

uint32_t hl_ngram_find(const hl_ngram *g, const int32_t *ids, uint32_t n, uint32_t n_cap,
                       hl_ngram_match *ret_matches) {
    uint32_t n_found = 0;
    if (n < HL_NGRAM + 1 || g->n < n) return 0;
    const uint32_t last = n - 1;
    uint32_t       at = g->before[last];
    for (int i = 0; at != 0 && i < MAX_POSITIONS; i++, at = g->before[at - 1]) {
        const uint32_t match = common_suffix(ids, at - 1, last);
        if (match < HL_NGRAM) continue; /* only the hash agrees */
        n_found = insert(ids, (hl_ngram_match){at, match}, n_found, n_cap, ret_matches);
        if (match == HL_NGRAM_MAX_MATCH && n_cap == 1) break;
    }
    return n_found;
}

/* How many tokens follow at both positions; both stay below n. */
static uint32_t common_continuation(const int32_t *ids, uint32_t n, uint32_t a, uint32_t b, uint32_t most) {
    uint32_t k = 0;
    while (k < most && a + k < n && b + k < n && ids[a + k] == ids[b + k]) k++;
    return k;
}

void hl_ngram_add_alternative(const int32_t *ids, uint32_t n, uint32_t at, hl_ngram_alternatives *o) {
    const uint32_t depth = common_continuation(ids, n, o->best, at, o->n_tokens);
    if (depth == o->n_tokens || o->best + depth >= n || at + depth >= n) return;
    for (uint32_t i = 0; i < o->n; i++)
        if (o->found[i].depth == depth && ids[o->found[i].at + depth] == ids[at + depth]) return;
    if (o->n == o->n_cap && (o->n == 0 || o->found[o->n - 1].depth <= depth)) return;
    uint32_t i = o->n < o->n_cap ? o->n++ : o->n - 1;
    for (; i > 0 && o->found[i - 1].depth > depth; i--) o->found[i] = o->found[i - 1];
    o->found[i] = (hl_ngram_alternative){.at = at, .depth = depth};
}

void hl_ngram_find_alternatives(const hl_ngram *g, const int32_t *ids, uint32_t n, uint32_t least_match,
                                hl_ngram_alternatives *o) {
    if (n < HL_NGRAM + 1 || g->n < n) return;
    const uint32_t last = n - 1;
    uint32_t       at = g->before[last];
    for (int i = 0; at != 0 && i < MAX_POSITIONS; i++, at = g->before[at - 1])
        if (at != o->best && common_suffix(ids, at - 1, last) >= least_match)
            hl_ngram_add_alternative(ids, n, at, o);
}
