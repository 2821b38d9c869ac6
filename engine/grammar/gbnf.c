/* SPDX-License-Identifier: MIT
 *
 * gbnf.c - from the trees of a grammar to rules of the automaton.
 *
 * Rules that do not refer to themselves are put in where they are named, while they are small: so what is
 * inside a text stays one automaton, whose masks can be kept.
 */
#include "engine/grammar/gbnf.h"

#include <string.h>

#include "core/base/mem.h"
#include "core/base/str.h"
#include "engine/grammar/gbnf_priv.h"

enum {
    MAX_INLINE = 400,   /* nodes */
    MAX_UNROLLED = 400, /* nodes of a counted repeat; larger ones count while they run */
    MAX_SEARCH = 500,   /* rules in one another */
    MAX_FREE_BYTES = 2000,
};

struct hl_gbnf_names {
    uint32_t n;
    struct {
        hl_view  name;
        uint32_t rule;
    } list[];
};

/* ---- how large ---- */

static uint32_t add_sizes(uint32_t a, uint32_t b) { return a > UINT32_MAX - b ? UINT32_MAX : a + b; }

static uint32_t size_of_rule(hl_gbnf *g, uint32_t rule, int depth);

static uint32_t size_of(hl_gbnf *g, const hl_gbnf_node *n, int depth) {
    uint32_t size = 1 + (uint32_t)n->text.len + n->n_ranges;
    if (n->kind == HL_GBNF_REF) return size_of_rule(g, n->index, depth);
    for (const hl_gbnf_node *c = n->child; c; c = c->next) size = add_sizes(size, size_of(g, c, depth));
    if (n->kind == HL_GBNF_REPEAT && n->most != UINT32_MAX && n->most > 1 && size < UINT32_MAX) {
        const uint64_t all = (uint64_t)size * n->most;
        return all < MAX_UNROLLED ? (uint32_t)all : size; /* else it is a rule of its own */
    }
    return size;
}

static uint32_t size_of_rule(hl_gbnf *g, uint32_t rule, int depth) {
    hl_gbnf_rule *r = &g->rules[rule];
    if (r->state == 2) return r->size;
    if (r->state == 1 || depth > MAX_SEARCH) return UINT32_MAX;
    r->state = 1;
    r->size = size_of(g, r->body, depth + 1);
    r->state = 2;
    return r->size;
}

/* May it be empty? A rule that is asked for while it is looked at is not, for all that is known: such a
 * repeat is refused as one of itself anyway. */
static bool may_be_empty(hl_gbnf *g, const hl_gbnf_node *n, int depth) {
    if (depth > MAX_SEARCH) return true;
    switch (n->kind) {
    case HL_GBNF_TEXT:
    case HL_GBNF_MARK: return n->text.len == 0;
    case HL_GBNF_SET:
    case HL_GBNF_VALUE: return false;
    case HL_GBNF_FREE: return true;
    case HL_GBNF_REPEAT: return n->least == 0 || may_be_empty(g, n->child, depth + 1);
    case HL_GBNF_REF: return may_be_empty(g, g->rules[n->index].body, depth + 1);
    case HL_GBNF_CHAIN:
        for (const hl_gbnf_node *c = n->child; c; c = c->next)
            if (!may_be_empty(g, c, depth + 1)) return false;
        return true;
    case HL_GBNF_CHOICE:
        for (const hl_gbnf_node *c = n->child; c; c = c->next)
            if (may_be_empty(g, c, depth + 1)) return true;
        return false;
    }
    return false;
}

/* ---- free text ---- */

/* The strings as a trie: how far one of them has come. */
typedef struct marker_trie {
    uint32_t n;
    struct {
        uint16_t next[256]; /* 0: none; then where the longest end of it that begins a string goes on */
        uint16_t fail;
        bool     is_marker, ends_marker; /* this is one; or ends with one */
    } nodes[];
} marker_trie;

static marker_trie *make_trie(const hl_gbnf_node *markers, size_t n_bytes) {
    marker_trie *t = hl_new(1, sizeof *t + (n_bytes + 1) * sizeof t->nodes[0]);
    if (!t) return NULL;
    t->n = 1;
    for (const hl_gbnf_node *m = markers; m; m = m->next) {
        uint32_t at = 0;
        for (size_t i = 0; i < m->text.len; i++) {
            uint16_t *next = &t->nodes[at].next[(uint8_t)m->text.ptr[i]];
            if (!*next) *next = (uint16_t)t->n++;
            at = *next;
        }
        t->nodes[at].is_marker = true;
    }
    return t;
}

