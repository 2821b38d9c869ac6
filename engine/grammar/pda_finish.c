/* SPDX-License-Identifier: MIT
 *
 * pda_finish.c - what is known of an automaton once it is complete: what leads nowhere, what may be empty,
 * what begins with itself, what follows.
 */
#include <string.h>

#include "core/base/mem.h"
#include "core/base/stop.h"
#include "engine/grammar/pda_priv.h"

enum {
    WIDE_BYTES = 28, /* more than digits and hexadecimal */
    MAX_PASSES = 64, /* what is not known then is taken for anything: follow sets save time, no more */
};

/* Edges by the state they leave: bytes, then nothing, then calls. */
static hl_status sort_edges(hl_pda *p, hl_err *err) {
    const size_t n_keys = (size_t)p->n_states * 3 + 1;
    uint32_t    *at = hl_new(n_keys, sizeof *at);
    p->edges = hl_new(p->n_draft, sizeof *p->edges);
    if (!at || !p->edges) {
        hl_free(at);
        return hl_fail(err, HL_E_NOMEM, "grammar: no memory");
    }
    for (uint32_t i = 0; i < p->n_draft; i++) at[(size_t)p->draft[i].from * 3 + p->draft[i].e.kind + 1]++;
    for (size_t k = 1; k < n_keys; k++) at[k] += at[k - 1];
    for (uint32_t s = 0; s < p->n_states; s++) {
        hl_pda_state *st = &p->states[s];
        st->first_edge = at[(size_t)s * 3];
        st->n_edges = at[(size_t)s * 3 + 3] - st->first_edge;
        st->n_bytes = at[(size_t)s * 3 + 1] - st->first_edge;
    }
    for (uint32_t i = 0; i < p->n_draft; i++)
        p->edges[at[(size_t)p->draft[i].from * 3 + p->draft[i].e.kind]++] = p->draft[i].e;
    p->n_edges = p->n_draft;
    hl_free(at);
    hl_free(p->draft);
    hl_free(p->steps);
    p->draft = NULL;
    p->steps = NULL;
    p->n_draft = p->n_steps = p->steps_cap = 0;
    return HL_OK;
}

/* ---- states from which their rule can end ---- */

/* Marks spread backwards over edges: kept as lists of the edges that lead to a state, or call a rule. */
typedef struct spread {
    hl_pda   *p;
    uint32_t *from;               /* [n_edges] whose edge it is */
    uint32_t *into, *into_next;   /* by state, edges that lead there */
    uint32_t *calls, *calls_next; /* by rule, edges that call it */
    uint32_t *todo;
    uint32_t  n_todo;
    bool     *live, *live_rule;
} spread;

static void spread_done(spread *x) {
    hl_free(x->from);
    hl_free(x->into);
    hl_free(x->into_next);
    hl_free(x->calls);
    hl_free(x->calls_next);
    hl_free(x->todo);
    hl_free(x->live);
    hl_free(x->live_rule);
}

static hl_status spread_init(spread *x, hl_pda *p, hl_err *err) {
    *x = (spread){.p = p};
    x->from = hl_new(p->n_edges, sizeof *x->from);
    x->into = hl_new(p->n_states, sizeof *x->into);
    x->into_next = hl_new(p->n_edges, sizeof *x->into_next);
    x->calls = hl_new(p->n_rules, sizeof *x->calls);
    x->calls_next = hl_new(p->n_edges, sizeof *x->calls_next);
    x->todo = hl_new(p->n_states, sizeof *x->todo);
    x->live = hl_new(p->n_states, sizeof *x->live);
    x->live_rule = hl_new(p->n_rules, sizeof *x->live_rule);
    if (!x->from || !x->into || !x->into_next || !x->calls || !x->calls_next || !x->todo || !x->live ||
        !x->live_rule)
        return hl_fail(err, HL_E_NOMEM, "grammar: no memory");
    for (uint32_t s = 0; s < p->n_states; s++) x->into[s] = HL_PDA_NONE;
    for (uint32_t r = 0; r < p->n_rules; r++) x->calls[r] = HL_PDA_NONE;
    for (uint32_t s = 0; s < p->n_states; s++)
        for (uint32_t i = 0; i < p->states[s].n_edges; i++) {
            const uint32_t e = p->states[s].first_edge + i;
            x->from[e] = s;
            x->into_next[e] = x->into[p->edges[e].to];
            x->into[p->edges[e].to] = e;
            if (p->edges[e].kind != HL_PDA_CALL) continue;
            x->calls_next[e] = x->calls[p->edges[e].rule];
            x->calls[p->edges[e].rule] = e;
        }
    return HL_OK;
}

