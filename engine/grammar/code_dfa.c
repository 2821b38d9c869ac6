/* SPDX-License-Identifier: MIT
 *
 * code_dfa.c - building, joining and trimming automata over characters.
 */
#include "engine/grammar/code_dfa.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/mem.h"
#include "core/base/stop.h"
#include "core/base/str.h"

static hl_status no_memory(hl_err *err) { return hl_fail(err, HL_E_NOMEM, "pattern: no memory"); }

void hl_code_dfa_done(hl_code_dfa *d) {
    hl_free(d->edges);
    hl_free(d->first);
    hl_free(d->accepts);
    *d = (hl_code_dfa){0};
}

hl_status hl_code_dfa_add_state(hl_code_dfa *d, bool accepts, hl_err *err) {
    if (d->n_states >= HL_DFA_MAX_STATES)
        return hl_fail(err, HL_E_FULL,
                       "more than %d states are needed: make patterns, lengths or ranges smaller",
                       HL_DFA_MAX_STATES);
    if (d->n_states + 1 >= d->states_cap) {
        const uint32_t cap = d->states_cap ? 2 * d->states_cap : 16;
        uint32_t      *first = hl_resize(d->first, cap + 1, sizeof *first);
        if (first) d->first = first;
        bool *acc = hl_resize(d->accepts, cap, sizeof *acc);
        if (acc) d->accepts = acc;
        if (!first || !acc) return no_memory(err);
        d->states_cap = cap;
    }
    d->accepts[d->n_states] = accepts;
    d->first[d->n_states] = d->n_edges;
    d->first[++d->n_states] = d->n_edges;
    return HL_OK;
}

hl_status hl_code_dfa_add_edge(hl_code_dfa *d, uint32_t lo, uint32_t hi, uint32_t to, hl_err *err) {
    hl_code_edge *last = d->n_edges > d->first[d->n_states - 1] ? &d->edges[d->n_edges - 1] : NULL;
    if (last && last->to == to && last->hi + 1 == lo) { /* the same way goes on */
        last->hi = hi;
        return HL_OK;
    }
    if (d->n_edges >= HL_DFA_MAX_EDGES)
        return hl_fail(err, HL_E_FULL,
                       "more than %d edges are needed: make patterns, lengths or ranges smaller",
                       HL_DFA_MAX_EDGES);
    if (d->n_edges == d->edges_cap) {
        const uint32_t cap = d->edges_cap ? 2 * d->edges_cap : 32;
        hl_code_edge  *more = hl_resize(d->edges, cap, sizeof *more);
        if (!more) return no_memory(err);
        d->edges = more;
        d->edges_cap = cap;
    }
    d->edges[d->n_edges++] = (hl_code_edge){lo, hi, to};
    d->first[d->n_states] = d->n_edges;
    return HL_OK;
}

hl_status hl_code_dfa_lengths(uint32_t least, uint32_t most, hl_code_dfa *ret, hl_err *err) {
    const bool     has_end = most != UINT32_MAX;
    const uint32_t n = has_end ? most : least;
    hl_status      status = HL_OK;
    *ret = (hl_code_dfa){0};
    for (uint32_t i = 0; i <= n && status == HL_OK; i++) {
        status = hl_code_dfa_add_state(ret, i >= least, err);
        if (status == HL_OK && (i < n || !has_end))
            status = hl_code_dfa_add_edge(ret, 0, HL_CODE_MAX, i < n ? i + 1 : i, err);
    }
    if (status != HL_OK) hl_code_dfa_done(ret);
    return status;
}

/* ---- words ---- */

static int compare_words(const void *a, const void *b) {
    const hl_view *x = a, *y = b;
    const size_t   n = x->len < y->len ? x->len : y->len;
    const int      c = n ? memcmp(x->ptr, y->ptr, n) : 0;
    return c != 0 ? c : x->len < y->len ? -1 : x->len > y->len;
}

/* Words [from, to) agree in their first `at` bytes; a state for what follows, and those behind it. States
 * are numbered in the order in which they are met, so they are listed first and expanded in turn. */
