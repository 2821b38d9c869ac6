/* SPDX-License-Identifier: MIT
 *
 * token_trie.c - tokens sorted by their bytes, made a trie; a cache of masks.
 */
#include "engine/grammar/token_trie.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/mem.h"
#include "core/base/stop.h"
#include "engine/grammar/pda.h"

enum { CHAINS = 1024 };

/* ---- the bytes of all tokens ---- */

static hl_status no_memory(hl_err *err) {
    return hl_fail(err, HL_E_NOMEM, "vocabulary of a grammar: no memory");
}

typedef struct piece_reader {
    const hl_grammar_tokens *tokens;
    char                    *room;
    size_t                   cap;
} piece_reader;

static bool read_piece(piece_reader *r, int32_t id, size_t *ret_n) {
    size_t n = r->tokens->piece(r->tokens->user, id, r->room, r->cap);
    while (n > r->cap) {
        char *more = hl_resize(r->room, n, 1);
        if (!more) return false;
        r->room = more;
        r->cap = n;
        n = r->tokens->piece(r->tokens->user, id, r->room, r->cap);
    }
    *ret_n = n;
    return true;
}

/* A token of bytes that no text has: it must not pass for one that marks a control token. */
static bool has_mark(const char *bytes, size_t n) {
    return memchr(bytes, HL_PDA_CONTROL_BEGIN, n) || memchr(bytes, HL_PDA_CONTROL_END, n);
}

/* Append the bytes of a token; a control token stands between the two bytes that mark it. */
static bool add_piece(hl_token_trie *t, piece_reader *r, int32_t id, size_t *at, size_t *cap) {
    const enum hl_token_role role = r->tokens->role(r->tokens->user, id);
    size_t                   n = 0;
    t->start[id] = (uint32_t)*at;
    if (role == HL_TOKEN_END) t->ends[t->n_ends++] = (uint32_t)id;
    if (role == HL_TOKEN_END) return true;
    if (!read_piece(r, id, &n)) return false;
    if (n == 0 || n > HL_TRIE_MAX_BYTES || has_mark(r->room, n)) return true;
    if (*at + n + 2 > *cap) {
        char *more = hl_resize(t->bytes, 2 * (*cap + n + 2), 1);
        if (!more) return false;
        t->bytes = more;
        *cap = 2 * (*cap + n + 2);
    }
    if (role == HL_TOKEN_CONTROL) t->bytes[(*at)++] = (char)HL_PDA_CONTROL_BEGIN;
    memcpy(t->bytes + *at, r->room, n);
    *at += n;
    if (role == HL_TOKEN_CONTROL) t->bytes[(*at)++] = (char)HL_PDA_CONTROL_END;
    t->sorted[t->n_sorted++] = (uint32_t)id;
    return true;
}

static hl_status read_pieces(hl_token_trie *t, const hl_grammar_tokens *tokens, hl_err *err) {
    piece_reader r = {.tokens = tokens, .room = hl_new(256, 1), .cap = 256};
    size_t       at = 0, cap = (size_t)t->n_vocab * 8 + 64;
    hl_status    status = HL_OK;
    t->bytes = hl_new(cap, 1);
    bool ok = r.room && t->bytes;
    for (int32_t id = 0; ok && id < t->n_vocab && status == HL_OK; id++) {
        ok = add_piece(t, &r, id, &at, &cap);
        if (id % 4096 == 0) status = hl_stop_check("grammar", err);
    }
    t->start[t->n_vocab] = (uint32_t)at;
    hl_free(r.room);
    return ok ? status : no_memory(err);
}

/* ---- sorting, and the nodes ---- */

typedef struct sort_row {
    uint64_t    head; /* the first 8 bytes, the first highest */
    const char *bytes;
    uint32_t    n, id;
} sort_row;

static int compare(const void *a, const void *b) {
    const sort_row *x = a, *y = b;
    if (x->head != y->head) return x->head < y->head ? -1 : 1;
    const uint32_t n = x->n < y->n ? x->n : y->n;
    const int      c = n > 8 ? memcmp(x->bytes + 8, y->bytes + 8, n - 8) : 0;
    if (c != 0) return c;
    if (x->n != y->n) return x->n < y->n ? -1 : 1;
    return x->id < y->id ? -1 : 1;
}