static void mark(spread *x, uint32_t state) {
    if (x->live[state]) return;
    x->live[state] = true;
    x->todo[x->n_todo++] = state;
}

/* `only_empty`: over nothing, and over calls of rules that are marked; else over bytes, too. */
static void run_spread(spread *x, bool only_empty) {
    const hl_pda *p = x->p;
    for (uint32_t s = 0; s < p->n_states; s++)
        if (p->states[s].accepts) mark(x, s);
    while (x->n_todo > 0) {
        const uint32_t s = x->todo[--x->n_todo], r = p->states[s].rule;
        for (uint32_t e = x->into[s]; e != HL_PDA_NONE; e = x->into_next[e]) {
            const hl_pda_edge *g = &p->edges[e];
            if (g->kind == HL_PDA_BYTES && only_empty) continue;
            if (g->kind == HL_PDA_CALL && !x->live_rule[g->rule]) continue;
            if (only_empty && g->past_least && p->rules[r].least > 0) continue;
            mark(x, x->from[e]);
        }
        if (s != p->rules[r].start || x->live_rule[r]) continue;
        x->live_rule[r] = true;
        for (uint32_t e = x->calls[r]; e != HL_PDA_NONE; e = x->calls_next[e])
            if (x->live[p->edges[e].to]) mark(x, x->from[e]);
    }
}

/* Leave out edges that lead to a state from which its rule cannot end, or call a rule that cannot. */
static void drop_dead(hl_pda *p, const spread *x) {
    for (uint32_t s = 0; s < p->n_states; s++) {
        hl_pda_state *st = &p->states[s];
        uint32_t      kept = 0, bytes = 0;
        for (uint32_t i = 0; i < st->n_edges; i++) {
            const hl_pda_edge e = p->edges[st->first_edge + i];
            if (!x->live[e.to] || (e.kind == HL_PDA_CALL && !x->live_rule[e.rule])) continue;
            p->edges[st->first_edge + kept++] = e;
            bytes += e.kind == HL_PDA_BYTES;
        }
        st->n_edges = kept;
        st->n_bytes = bytes;
    }
}

/* A call of a rule that may be empty is a way past it, too: `past` says so where edges are followed. */
static bool is_way_past(const hl_pda *p, const hl_pda_edge *e) {
    return e->kind == HL_PDA_NOTHING || (e->kind == HL_PDA_CALL && p->rules[e->rule].is_nullable);
}

/* ---- rules that begin with themselves ---- */

typedef struct left_walk {
    const hl_pda *p;
    uint8_t      *color; /* by state: 1 on the path, 2 done */
    uint32_t     *stack, *edge_at;
} left_walk;

/* Depth first over what is reached without a byte: a state met twice on the path is a rule in itself. Over
 * nothing alone there is no such circle that matters, so only those with a call in them count. */
static uint32_t find_left(left_walk *w, uint32_t start) {
    uint32_t n = 0;
    w->stack[n] = start;
    w->edge_at[n++] = 0;
    w->color[start] = 1;
    while (n > 0) {
        const uint32_t      s = w->stack[n - 1];
        const hl_pda_state *st = &w->p->states[s];
        if (w->edge_at[n - 1] >= 2 * st->n_edges) {
            w->color[s] = 2;
            n--;
            continue;
        }
        const uint32_t     i = w->edge_at[n - 1]++;
        const hl_pda_edge *e = &w->p->edges[st->first_edge + i / 2];
        uint32_t           to;
        if (i % 2 == 0 && e->kind == HL_PDA_CALL)
            to = w->p->rules[e->rule].start;
        else if (i % 2 == 1 && is_way_past(w->p, e))
            to = e->to;
        else
            continue;
        if (w->color[to] == 1 && i % 2 == 0) return w->p->states[to].rule;
        if (w->color[to] != 0) continue;
        w->color[to] = 1;
        w->stack[n] = to;
        w->edge_at[n++] = 0;
    }
    return HL_PDA_NONE;
}