typedef struct word_span {
    size_t from, to, at;
} word_span;

static hl_status add_word_states(const hl_view *w, word_span *todo, size_t cap, hl_code_dfa *d, hl_err *err) {
    size_t    n_todo = 1;
    hl_status status = HL_OK;
    for (size_t i = 0; i < n_todo && status == HL_OK; i++) {
        word_span s = todo[i];
        bool      ends = false;
        while (s.from < s.to && w[s.from].len == s.at) s.from++, ends = true;
        status = hl_code_dfa_add_state(d, ends, err);
        while (s.from < s.to && status == HL_OK) {
            uint32_t      c = 0;
            const hl_view v = w[s.from];
            const size_t  n = hl_utf8_read(v.ptr + s.at, v.len - s.at, &c);
            if (n == 0) return hl_fail(err, HL_E_FORMAT, "a text is no UTF-8");
            size_t end = s.from + 1;
            while (end < s.to && w[end].len >= s.at + n && memcmp(w[end].ptr + s.at, v.ptr + s.at, n) == 0)
                end++;
            if (n_todo == cap) return hl_fail(err, HL_E_FULL, "too many or too long words");
            todo[n_todo] = (word_span){s.from, end, s.at + n};
            status = hl_code_dfa_add_edge(d, c, c, (uint32_t)n_todo++, err);
            s.from = end;
        }
    }
    return status;
}

hl_status hl_code_dfa_words(const hl_view *words, size_t n, hl_code_dfa *ret, hl_err *err) {
    size_t cap = 1;
    *ret = (hl_code_dfa){0};
    for (size_t i = 0; i < n; i++) cap += words[i].len;
    if (cap > HL_DFA_MAX_STATES) cap = HL_DFA_MAX_STATES;
    hl_view   *sorted = hl_new(n, sizeof *sorted);
    word_span *todo = hl_new(cap, sizeof *todo);
    hl_status  status = sorted && todo ? HL_OK : no_memory(err);
    if (status == HL_OK) {
        if (n > 0) memcpy(sorted, words, n * sizeof *sorted);
        if (n > 1) qsort(sorted, n, sizeof *sorted, compare_words);
        todo[0] = (word_span){0, n, 0};
        status = add_word_states(sorted, todo, cap, ret, err);
    }
    hl_free(sorted);
    hl_free(todo);
    if (status != HL_OK) hl_code_dfa_done(ret);
    return status;
}

/* ---- joining ---- */

/* Pairs of states that were met, by number; a table finds them again. */
typedef struct pair_table {
    uint64_t *pairs; /* [n] */
    uint32_t *slots; /* [n_slots] number + 1; 0: free */
    uint32_t  n, n_slots;
} pair_table;

static bool pair_grow(pair_table *t) {
    const uint32_t n_slots = t->n_slots ? 2 * t->n_slots : 256;
    uint32_t      *slots = hl_new(n_slots, sizeof *slots);
    uint64_t      *pairs = hl_resize(t->pairs, n_slots / 2 + 1, sizeof *pairs);
    if (pairs) t->pairs = pairs;
    if (!slots || !pairs) {
        hl_free(slots);
        return false;
    }
    for (uint32_t i = 0; i < t->n; i++) {
        uint32_t h = (uint32_t)((pairs[i] * 0x9E3779B97F4A7C15u) >> 32) & (n_slots - 1);
        while (slots[h]) h = (h + 1) & (n_slots - 1);
        slots[h] = i + 1;
    }
    hl_free(t->slots);
    t->slots = slots;
    t->n_slots = n_slots;
    return true;
}

static uint32_t pair_number(pair_table *t, uint32_t a, uint32_t b) {
    if (2 * (t->n + 1) > t->n_slots && !pair_grow(t)) return HL_DFA_NONE;
    const uint64_t key = (uint64_t)a << 32 | b;
    uint32_t       h = (uint32_t)((key * 0x9E3779B97F4A7C15u) >> 32) & (t->n_slots - 1);
    while (t->slots[h]) {
        if (t->pairs[t->slots[h] - 1] == key) return t->slots[h] - 1;
        h = (h + 1) & (t->n_slots - 1);
    }
    t->pairs[t->n] = key;
    t->slots[h] = ++t->n;
    return t->n - 1;
}