/* Fill in where each byte leads (Aho and Corasick 1975); nodes by their depth. */
static bool complete_trie(marker_trie *t) {
    uint16_t *queue = hl_new(t->n, sizeof *queue);
    uint32_t  n = 0;
    if (!queue) return false;
    for (int b = 0; b < 256; b++)
        if (t->nodes[0].next[b]) queue[n++] = t->nodes[0].next[b];
    for (uint32_t i = 0; i < n; i++) {
        const uint16_t at = queue[i], fail = t->nodes[at].fail;
        t->nodes[at].ends_marker = t->nodes[at].is_marker || t->nodes[fail].ends_marker;
        for (int b = 0; b < 256; b++) {
            const uint16_t child = t->nodes[at].next[b], other = t->nodes[fail].next[b];
            if (child) {
                t->nodes[child].fail = other;
                queue[n++] = child;
            } else {
                t->nodes[at].next[b] = other;
            }
        }
    }
    hl_free(queue);
    return true;
}

/* Spellings of control tokens that are none of the strings: states for how far one agrees, and a last one
 * for those that do not. */
static void emit_controls(hl_pda *p, const marker_trie *plain, uint32_t first, uint32_t back) {
    const uint32_t other = first + plain->n;
    for (uint32_t s = 0; s <= plain->n; s++) {
        const uint32_t from = first + s;
        int            begin = 0;
        for (int b = 0; b <= HL_PDA_CONTROL_END; b++) { /* the last turn closes the last range */
            const uint32_t next = s < plain->n && b < HL_PDA_CONTROL_END ? plain->nodes[s].next[b] : 0;
            if (!next && b < HL_PDA_CONTROL_END) continue;
            if (begin < b) hl_pda_add_bytes(p, from, (uint8_t)begin, (uint8_t)(b - 1), other);
            if (next) hl_pda_add_bytes(p, from, (uint8_t)b, (uint8_t)b, first + next);
            begin = b + 1;
        }
        if (s == plain->n || !plain->nodes[s].is_marker)
            hl_pda_add_bytes(p, from, HL_PDA_CONTROL_END, HL_PDA_CONTROL_END, back);
    }
}

static void emit_text_states(hl_pda *p, const marker_trie *t, uint32_t first, uint32_t controls) {
    for (uint32_t s = 0; s < t->n && p->failed == HL_OK; s++) {
        if (t->nodes[s].ends_marker) continue;
        hl_pda_accept(p, first + s);
        hl_pda_add_bytes(p, first + s, HL_PDA_CONTROL_BEGIN, HL_PDA_CONTROL_BEGIN, controls);
        for (int b = 0, end; b < HL_PDA_CONTROL_END; b = end) {
            const uint16_t next = t->nodes[s].next[b];
            for (end = b + 1; end < HL_PDA_CONTROL_END && t->nodes[s].next[end] == next;) end++;
            if (!t->nodes[next].ends_marker)
                hl_pda_add_bytes(p, first + s, (uint8_t)b, (uint8_t)(end - 1), first + next);
        }
    }
}

/* The same strings, the same automaton: its masks are shared between grammars. */
static uint64_t number_of_free(const hl_gbnf_node *markers) {
    uint32_t h = 2166136261u;
    for (const hl_gbnf_node *m = markers; m; m = m->next) {
        for (size_t i = 0; i < m->text.len; i++) h = (h ^ (uint8_t)m->text.ptr[i]) * 16777619u;
        h = (h ^ 0x100) * 16777619u;
    }
    return h | 0x80000000u;
}

static hl_status emit_free(hl_gbnf *g, const hl_gbnf_node *n, uint32_t from, uint32_t to) {
    hl_pda *p = g->j->pda;
    size_t  n_bytes = 0;
    for (const hl_gbnf_node *m = n->child; m; m = m->next) n_bytes += m->text.len;
    if (n_bytes > MAX_FREE_BYTES)
        return hl_fail(g->err, HL_E_FULL, "grammar: the texts behind %%free are too long");
    marker_trie *t = make_trie(n->child, n_bytes), *plain = make_trie(n->child, n_bytes);
    hl_status    status =
        t && plain && complete_trie(t) ? HL_OK : hl_fail(g->err, HL_E_NOMEM, "grammar: no memory");
    if (status == HL_OK) {
        const uint32_t rule = hl_pda_add_rule(p), first = p->n_states;
        for (uint32_t i = 0; i < t->n; i++) (void)hl_pda_add_state(p, rule);
        const uint32_t controls = p->n_states;
        for (uint32_t i = 0; i <= plain->n; i++) (void)hl_pda_add_state(p, rule);
        if (p->failed == HL_OK) {
            p->rules[rule].shared = number_of_free(n->child);
            hl_pda_add_nothing(p, p->rules[rule].start, first);
        }
        emit_text_states(p, t, first, controls);
        emit_controls(p, plain, controls, first);
        hl_pda_add_call(p, from, rule, to);
    }
    hl_free(t);
    hl_free(plain);
    return status;
}