static hl_status find_left_recursion(const hl_pda *p, uint32_t *ret_left, hl_err *err) {
    left_walk w = {.p = p};
    hl_status status = HL_OK;
    w.color = hl_new(p->n_states, 1);
    w.stack = hl_new(p->n_states, sizeof *w.stack);
    w.edge_at = hl_new(p->n_states, sizeof *w.edge_at);
    if (!w.color || !w.stack || !w.edge_at) status = hl_fail(err, HL_E_NOMEM, "grammar: no memory");
    *ret_left = HL_PDA_NONE;
    for (uint32_t r = 0; r < p->n_rules && status == HL_OK && *ret_left == HL_PDA_NONE; r++)
        if (w.color[p->rules[r].start] == 0) *ret_left = find_left(&w, p->rules[r].start);
    hl_free(w.color);
    hl_free(w.stack);
    hl_free(w.edge_at);
    return status;
}

/* ---- what follows, and the rest ---- */

static bool join(hl_byte_set *to, const hl_byte_set *from) {
    bool grew = false;
    for (int i = 0; i < 4; i++) {
        grew |= (from->bits[i] & ~to->bits[i]) != 0;
        to->bits[i] |= from->bits[i];
    }
    return grew;
}

/* First bytes of each state: repeated until nothing grows. False: still not after MAX_PASSES. */
static bool find_first(const hl_pda *p, hl_byte_set *first) {
    bool grew = true;
    for (int pass = 0; grew && pass < MAX_PASSES && !hl_stop_asked(); pass++) {
        grew = false;
        for (uint32_t s = p->n_states; s-- > 0;) {
            const hl_pda_state *st = &p->states[s];
            hl_byte_set         f = first[s];
            for (uint32_t i = 0; i < st->n_edges; i++) {
                const hl_pda_edge *e = &p->edges[st->first_edge + i];
                if (e->kind == HL_PDA_BYTES) hl_byte_set_add(&f, hl_pda_lo(e), hl_pda_hi(e));
                if (e->kind == HL_PDA_CALL) (void)join(&f, &first[p->rules[e->rule].start]);
                if (is_way_past(p, e)) (void)join(&f, &first[e->to]);
            }
            grew |= join(&first[s], &f);
        }
    }
    return !grew;
}

static bool find_follow(hl_pda *p, const hl_byte_set *first, const bool *can_end) {
    bool grew = true;
    for (int pass = 0; grew && pass < MAX_PASSES && !hl_stop_asked(); pass++) {
        grew = false;
        for (uint32_t s = 0; s < p->n_states; s++) {
            const hl_pda_state *st = &p->states[s];
            for (uint32_t i = st->n_bytes; i < st->n_edges; i++) {
                const hl_pda_edge *e = &p->edges[st->first_edge + i];
                if (e->kind != HL_PDA_CALL) continue;
                hl_byte_set *f = &p->rules[e->rule].follow;
                grew |= join(f, &first[e->to]);
                if (can_end[e->to]) grew |= join(f, &p->rules[st->rule].follow);
            }
        }
    }
    return !grew;
}

/* Is a wide state reached from here without a byte, within two steps? */
static bool leads_to_wide(const hl_pda *p, uint32_t state, int depth) {
    const hl_pda_state *st = &p->states[state];
    if (st->is_wide || depth == 2) return st->is_wide;
    for (uint32_t i = st->n_bytes; i < st->n_edges && i < st->n_bytes + 8; i++) {
        const hl_pda_edge *e = &p->edges[st->first_edge + i];
        const uint32_t     to = e->kind == HL_PDA_CALL ? p->rules[e->rule].start : e->to;
        if (leads_to_wide(p, to, depth + 1)) return true;
    }
    return false;
}