/* Edges of a pair: where a goes on, cut where b's ways change. b HL_DFA_NONE: it is out of the game. */
static hl_status join_edges(const hl_code_dfa *a, const hl_code_dfa *b, uint32_t sa, uint32_t sb,
                            bool negated, pair_table *t, hl_code_dfa *ret, hl_err *err) {
    hl_status      status = HL_OK;
    uint32_t       kb = sb == HL_DFA_NONE ? 0 : b->first[sb];
    const uint32_t end_b = sb == HL_DFA_NONE ? 0 : b->first[sb + 1];
    for (uint32_t ka = a->first[sa]; ka < a->first[sa + 1] && status == HL_OK; ka++) {
        const hl_code_edge e = a->edges[ka];
        for (uint32_t at = e.lo; at <= e.hi && status == HL_OK;) {
            while (kb < end_b && b->edges[kb].hi < at) kb++;
            const bool     has = kb < end_b && b->edges[kb].lo <= at;
            const uint32_t until = has                                        ? b->edges[kb].hi
                                   : kb < end_b && b->edges[kb].lo - 1 < e.hi ? b->edges[kb].lo - 1
                                                                              : e.hi;
            const uint32_t hi = until < e.hi ? until : e.hi;
            if (has || negated) {
                const uint32_t to = pair_number(t, e.to, has ? b->edges[kb].to : HL_DFA_NONE);
                status = to == HL_DFA_NONE ? no_memory(err) : hl_code_dfa_add_edge(ret, at, hi, to, err);
            }
            at = hi + 1;
        }
    }
    return status;
}

hl_status hl_code_dfa_join(const hl_code_dfa *a, const hl_code_dfa *b, bool negated, hl_code_dfa *ret,
                           hl_err *err) {
    pair_table t = {0};
    hl_status  status = HL_OK;
    *ret = (hl_code_dfa){0};
    if (a->n_states == 0 || (b->n_states == 0 && !negated)) return hl_code_dfa_add_state(ret, false, err);
    if (pair_number(&t, 0, b->n_states ? 0 : HL_DFA_NONE) == HL_DFA_NONE) status = no_memory(err);
    for (uint32_t i = 0; i < t.n && status == HL_OK; i++) {
        const uint32_t sa = (uint32_t)(t.pairs[i] >> 32), sb = (uint32_t)t.pairs[i];
        const bool     in_b = sb != HL_DFA_NONE && b->accepts[sb];
        if (i % 256 == 0) status = hl_stop_check("pattern", err);
        if (status == HL_OK) status = hl_code_dfa_add_state(ret, a->accepts[sa] && in_b != negated, err);
        if (status == HL_OK) status = join_edges(a, b, sa, sb, negated, &t, ret, err);
    }
    hl_free(t.pairs);
    hl_free(t.slots);
    if (status == HL_OK) status = hl_code_dfa_trim(ret, err);
    if (status != HL_OK) hl_code_dfa_done(ret);
    return status;
}

hl_status hl_code_dfa_narrow(hl_code_dfa *a, const hl_code_dfa *b, bool negated, hl_err *err) {
    hl_code_dfa both;
    hl_status   status = hl_code_dfa_join(a, b, negated, &both, err);
    if (status != HL_OK) return status;
    hl_code_dfa_done(a);
    *a = both;
    return HL_OK;
}

/* ---- trimming ---- */