/* By 16 bits of the head at a time, the lowest first: each pass keeps the order of the one before. */
static bool sort_by_head(sort_row **rows, uint32_t n) {
    sort_row *other = hl_new(n, sizeof *other);
    uint32_t *at = hl_new(65536, sizeof *at);
    for (int shift = 0; other && at && shift < 64; shift += 16) {
        sort_row *from = *rows;
        uint32_t  sum = 0;
        memset(at, 0, 65536 * sizeof *at);
        for (uint32_t i = 0; i < n; i++) at[from[i].head >> shift & 0xFFFF]++;
        for (uint32_t k = 0; k < 65536; k++) {
            const uint32_t here = at[k];
            at[k] = sum;
            sum += here;
        }
        for (uint32_t i = 0; i < n; i++) other[at[from[i].head >> shift & 0xFFFF]++] = from[i];
        *rows = other;
        other = from;
    }
    const bool ok = other && at;
    hl_free(other);
    hl_free(at);
    return ok;
}

static hl_status sort_tokens(hl_token_trie *t, hl_err *err) {
    sort_row *rows = hl_new(t->n_sorted, sizeof *rows);
    if (!rows) return no_memory(err);
    for (uint32_t i = 0; i < t->n_sorted; i++) {
        const hl_view v = hl_trie_piece(t, t->sorted[i]);
        uint64_t      head = 0;
        for (size_t k = 0; k < 8; k++) head = head << 8 | (k < v.len ? (uint8_t)v.ptr[k] : 0);
        rows[i] = (sort_row){head, v.ptr, (uint32_t)v.len, t->sorted[i]};
    }
    const bool ok = sort_by_head(&rows, t->n_sorted);
    for (uint32_t i = 0, end; ok && i < t->n_sorted; i = end) { /* those that begin with the same 8 bytes */
        for (end = i + 1; end < t->n_sorted && rows[end].head == rows[i].head;) end++;
        if (end - i > 1) qsort(rows + i, end - i, sizeof *rows, compare);
    }
    for (uint32_t i = 0; ok && i < t->n_sorted; i++) t->sorted[i] = rows[i].id;
    hl_free(rows);
    return ok ? HL_OK : no_memory(err);
}

static size_t shared_bytes(hl_view a, hl_view b) {
    const size_t n = a.len < b.len ? a.len : b.len;
    size_t       i = 0;
    while (i < n && a.ptr[i] == b.ptr[i]) i++;
    return i;
}

/* Tokens come sorted: each adds the bytes that the one before does not have. */
static void make_nodes(hl_token_trie *t, uint32_t *open) {
    hl_view before = {NULL, 0};
    for (uint32_t i = 0; i < t->n_sorted; i++) {
        const hl_view v = hl_trie_piece(t, t->sorted[i]);
        const size_t  keep = i ? shared_bytes(before, v) : 0;
        for (size_t d = before.len; d > keep; d--) t->nodes[open[d - 1]].skip = t->n_nodes;
        for (size_t d = keep; d < v.len; d++) {
            open[d] = t->n_nodes;
            t->nodes[t->n_nodes++] =
                (hl_trie_node){.first = i, .depth = (uint16_t)(d + 1), .byte = (uint8_t)v.ptr[d]};
        }
        hl_trie_node *last = &t->nodes[open[v.len - 1]];
        if (last->n++ == 0) last->first = i;
        if (v.len > t->max_depth) t->max_depth = (uint32_t)v.len;
        before = v;
    }
    for (size_t d = before.len; d > 0; d--) t->nodes[open[d - 1]].skip = t->n_nodes;
}

static hl_status build_nodes(hl_token_trie *t, hl_err *err) {
    size_t n = 1;
    for (uint32_t i = 0; i < t->n_sorted; i++) {
        const hl_view v = hl_trie_piece(t, t->sorted[i]);
        n += v.len - (i ? shared_bytes(hl_trie_piece(t, t->sorted[i - 1]), v) : 0);
    }
    uint32_t *open = hl_new(HL_TRIE_MAX_BYTES + 2, sizeof *open);
    t->nodes = hl_new(n, sizeof *t->nodes);
    const bool ok = open && t->nodes;
    if (ok) make_nodes(t, open);
    hl_free(open);
    return ok ? HL_OK : no_memory(err);
}

