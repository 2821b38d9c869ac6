/* SPDX-License-Identifier: MIT
 *
 * merge.c - a scan for short pieces, a heap for long ones.
 */
#include "engine/tokenizer/merge.h"

#include <string.h>

#include "core/base/mem.h"
#include "core/base/stop.h"
#include "core/base/str.h"

enum { SHORT_SYMBOLS = 32, PAIRS_PER_LOOK = 1024 };
static const uint32_t NO_SYMBOL = UINT32_MAX;

static size_t char_bytes(const char *p, size_t n) {
    uint32_t     cp = 0;
    const size_t len = (unsigned char)*p < 0x80 ? 1 : hl_utf8_read(p, n, &cp);
    return len ? len : 1;
}

/* --- short pieces: symbols in a row, look for the best pair each time --- */

typedef struct symbol {
    uint32_t start;
    uint32_t rank; /* of the pair with the next symbol */
    int32_t  id;
    int32_t  pair_id; /* what that pair becomes */
} symbol;

static void rank_short(const hl_merge_rules *r, const char *text, symbol *s, size_t i, size_t n_symbols) {
    s[i].rank = HL_MERGE_NEVER;
    if (i + 1 >= n_symbols) return;
    const uint32_t start = s[i].start;
    s[i].rank = r->rank(r->user, text + start, s[i + 2].start - start, s[i + 1].start - start, &s[i].pair_id);
}

static hl_status merge_short(const hl_merge_rules *r, const char *text, symbol *s, size_t n,
                             hl_merge_emit_fn *emit, void *user, hl_err *err) {
    for (size_t i = 0; i < n; i++) rank_short(r, text, s, i, n);
    for (;;) {
        size_t best = 0;
        for (size_t i = 1; i + 1 < n; i++)
            if (s[i].rank < s[best].rank) best = i;
        if (s[best].rank == HL_MERGE_NEVER) break;
        s[best].id = s[best].pair_id;
        memmove(&s[best + 1], &s[best + 2], (n - best - 1) * sizeof *s); /* s[n] is the end mark */
        n--;
        rank_short(r, text, s, best, n);
        if (best > 0) rank_short(r, text, s, best - 1, n);
    }
    for (size_t i = 0; i < n; i++) {
        const hl_status status = emit(user, text + s[i].start, s[i + 1].start - s[i].start, s[i].id, err);
        if (status != HL_OK) return status;
    }
    return HL_OK;
}

/* --- long pieces: a heap of pairs; one whose symbols have changed since is skipped when it comes up --- */

typedef struct hl_merge_pair {
    uint32_t rank;
    uint32_t start; /* of the left symbol */
    uint32_t n;     /* bytes of both: another number now means another pair */
    int32_t  id;
} hl_merge_pair;

static bool pair_less(const hl_merge_pair *a, const hl_merge_pair *b) {
    return a->rank != b->rank ? a->rank < b->rank : a->start < b->start;
}

static void sift_down(hl_merge_pair *h, size_t n, size_t i) {
    const hl_merge_pair x = h[i];
    for (size_t child; (child = 2 * i + 1) < n; i = child) {
        if (child + 1 < n && pair_less(&h[child + 1], &h[child])) child++;
        if (!pair_less(&h[child], &x)) break;
        h[i] = h[child];
    }
    h[i] = x;
}

static void sift_up(hl_merge_pair *h, size_t i) {
    const hl_merge_pair x = h[i];
    for (; i > 0 && pair_less(&x, &h[(i - 1) / 2]); i = (i - 1) / 2) h[i] = h[(i - 1) / 2];
    h[i] = x;
}

static hl_status no_memory(hl_err *err, size_t n) {
    return hl_fail(err, HL_E_NOMEM, "no memory to tokenize a piece of %zu bytes", n);
}

static bool reserve_text(hl_merge_scratch *s, size_t n) {
    if (n <= s->cap) return true;
    const size_t cap = n + n / 2;
    uint32_t    *n_bytes = hl_resize(s->n_bytes, cap, sizeof *n_bytes);
    if (n_bytes) s->n_bytes = n_bytes;
    uint32_t *prev = hl_resize(s->prev, cap, sizeof *prev);
    if (prev) s->prev = prev;
    int32_t *ids = hl_resize(s->ids, cap, sizeof *ids);
    if (ids) s->ids = ids;
    if (!n_bytes || !prev || !ids) return false;
    s->cap = cap;
    return true;
}

static bool reserve_heap(hl_merge_scratch *s, size_t n) {
    if (n <= s->cap_heap) return true;
    const size_t   cap = n + n / 2;
    hl_merge_pair *heap = hl_resize(s->heap, cap, sizeof *heap);
    if (!heap) return false;
    s->heap = heap;
    s->cap_heap = cap;
    return true;
}

void hl_merge_scratch_done(hl_merge_scratch *s) {
    hl_free(s->n_bytes);
    hl_free(s->prev);
    hl_free(s->ids);
    hl_free(s->heap);
    *s = (hl_merge_scratch){0};
}

