/* SPDX-License-Identifier: MIT
 *
 * regex.c - from a tree to a nondeterministic automaton (Thompson 1968), and from that to a deterministic
 * one by sets of its states.
 */
#include <stdlib.h>
#include <string.h>

#include "core/base/mem.h"
#include "core/base/stop.h"
#include "engine/grammar/regex_priv.h"

enum {
    MAX_NFA = 60000,
    MAX_MADE = 1 << 20,  /* nodes, each as often as it is repeated */
    MAX_WORK = 60 << 20, /* members of sets that are looked at */
};

/* A state has at most one set of characters, or up to two ways without one. */
typedef struct nfa_state {
    uint32_t first, n; /* ranges; n 0: none */
    uint32_t to, also; /* HL_DFA_NONE: none */
} nfa_state;

typedef struct nfa_maker {
    const hl_regex_tree *tree;
    nfa_state           *states;
    uint32_t             n, cap, n_made;
    hl_err              *err;
    hl_status            status;
} nfa_maker;

static uint32_t add_state(nfa_maker *m, nfa_state s) {
    if (m->status != HL_OK) return 0;
    if (m->n == MAX_NFA) {
        m->status = hl_fail(m->err, HL_E_FULL,
                            "regular expression: more than %d states are needed: repeat less", MAX_NFA);
        return 0;
    }
    if (m->n == m->cap) {
        const uint32_t cap = m->cap ? 2 * m->cap : 128;
        nfa_state     *more = hl_resize(m->states, cap, sizeof *more);
        if (!more) {
            m->status = hl_fail(m->err, HL_E_NOMEM, "regular expression: no memory");
            return 0;
        }
        m->states = more;
        m->cap = cap;
    }
    m->states[m->n] = s;
    return m->n++;
}

static uint32_t split(nfa_maker *m, uint32_t to, uint32_t also) {
    return add_state(m, (nfa_state){.to = to, .also = also});
}

/* All are made from the end: the state in front of `next`. */
static uint32_t make(nfa_maker *m, uint32_t node, uint32_t next);

static uint32_t make_chain(nfa_maker *m, uint32_t child, uint32_t next) {
    uint32_t n = 0, *list;
    for (uint32_t c = child; c != HL_DFA_NONE; c = m->tree->nodes[c].next) n++;
    list = hl_new(n, sizeof *list);
    if (!list) {
        if (m->status == HL_OK) m->status = hl_fail(m->err, HL_E_NOMEM, "regular expression: no memory");
        return 0;
    }
    n = 0;
    for (uint32_t c = child; c != HL_DFA_NONE; c = m->tree->nodes[c].next) list[n++] = c;
    while (n > 0 && m->status == HL_OK) next = make(m, list[--n], next);
    hl_free(list);
    return next;
}

static uint32_t make_repeat(nfa_maker *m, const hl_regex_node *n, uint32_t next) {
    uint32_t at = next;
    if (n->most == UINT32_MAX) {
        const uint32_t loop = split(m, HL_DFA_NONE, next);
        const uint32_t body = make(m, n->child, loop);
        if (m->status == HL_OK) m->states[loop].to = body;
        at = loop;
    } else {
        for (uint32_t i = n->least; i < n->most && m->status == HL_OK; i++)
            at = split(m, make(m, n->child, at), next);
    }
    for (uint32_t i = 0; i < n->least && m->status == HL_OK; i++) at = make(m, n->child, at);
    return at;
}

static uint32_t make(nfa_maker *m, uint32_t node, uint32_t next) {
    const hl_regex_node *n = &m->tree->nodes[node];
    if (m->status == HL_OK && ++m->n_made > MAX_MADE)
        m->status = hl_fail(m->err, HL_E_FULL, "regular expression: it repeats too often");
    if (m->status != HL_OK) return 0;
    switch (n->kind) {
    case HL_REGEX_EMPTY: return next;
    case HL_REGEX_SET:
        return add_state(m, (nfa_state){.first = n->first,
                                        .n = n->n ? n->n : 0,
                                        .to = n->n ? next : HL_DFA_NONE,
                                        .also = HL_DFA_NONE});
    case HL_REGEX_CHAIN: return make_chain(m, n->child, next);
    case HL_REGEX_CHOICE: {
        uint32_t at = HL_DFA_NONE;
        for (uint32_t c = n->child; c != HL_DFA_NONE && m->status == HL_OK; c = m->tree->nodes[c].next)
            at = split(m, make(m, c, next), at);
        return at;
    }
    case HL_REGEX_REPEAT: return make_repeat(m, n, next);
    }
    return next;
}