hl_status hl_token_trie_new(const hl_grammar_tokens *tokens, hl_token_trie **ret_trie, hl_err *err) {
    hl_token_trie *t = hl_new(1, sizeof *t);
    if (!t) return no_memory(err);
    (void)pthread_mutex_init(&t->lock, NULL);
    t->n_vocab = tokens->n_vocab;
    t->n_words = ((uint32_t)tokens->n_vocab + 31) / 32;
    t->n_chains = CHAINS;
    t->start = hl_new((size_t)t->n_vocab + 1, sizeof *t->start);
    t->sorted = hl_new((size_t)t->n_vocab, sizeof *t->sorted);
    t->ends = hl_new((size_t)t->n_vocab, sizeof *t->ends);
    t->chains = hl_new(CHAINS, sizeof(hl_mask *));
    hl_status status = t->start && t->sorted && t->ends && t->chains ? HL_OK : no_memory(err);
    if (status == HL_OK) status = read_pieces(t, tokens, err);
    if (status == HL_OK) status = sort_tokens(t, err);
    if (status == HL_OK) status = build_nodes(t, err);
    if (status == HL_OK)
        *ret_trie = t;
    else
        hl_token_trie_free(t);
    return status;
}

void hl_token_trie_free(hl_token_trie *t) {
    if (!t) return;
    for (uint32_t i = 0; t->chains && i < t->n_chains; i++)
        while (t->chains[i]) {
            hl_mask *m = t->chains[i];
            t->chains[i] = m->next;
            hl_mask_free(m);
        }
    hl_free(t->bytes);
    hl_free(t->start);
    hl_free(t->sorted);
    hl_free(t->nodes);
    hl_free(t->ends);
    hl_free(t->chains);
    (void)pthread_mutex_destroy(&t->lock);
    hl_free(t);
}

bool hl_trie_is_end(const hl_token_trie *t, int32_t id) {
    for (uint32_t i = 0; i < t->n_ends; i++)
        if (t->ends[i] == (uint32_t)id) return true;
    return false;
}

/* ---- the cache ---- */

static hl_mask **chain_of(hl_token_trie *t, const uint64_t key[2]) {
    const uint64_t h = (key[0] ^ key[1] * 0x9E3779B97F4A7C15u) * 0xD6E8FEB86659FD93u;
    return &t->chains[(h >> 32) % t->n_chains];
}

static hl_mask *find_locked(hl_token_trie *t, const uint64_t key[2]) {
    for (hl_mask *m = *chain_of(t, key); m; m = m->next)
        if (m->key[0] == key[0] && m->key[1] == key[1]) {
            m->n_refs++;
            m->used_at = ++t->clock;
            return m;
        }
    return NULL;
}

hl_mask *hl_mask_find(hl_token_trie *t, const uint64_t key[2]) {
    (void)pthread_mutex_lock(&t->lock);
    hl_mask *m = find_locked(t, key);
    (void)pthread_mutex_unlock(&t->lock);
    return m;
}

/* Give up the one that was not used for longest; false: all are in use. */
static bool evict(hl_token_trie *t) {
    hl_mask **oldest = NULL;
    for (uint32_t i = 0; i < t->n_chains; i++)
        for (hl_mask **at = &t->chains[i]; *at; at = &(*at)->next)
            if ((*at)->n_refs == 0 && (!oldest || (*at)->used_at < (*oldest)->used_at)) oldest = at;
    if (!oldest) return false;
    hl_mask *m = *oldest;
    *oldest = m->next;
    t->cache_bytes -= m->bytes;
    hl_mask_free(m);
    return true;
}

hl_mask *hl_mask_publish(hl_token_trie *t, hl_mask *m) {
    (void)pthread_mutex_lock(&t->lock);
    hl_mask *theirs = find_locked(t, m->key);
    if (!theirs) {
        while (t->cache_bytes + m->bytes > HL_MASK_CACHE_BYTES && evict(t)) {
        }
        t->cache_bytes += m->bytes;
        m->n_refs = 1;
        m->used_at = ++t->clock;
        hl_mask **chain = chain_of(t, m->key);
        m->next = *chain;
        *chain = m;
    }
    (void)pthread_mutex_unlock(&t->lock);
    if (!theirs) return m;
    hl_mask_free(m);
    return theirs;
}

void hl_mask_drop(hl_token_trie *t, hl_mask *m) {
    (void)pthread_mutex_lock(&t->lock);
    m->n_refs--;
    (void)pthread_mutex_unlock(&t->lock);
}

void hl_mask_free(hl_mask *m) {
    if (!m) return;
    hl_free(m->inside);
    hl_free(m->by_count);
    hl_free(m->exits);
    hl_free(m->groups);
    hl_free(m);
}