/* The pair of the symbol at `left` and the next one goes to the end of the heap's array, if it may merge. */
static bool add_pair(const hl_merge_rules *r, hl_merge_scratch *s, const char *text, size_t n,
                     uint32_t left) {
    const uint32_t n_left = s->n_bytes[left];
    const size_t   right = (size_t)left + n_left;
    if (right >= n) return false;
    hl_merge_pair *p = &s->heap[s->n_heap];
    *p = (hl_merge_pair){.start = left, .n = n_left + s->n_bytes[right]};
    p->rank = r->rank(r->user, text + left, p->n, n_left, &p->id);
    if (p->rank == HL_MERGE_NEVER) return false;
    s->n_heap++;
    return true;
}

static hl_status look(size_t *n_since, hl_err *err) {
    if (++*n_since < PAIRS_PER_LOOK) return HL_OK;
    *n_since = 0;
    return hl_stop_check("tokenize", err);
}

static size_t set_symbols(hl_merge_scratch *s, const char *text, size_t n) {
    size_t n_symbols = 0;
    memset(s->n_bytes, 0, n * sizeof *s->n_bytes);
    for (size_t at = 0, before = NO_SYMBOL; at < n; n_symbols++) {
        const size_t len = char_bytes(text + at, n - at);
        s->n_bytes[at] = (uint32_t)len;
        s->prev[at] = (uint32_t)before;
        s->ids[at] = -1;
        before = at;
        at += len;
    }
    return n_symbols;
}

/* All pairs of neighbours, as a heap. */
static hl_status fill_heap(const hl_merge_rules *r, hl_merge_scratch *s, const char *text, size_t n,
                           hl_err *err) {
    size_t n_since = 0;
    s->n_heap = 0;
    for (size_t at = 0; at < n; at += s->n_bytes[at]) {
        const hl_status status = look(&n_since, err);
        if (status != HL_OK) return status;
        (void)add_pair(r, s, text, n, (uint32_t)at);
    }
    for (size_t i = s->n_heap / 2; i-- > 0;) sift_down(s->heap, s->n_heap, i);
    return HL_OK;
}

static hl_status merge_pairs(const hl_merge_rules *r, hl_merge_scratch *s, const char *text, size_t n,
                             hl_err *err) {
    for (size_t n_since = 0; s->n_heap > 0;) {
        const hl_status status = look(&n_since, err);
        if (status != HL_OK) return status;
        const hl_merge_pair p = s->heap[0];
        s->heap[0] = s->heap[--s->n_heap];
        if (s->n_heap) sift_down(s->heap, s->n_heap, 0);
        const uint32_t n_left = s->n_bytes[p.start];
        if (n_left == 0 || n_left >= p.n || n_left + s->n_bytes[p.start + n_left] != p.n) continue;
        s->n_bytes[p.start + n_left] = 0;
        s->n_bytes[p.start] = p.n;
        s->ids[p.start] = p.id;
        if ((size_t)p.start + p.n < n) s->prev[p.start + p.n] = p.start;
        if (add_pair(r, s, text, n, p.start)) sift_up(s->heap, s->n_heap - 1);
        if (s->prev[p.start] != NO_SYMBOL && add_pair(r, s, text, n, s->prev[p.start]))
            sift_up(s->heap, s->n_heap - 1);
    }
    return HL_OK;
}

static hl_status merge_long(const hl_merge_rules *r, hl_merge_scratch *s, const char *text, size_t n,
                            hl_merge_emit_fn *emit, void *user, hl_err *err) {
    if (!reserve_text(s, n)) return no_memory(err, n);
    const size_t n_symbols = set_symbols(s, text, n);
    /* Every merge takes one pair off and adds at most two: the heap never outgrows twice the symbols. */
    if (!reserve_heap(s, 2 * n_symbols + 2)) return no_memory(err, n);
    hl_status status = fill_heap(r, s, text, n, err);
    if (status == HL_OK) status = merge_pairs(r, s, text, n, err);
    for (size_t at = 0; status == HL_OK && at < n; at += s->n_bytes[at])
        status = emit(user, text + at, s->n_bytes[at], s->ids[at], err);
    return status;
}

hl_status hl_merge(const hl_merge_rules *rules, hl_merge_scratch *s, const char *text, size_t n,
                   hl_merge_emit_fn *emit, void *user, hl_err *err) {
    symbol symbols[SHORT_SYMBOLS + 2];
    size_t n_symbols = 0, at = 0;
    while (at < n && n_symbols < SHORT_SYMBOLS) {
        symbols[n_symbols++] = (symbol){.start = (uint32_t)at, .id = -1};
        at += char_bytes(text + at, n - at);
    }
    if (at < n) return merge_long(rules, s, text, n, emit, user, err);
    symbols[n_symbols] = (symbol){.start = (uint32_t)n};
    return n_symbols ? merge_short(rules, text, symbols, n_symbols, emit, user, err) : HL_OK;
}