/* ---- sets of states ---- */

typedef struct subsets {
    const nfa_maker *nfa;
    uint32_t        *members; /* of all sets, one behind the other */
    uint32_t        *first;   /* [n + 1] */
    uint32_t         n, n_cap;
    size_t           n_members, members_cap;
    uint32_t        *slots; /* number + 1 */
    uint32_t         n_slots;
    uint32_t        *seen; /* [nfa->n] the round in which a state was added */
    uint32_t         round;
    uint32_t        *todo; /* [nfa->n] */
    size_t           work;
    hl_err          *err;
    hl_status        status;
} subsets;

static bool room(subsets *s) {
    if (s->n_members + s->nfa->n + 1 > s->members_cap) {
        const size_t cap = 2 * (s->n_members + s->nfa->n + 1);
        uint32_t    *more = hl_resize(s->members, cap, sizeof *more);
        if (!more) return false;
        s->members = more;
        s->members_cap = cap;
    }
    if (s->n + 2 > s->n_cap) {
        const uint32_t cap = s->n_cap ? 2 * s->n_cap : 64;
        uint32_t      *more = hl_resize(s->first, cap + 1, sizeof *more);
        if (!more) return false;
        s->first = more;
        s->n_cap = cap;
    }
    return true;
}

static void begin_set(subsets *s) {
    if (s->status == HL_OK && !room(s))
        s->status = hl_fail(s->err, HL_E_NOMEM, "regular expression: no memory");
    if (s->status != HL_OK) return;
    s->first[s->n] = (uint32_t)s->n_members;
    s->round++;
}

/* A state and all that is reached from it without a character. */
static void add_member(subsets *s, uint32_t state) {
    uint32_t n_todo = 0;
    if (s->status != HL_OK || state == HL_DFA_NONE || s->seen[state] == s->round) return;
    s->seen[state] = s->round;
    s->todo[n_todo++] = state;
    while (n_todo > 0) {
        const uint32_t   at = s->todo[--n_todo];
        const nfa_state *x = &s->nfa->states[at];
        s->work++;
        s->members[s->n_members++] = at;
        if (x->n > 0) continue;
        const uint32_t ways[] = {x->to, x->also};
        for (int i = 0; i < 2; i++) {
            if (ways[i] == HL_DFA_NONE || s->seen[ways[i]] == s->round) continue;
            s->seen[ways[i]] = s->round;
            s->todo[n_todo++] = ways[i];
        }
    }
}