/* ---- the rest ---- */

typedef struct emitter {
    hl_gbnf  *g;
    hl_pda   *p;
    uint32_t *queue; /* rules that were called: made later */
    uint32_t  n_queue;
    int       depth;
    hl_status status;
} emitter;

static uint32_t emit(emitter *e, const hl_gbnf_node *n, uint32_t from);

static uint32_t new_state(emitter *e, uint32_t like) {
    return hl_pda_add_state(e->p, like < e->p->n_states ? e->p->states[like].rule : 0);
}

static uint32_t rule_of(emitter *e, uint32_t index) {
    hl_gbnf_rule *r = &e->g->rules[index];
    if (r->rule == HL_PDA_NONE) {
        r->rule = hl_pda_add_rule(e->p);
        e->queue[e->n_queue++] = index;
    }
    return r->rule;
}

static uint32_t emit_ref(emitter *e, const hl_gbnf_node *n, uint32_t from) {
    const uint32_t size = size_of_rule(e->g, n->index, 0);
    if (size <= MAX_INLINE && e->depth < HL_GBNF_MAX_DEPTH) return emit(e, e->g->rules[n->index].body, from);
    const uint32_t rule = rule_of(e, n->index), to = new_state(e, from);
    hl_pda_add_call(e->p, from, rule, to);
    return to;
}

static uint32_t emit_loop(emitter *e, const hl_gbnf_node *n, uint32_t from) {
    const uint32_t loop = new_state(e, from), to = new_state(e, from);
    for (uint32_t i = 0; i < n->least && e->status == HL_OK && e->p->failed == HL_OK; i++)
        from = emit(e, n->child, from);
    hl_pda_add_nothing(e->p, from, loop);
    hl_pda_add_nothing(e->p, emit(e, n->child, loop), loop);
    hl_pda_add_nothing(e->p, loop, to);
    return to;
}

static uint32_t emit_unrolled(emitter *e, const hl_gbnf_node *n, uint32_t from) {
    const uint32_t to = new_state(e, from);
    for (uint32_t i = 0; i < n->most && e->status == HL_OK && e->p->failed == HL_OK; i++) {
        if (i >= n->least) hl_pda_add_nothing(e->p, from, to);
        from = emit(e, n->child, from);
    }
    hl_pda_add_nothing(e->p, from, to);
    return to;
}

/* A rule of its own that counts its turns. */
static uint32_t emit_counted(emitter *e, const hl_gbnf_node *n, uint32_t from) {
    hl_pda *p = e->p;
    if (may_be_empty(e->g, n->child, 0)) {
        e->status = hl_fail(e->g->err, HL_E_ARG,
                            "grammar: what may be empty is repeated up to %u times: write * instead",
                            n->most == UINT32_MAX ? n->least : n->most);
        return from;
    }
    const uint32_t rule = hl_pda_add_rule(p), to = new_state(e, from);
    if (p->failed != HL_OK) return from;
    const uint32_t loop = p->rules[rule].start, body = new_state(e, loop), end = new_state(e, loop);
    p->rules[rule].counts = true;
    p->rules[rule].least = n->least;
    p->rules[rule].most = n->most;
    hl_pda_add_nothing(p, loop, body);
    hl_pda_mark_counts(p);
    hl_pda_add_nothing(p, emit(e, n->child, body), loop);
    hl_pda_add_nothing(p, loop, end);
    hl_pda_mark_past_least(p);
    hl_pda_accept(p, end);
    hl_pda_add_call(p, from, rule, to);
    return to;
}

static uint32_t emit_repeat(emitter *e, const hl_gbnf_node *n, uint32_t from) {
    const uint32_t size = size_of(e->g, n->child, 0), turns = n->most == UINT32_MAX ? n->least + 1 : n->most;
    const bool     is_small = (uint64_t)(size == UINT32_MAX ? 1 : size) * turns <= MAX_UNROLLED;
    if (n->most == 0) return from;
    if (!is_small && turns > 1) return emit_counted(e, n, from);
    return n->most == UINT32_MAX ? emit_loop(e, n, from) : emit_unrolled(e, n, from);
}