/* Mark what can be accepted from, backwards over edges. */
static hl_status find_live(const hl_code_dfa *d, bool *live, hl_err *err) {
    uint32_t  *from = hl_new(d->n_edges, sizeof *from), *next = hl_new(d->n_edges, sizeof *next);
    uint32_t  *into = hl_new(d->n_states, sizeof *into), *todo = hl_new(d->n_states, sizeof *todo);
    uint32_t   n_todo = 0;
    const bool ok = from && next && into && todo;
    for (uint32_t s = 0; ok && s < d->n_states; s++) into[s] = HL_DFA_NONE;
    for (uint32_t s = 0; ok && s < d->n_states; s++) {
        if (d->accepts[s]) live[s] = true, todo[n_todo++] = s;
        for (uint32_t e = d->first[s]; e < d->first[s + 1]; e++) {
            from[e] = s;
            next[e] = into[d->edges[e].to];
            into[d->edges[e].to] = e;
        }
    }
    while (ok && n_todo > 0)
        for (uint32_t e = into[todo[--n_todo]]; e != HL_DFA_NONE; e = next[e])
            if (!live[from[e]]) live[from[e]] = true, todo[n_todo++] = from[e];
    hl_free(from);
    hl_free(next);
    hl_free(into);
    hl_free(todo);
    return ok ? HL_OK : no_memory(err);
}

hl_status hl_code_dfa_trim(hl_code_dfa *d, hl_err *err) {
    bool     *live = hl_new(d->n_states, sizeof *live);
    uint32_t *number = hl_new(d->n_states, sizeof *number);
    hl_status status = live && number ? find_live(d, live, err) : no_memory(err);
    if (status == HL_OK) {
        live[0] = true;
        uint32_t n = 0, n_edges = 0;
        for (uint32_t s = 0; s < d->n_states; s++) number[s] = live[s] ? n++ : HL_DFA_NONE;
        for (uint32_t s = 0; s < d->n_states; s++) {
            const uint32_t begin = d->first[s], end = d->first[s + 1], first = n_edges;
            if (!live[s]) continue;
            for (uint32_t e = begin; e < end; e++) {
                if (!live[d->edges[e].to]) continue;
                d->edges[n_edges] = d->edges[e];
                d->edges[n_edges++].to = number[d->edges[e].to];
            }
            d->first[number[s]] = first;
            d->accepts[number[s]] = d->accepts[s];
        }
        d->n_states = n;
        d->n_edges = d->first[n] = n_edges;
    }
    hl_free(live);
    hl_free(number);
    return status;
}

bool hl_code_dfa_is_empty(const hl_code_dfa *d) {
    for (uint32_t s = 0; s < d->n_states; s++)
        if (d->accepts[s]) return false;
    return true;
}

bool hl_code_dfa_matches(const hl_code_dfa *d, hl_view text) {
    uint32_t s = 0;
    if (d->n_states == 0) return false;
    for (size_t i = 0, n; i < text.len; i += n) {
        uint32_t c = 0, e = d->first[s];
        n = hl_utf8_read(text.ptr + i, text.len - i, &c);
        if (n == 0) return false;
        while (e < d->first[s + 1] && d->edges[e].hi < c) e++;
        if (e == d->first[s + 1] || d->edges[e].lo > c) return false;
        s = d->edges[e].to;
    }
    return d->accepts[s];
}

/* Layer by layer: the states that some text of n characters leads to. */
bool hl_code_dfa_has_lengths(const hl_code_dfa *d, uint32_t least, uint32_t most) {
    bool *at = hl_new(d->n_states, sizeof *at), *next = hl_new(d->n_states, sizeof *next);
    bool  good = at && next && d->n_states > 0;
    if (good) at[0] = true;
    for (uint32_t n = 0; good && n <= d->n_states; n++) {
        bool any = false;
        memset(next, 0, d->n_states * sizeof *next);
        for (uint32_t s = 0; s < d->n_states; s++) {
            if (!at[s]) continue;
            if (d->accepts[s] && (n < least || n > most)) good = false;
            for (uint32_t e = d->first[s]; e < d->first[s + 1]; e++) any = next[d->edges[e].to] = true;
        }
        if (n == d->n_states && any && most != UINT32_MAX) good = false; /* it has a circle */
        if (!any || (n >= least && most == UINT32_MAX)) break;
        bool *swap = at;
        at = next;
        next = swap;
    }
    hl_free(at);
    hl_free(next);
    return good;
}