static int compare_ids(const void *a, const void *b) {
    const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

static uint32_t hash_of(const uint32_t *p, size_t n) {
    uint64_t h = n;
    for (size_t i = 0; i < n; i++) h = (h ^ p[i]) * 0x9E3779B97F4A7C15u;
    return (uint32_t)(h >> 32);
}

static bool grow_slots(subsets *s) {
    const uint32_t n_slots = s->n_slots ? 2 * s->n_slots : 256;
    uint32_t      *slots = hl_new(n_slots, sizeof *slots);
    if (!slots) return false;
    for (uint32_t i = 0; i < s->n; i++) {
        uint32_t h = hash_of(s->members + s->first[i], s->first[i + 1] - s->first[i]) & (n_slots - 1);
        while (slots[h]) h = (h + 1) & (n_slots - 1);
        slots[h] = i + 1;
    }
    hl_free(s->slots);
    s->slots = slots;
    s->n_slots = n_slots;
    return true;
}

/* The number of the set that was begun: an old one where it was there. Empty: HL_DFA_NONE. */
static uint32_t end_set(subsets *s) {
    if (s->status != HL_OK || s->n_members == s->first[s->n]) return HL_DFA_NONE;
    if (2 * (s->n + 1) > s->n_slots && !grow_slots(s)) {
        s->status = hl_fail(s->err, HL_E_NOMEM, "regular expression: no memory");
        return HL_DFA_NONE;
    }
    uint32_t    *own = s->members + s->first[s->n];
    const size_t n = s->n_members - s->first[s->n];
    qsort(own, n, sizeof *own, compare_ids);
    uint32_t h = hash_of(own, n) & (s->n_slots - 1);
    while (s->slots[h]) {
        const uint32_t i = s->slots[h] - 1;
        if (s->first[i + 1] - s->first[i] == n &&
            memcmp(s->members + s->first[i], own, n * sizeof *own) == 0) {
            s->n_members = s->first[s->n];
            return i;
        }
        h = (h + 1) & (s->n_slots - 1);
    }
    s->slots[h] = s->n + 1;
    s->first[s->n + 1] = (uint32_t)s->n_members;
    return s->n++;
}

/* All members of a set that a character leads on from. */
static uint32_t step(subsets *s, uint32_t set, uint32_t c) {
    const uint32_t begin = s->first[set], end = s->first[set + 1];
    begin_set(s);
    for (uint32_t i = begin; i < end && s->status == HL_OK; i++) {
        const nfa_state *x = &s->nfa->states[s->members[i]];
        for (uint32_t k = 0; k < x->n; k++) {
            const hl_code_range r = s->nfa->tree->ranges[x->first + k];
            if (c >= r.lo && c <= r.hi) {
                add_member(s, x->to);
                break;
            }
        }
        s->work++;
    }
    if (s->status == HL_OK && s->work > MAX_WORK)
        s->status =
            hl_fail(s->err, HL_E_FULL, "regular expression: it has too many ways to match: make it simpler");
    return end_set(s);
}

/* Where ranges of the members begin or end behind: between two of these, all characters are alike. */
static uint32_t find_cuts(const subsets *s, uint32_t set, uint32_t **cuts, uint32_t *cap) {
    uint32_t n = 0;
    for (uint32_t i = s->first[set]; i < s->first[set + 1]; i++) {
        const nfa_state *x = &s->nfa->states[s->members[i]];
        if (n + 2 * x->n + 2 > *cap) {
            uint32_t *more = hl_resize(*cuts, 2 * ((size_t)n + 2 * x->n + 2), sizeof *more);
            if (!more) return HL_DFA_NONE;
            *cuts = more;
            *cap = 2 * (n + 2 * x->n + 2);
        }
        for (uint32_t k = 0; k < x->n; k++) {
            const hl_code_range r = s->nfa->tree->ranges[x->first + k];
            (*cuts)[n++] = r.lo;
            (*cuts)[n++] = r.hi + 1;
        }
    }
    if (n > 1) qsort(*cuts, n, sizeof **cuts, compare_ids);
    return n;
}

/* What a set accepts: texts that end here, which a step over the end mark tells. */
static bool accepts(subsets *s, uint32_t set) {
    const uint32_t begin = s->first[set], end = s->first[set + 1];
    bool           found = false;
    begin_set(s);
    for (uint32_t i = begin; i < end && s->status == HL_OK; i++) {
        const nfa_state *x = &s->nfa->states[s->members[i]];
        for (uint32_t k = 0; k < x->n; k++) {
            const hl_code_range r = s->nfa->tree->ranges[x->first + k];
            if (r.lo <= HL_REGEX_END && r.hi >= HL_REGEX_END) add_member(s, x->to);
        }
    }
    for (size_t i = s->status == HL_OK ? s->first[s->n] : s->n_members; i < s->n_members; i++)
        found |= s->members[i] == 0;
    if (s->status == HL_OK) s->n_members = s->first[s->n];
    return found;
}

/* Sets have no numbers that rise with those of states: states are made in the order in which sets are found,
 * which is the same order. */
static void make_dfa(subsets *s, uint32_t start, hl_code_dfa *d) {
    uint32_t *cuts = NULL, cap = 0;
    begin_set(s);
    add_member(s, start);
    uint32_t set = end_set(s);
    if (set != HL_DFA_NONE) { /* the text begins behind its mark; the first set is only the way there */
        set = step(s, set, HL_REGEX_BEGIN);
    }
    if (set == HL_DFA_NONE && s->status == HL_OK) s->status = hl_code_dfa_add_state(d, false, s->err);
    const uint32_t base = set;
    for (; set != HL_DFA_NONE && set < s->n && s->status == HL_OK; set++) {
        const bool good = accepts(s, set);
        if (s->status == HL_OK) s->status = hl_stop_check("regular expression", s->err);
        if (s->status == HL_OK) s->status = hl_code_dfa_add_state(d, good, s->err);
        const uint32_t n = s->status == HL_OK ? find_cuts(s, set, &cuts, &cap) : 0;
        if (n == HL_DFA_NONE) s->status = hl_fail(s->err, HL_E_NOMEM, "regular expression: no memory");
        for (uint32_t i = 0; i + 1 < n && s->status == HL_OK; i++) {
            const uint32_t lo = cuts[i], hi = cuts[i + 1] - 1;
            if (lo > hi || lo > HL_CODE_MAX || cuts[i] == cuts[i + 1]) continue;
            const uint32_t to = step(s, set, lo);
            if (to != HL_DFA_NONE && s->status == HL_OK)
                s->status =
                    hl_code_dfa_add_edge(d, lo, hi <= HL_CODE_MAX ? hi : HL_CODE_MAX, to - base, s->err);
        }
    }
    hl_free(cuts);
}

static hl_status determinize(const nfa_maker *m, uint32_t start, hl_code_dfa *ret, hl_err *err) {
    subsets s = {.nfa = m, .err = err};
    s.seen = hl_new(m->n, sizeof *s.seen);
    s.todo = hl_new(m->n, sizeof *s.todo);
    if (!s.seen || !s.todo) s.status = hl_fail(err, HL_E_NOMEM, "regular expression: no memory");
    *ret = (hl_code_dfa){0};
    if (s.status == HL_OK) make_dfa(&s, start, ret);
    hl_free(s.members);
    hl_free(s.first);
    hl_free(s.slots);
    hl_free(s.seen);
    hl_free(s.todo);
    if (s.status == HL_OK) s.status = hl_code_dfa_trim(ret, err);
    if (s.status != HL_OK) hl_code_dfa_done(ret);
    return s.status;
}

/* ---- the whole ---- */

/* One of BEGIN, END, or any character. */
static uint32_t add_set(nfa_maker *m, uint32_t range, uint32_t to) {
    return add_state(m, (nfa_state){.first = range, .n = 1, .to = to, .also = HL_DFA_NONE});
}

/* The automaton of (BEGIN any*)? tree (any* END)?, without `any*` where the whole text counts: what does not
 * begin and end with the marks is no text and never looked at. `ahead`: only what follows may be anything. */
static hl_status compile(hl_regex_tree *t, uint32_t node, bool any_before, bool any_behind, hl_code_dfa *ret,
                         hl_err *err) {
    nfa_maker      m = {.tree = t, .err = err};
    const uint32_t marks = t->n_ranges - 3;
    const uint32_t final = add_state(&m, (nfa_state){.to = HL_DFA_NONE, .also = HL_DFA_NONE});
    uint32_t       behind = add_set(&m, marks + 1, final);
    if (any_behind) {
        const uint32_t loop = split(&m, HL_DFA_NONE, behind), any = add_set(&m, marks + 2, loop);
        if (m.status == HL_OK) m.states[loop].to = any;
        behind = loop;
    }
    const uint32_t body = make(&m, node, split(&m, final, behind));
    uint32_t       before = body;
    if (any_before) {
        const uint32_t loop = split(&m, HL_DFA_NONE, body), any = add_set(&m, marks + 2, loop);
        if (m.status == HL_OK) m.states[loop].to = any;
        before = loop;
    }
    const uint32_t start = split(&m, add_set(&m, marks, before), body);
    if (m.status == HL_OK) m.status = determinize(&m, start, ret, err);
    hl_free(m.states);
    return m.status;
}

/* Three ranges behind those of the pattern: BEGIN, END, any character. */
static hl_status add_marks(hl_regex_tree *t, hl_err *err) {
    hl_code_range *more = hl_resize(t->ranges, (size_t)t->n_ranges + 3, sizeof *more);
    if (!more) return hl_fail(err, HL_E_NOMEM, "regular expression: no memory");
    t->ranges = more;
    more[t->n_ranges++] = (hl_code_range){HL_REGEX_BEGIN, HL_REGEX_BEGIN};
    more[t->n_ranges++] = (hl_code_range){HL_REGEX_END, HL_REGEX_END};
    more[t->n_ranges++] = (hl_code_range){0, HL_CODE_MAX};
    return HL_OK;
}

hl_status hl_regex_compile(hl_view text, bool is_whole, hl_code_dfa *ret, hl_err *err) {
    hl_regex_tree t;
    hl_status     status = hl_regex_parse(text, &t, err);
    if (status == HL_OK) status = add_marks(&t, err);
    /* Behind lookaheads, the caret is gone: the rest begins where the text does. */
    if (status == HL_OK) status = compile(&t, t.root, !is_whole && t.n_looks == 0, !is_whole, ret, err);
    for (uint32_t i = 0; i < t.n_looks && status == HL_OK; i++) {
        hl_code_dfa look;
        status = compile(&t, t.looks[i].node, false, true, &look, err);
        if (status == HL_OK) {
            status = hl_code_dfa_narrow(ret, &look, t.looks[i].negated, err);
            hl_code_dfa_done(&look);
        }
        if (status != HL_OK) hl_code_dfa_done(ret);
    }
    hl_regex_tree_done(&t);
    return status;
}