/* A state behind what the node matches from `from` on. */
static uint32_t emit_node(emitter *e, const hl_gbnf_node *n, uint32_t from) {
    uint32_t to = from;
    switch (n->kind) {
    case HL_GBNF_TEXT: return hl_pda_add_text(e->p, from, n->text.ptr, n->text.len);
    case HL_GBNF_MARK: return hl_pda_add_mark(e->p, from, n->text.ptr, n->text.len);
    case HL_GBNF_REF: return emit_ref(e, n, from);
    case HL_GBNF_REPEAT: return emit_repeat(e, n, from);
    case HL_GBNF_CHAIN:
        for (const hl_gbnf_node *c = n->child; c && e->status == HL_OK; c = c->next) to = emit(e, c, to);
        return to;
    default: break;
    }
    to = new_state(e, from);
    if (n->kind == HL_GBNF_SET)
        for (uint32_t i = 0; i < n->n_ranges; i++)
            hl_pda_add_chars(e->p, from, n->ranges[i].lo, n->ranges[i].hi, to, false);
    if (n->kind == HL_GBNF_CHOICE)
        for (const hl_gbnf_node *c = n->child; c && e->status == HL_OK; c = c->next)
            hl_pda_add_nothing(e->p, emit(e, c, from), to);
    if (n->kind == HL_GBNF_VALUE) hl_pda_add_call(e->p, from, n->index, to);
    if (n->kind == HL_GBNF_FREE) e->status = emit_free(e->g, n, from, to);
    return to;
}

static uint32_t emit(emitter *e, const hl_gbnf_node *n, uint32_t from) {
    if (e->status != HL_OK || e->p->failed != HL_OK) return from;
    if (e->depth > 10 * HL_GBNF_MAX_DEPTH) {
        e->status = hl_fail(e->g->err, HL_E_FULL, "grammar: it is too deep");
        return from;
    }
    e->depth++;
    const uint32_t to = emit_node(e, n, from);
    e->depth--;
    return to;
}

static void emit_rules(emitter *e, uint32_t root) {
    (void)rule_of(e, root);
    for (uint32_t i = 0; i < e->n_queue && e->status == HL_OK && e->p->failed == HL_OK; i++) {
        const hl_gbnf_rule *r = &e->g->rules[e->queue[i]];
        hl_pda_accept(e->p, emit(e, r->body, e->p->rules[r->rule].start));
    }
}

static hl_status keep_names(const hl_gbnf *g, hl_gbnf_names **ret) {
    hl_gbnf_names *n = hl_new(1, sizeof *n + g->n_rules * sizeof n->list[0]);
    if (!n) return hl_fail(g->err, HL_E_NOMEM, "grammar: no memory");
    for (uint32_t i = 0; i < g->n_rules; i++) {
        n->list[n->n].name = g->rules[i].name;
        n->list[n->n++].rule = g->rules[i].rule;
    }
    *ret = n;
    return HL_OK;
}

hl_status hl_gbnf_compile(hl_view text, uint32_t answer, hl_json_automata *j, uint32_t *ret_rule,
                          hl_gbnf_names **ret_names, hl_err *err) {
    hl_gbnf g = {.text = text, .answer = answer, .j = j, .err = err};
    emitter e = {.g = &g, .p = j->pda};
    hl_arena_init(&g.arena, 64 << 20);
    g.rules = hl_new(HL_GBNF_MAX_RULES, sizeof *g.rules);
    e.queue = hl_new(HL_GBNF_MAX_RULES, sizeof *e.queue);
    if (!g.rules || !e.queue) e.status = hl_fail(err, HL_E_NOMEM, "grammar: no memory");
    if (e.status == HL_OK) e.status = hl_gbnf_parse(&g);
    if (e.status == HL_OK) {
        const uint32_t root = hl_gbnf_find_rule(&g, hl_view_of("root"));
        emit_rules(&e, root);
        *ret_rule = g.rules[root].rule;
    }
    if (e.status == HL_OK) e.status = keep_names(&g, ret_names);
    hl_free(g.rules);
    hl_free(e.queue);
    hl_arena_done(&g.arena);
    return e.status;
}

hl_view hl_gbnf_names_name(const hl_gbnf_names *n, uint32_t rule) {
    for (uint32_t i = 0; n && i < n->n; i++)
        if (n->list[i].rule == rule) return n->list[i].name;
    return (hl_view){0};
}

void hl_gbnf_names_free(hl_gbnf_names *n) { hl_free(n); }