/* Half of a vocabulary begins with a space: what comes behind one counts, too. */
static bool is_wide_behind_space(const hl_pda *p, const hl_pda_state *st) {
    for (uint32_t i = 0; i < st->n_bytes; i++) {
        const hl_pda_edge *e = &p->edges[st->first_edge + i];
        if (hl_pda_lo(e) <= ' ' && hl_pda_hi(e) >= ' ' && leads_to_wide(p, e->to, 0)) return true;
    }
    return false;
}

static bool is_wide(const hl_pda *p, const hl_pda_state *st) {
    hl_byte_set own = {{0}};
    int         n = 0;
    for (uint32_t i = 0; i < st->n_bytes; i++)
        hl_byte_set_add(&own, hl_pda_lo(&p->edges[st->first_edge + i]),
                        hl_pda_hi(&p->edges[st->first_edge + i]));
    for (int i = 0; i < 4; i++) n += __builtin_popcountll(own.bits[i]);
    return n >= WIDE_BYTES;
}

static void mark_states(hl_pda *p) {
    for (uint32_t s = 0; s < p->n_states; s++) {
        hl_pda_state *st = &p->states[s];
        st->is_wide = is_wide(p, st);
        for (uint32_t i = st->n_bytes; i < st->n_edges; i++) {
            hl_pda_edge *e = &p->edges[st->first_edge + i];
            if (e->kind != HL_PDA_CALL) continue;
            e->is_tail =
                p->states[e->to].accepts && p->states[e->to].n_edges == 0 && !p->rules[e->rule].is_nullable;
        }
    }
    for (uint32_t s = 0; s < p->n_states; s++)
        if (!p->states[s].is_wide && is_wide_behind_space(p, &p->states[s])) p->states[s].is_wide = true;
}

static hl_status find_bytes(hl_pda *p, const bool *can_end, hl_err *err) {
    hl_byte_set *first = hl_new(p->n_states, sizeof *first);
    if (!first) return hl_fail(err, HL_E_NOMEM, "grammar: no memory");
    const bool known = find_first(p, first) && find_follow(p, first, can_end);
    for (uint32_t r = 0; r < p->n_rules && !known; r++) hl_byte_set_add(&p->rules[r].follow, 0, 255);
    hl_free(first);
    return hl_stop_check("grammar", err);
}

hl_status hl_pda_finish(hl_pda *p, uint32_t root, uint32_t *ret_left, bool *ret_empty, hl_err *err) {
    *ret_left = HL_PDA_NONE;
    *ret_empty = false;
    if (p->failed == HL_E_FULL)
        return hl_fail(err, HL_E_FULL,
                       "the format becomes too large: too many %s (at most %d states, %d edges, %d rules)",
                       p->what, HL_PDA_MAX_STATES, HL_PDA_MAX_EDGES, HL_PDA_MAX_RULES);
    if (p->failed != HL_OK) return hl_fail(err, p->failed, "grammar: no memory");
    p->root = root;
    hl_status status = sort_edges(p, err);
    spread    x = {0};
    if (status == HL_OK) status = spread_init(&x, p, err);
    if (status == HL_OK) {
        run_spread(&x, false);
        drop_dead(p, &x);
        *ret_empty = !x.live_rule[root];
    }
    spread_done(&x);
    if (status != HL_OK || *ret_empty) return status;
    status = spread_init(&x, p, err);
    if (status == HL_OK) {
        run_spread(&x, true);
        for (uint32_t r = 0; r < p->n_rules; r++) p->rules[r].is_nullable = x.live_rule[r];
        status = find_left_recursion(p, ret_left, err);
    }
    if (status == HL_OK && *ret_left == HL_PDA_NONE) status = find_bytes(p, x.live, err);
    spread_done(&x);
    if (status == HL_OK) mark_states(p);
    return status;
}
