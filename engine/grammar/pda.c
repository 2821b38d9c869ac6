/* SPDX-License-Identifier: MIT
 *
 * pda.c - building an automaton with a stack: rules, states and edges.
 */
#include "engine/grammar/pda_priv.h"

#include <string.h>

#include "core/base/mem.h"

void hl_pda_init(hl_pda *p) { *p = (hl_pda){.root = HL_PDA_NONE}; }

void hl_pda_done(hl_pda *p) {
    hl_free(p->rules);
    hl_free(p->states);
    hl_free(p->edges);
    hl_free(p->draft);
    hl_free(p->steps);
    *p = (hl_pda){0};
}

void hl_pda_fail(hl_pda *p, hl_status status, const char *what) {
    if (p->failed != HL_OK || status == HL_OK) return;
    p->failed = status;
    p->what = what;
}

/* Room for one more of n; false: none. */
static bool grow(hl_pda *p, void **list, uint32_t n, uint32_t *cap, size_t size, uint32_t most,
                 const char *what) {
    if (p->failed != HL_OK) return false;
    if (n >= most) {
        hl_pda_fail(p, HL_E_FULL, what);
        return false;
    }
    if (n < *cap) return true;
    const uint32_t more = *cap ? 2 * *cap : 64;
    void          *to = hl_resize(*list, more, size);
    if (!to) {
        hl_pda_fail(p, HL_E_NOMEM, what);
        return false;
    }
    *list = to;
    *cap = more;
    return true;
}

uint32_t hl_pda_add_state(hl_pda *p, uint32_t rule) {
    void *list = p->states;
    if (!grow(p, &list, p->n_states, &p->states_cap, sizeof *p->states, HL_PDA_MAX_STATES, "states"))
        return 0;
    p->states = list;
    p->states[p->n_states] = (hl_pda_state){.rule = rule};
    return p->n_states++;
}

uint32_t hl_pda_add_rule(hl_pda *p) {
    void *list = p->rules;
    if (!grow(p, &list, p->n_rules, &p->rules_cap, sizeof *p->rules, HL_PDA_MAX_RULES, "rules")) return 0;
    p->rules = list;
    const uint32_t r = p->n_rules++;
    p->rules[r] = (hl_pda_rule){.most = UINT32_MAX};
    p->rules[r].start = hl_pda_add_state(p, r);
    return r;
}

static void add_edge(hl_pda *p, uint32_t from, hl_pda_edge e) {
    void *list = p->draft;
    if (!grow(p, &list, p->n_draft, &p->draft_cap, sizeof *p->draft, HL_PDA_MAX_EDGES, "edges")) return;
    p->draft = list;
    p->draft[p->n_draft++] = (hl_pda_draft_edge){.from = from, .e = e};
}

void hl_pda_add_bytes(hl_pda *p, uint32_t from, uint8_t lo, uint8_t hi, uint32_t to) {
    add_edge(p, from, (hl_pda_edge){.kind = HL_PDA_BYTES, .rule = lo | (uint32_t)hi << 8, .to = to});
}

void hl_pda_add_nothing(hl_pda *p, uint32_t from, uint32_t to) {
    add_edge(p, from, (hl_pda_edge){.kind = HL_PDA_NOTHING, .to = to});
}

void hl_pda_add_call(hl_pda *p, uint32_t from, uint32_t rule, uint32_t to) {
    add_edge(p, from, (hl_pda_edge){.kind = HL_PDA_CALL, .rule = rule, .to = to});
}

/* The slot of a step, or the free one where it would be. */
static hl_pda_step *find_step(const hl_pda *p, uint32_t from, uint8_t byte) {
    uint64_t h = ((uint64_t)from << 8 | byte) * 0x9E3779B97F4A7C15u >> 32;
    for (;; h++) {
        hl_pda_step *s = &p->steps[h & (p->steps_cap - 1)];
        if (s->to == 0 || (s->from == from && s->byte == byte)) return s;
    }
}

/* Room for one more; false: no memory. */
static bool grow_steps(hl_pda *p) {
    if (2 * (p->n_steps + 1) <= p->steps_cap) return true;
    const uint32_t cap = p->steps_cap ? 2 * p->steps_cap : 256, old_cap = p->steps_cap;
    hl_pda_step   *old = p->steps, *more = hl_new(cap, sizeof *more);
    if (!more) {
        hl_pda_fail(p, HL_E_NOMEM, "steps");
        return false;
    }
    p->steps = more;
    p->steps_cap = cap;
    for (uint32_t i = 0; i < old_cap; i++)
        if (old[i].to != 0) *find_step(p, old[i].from, old[i].byte) = old[i];
    hl_free(old);
    return true;
}

/* Only states inside a text are shared: nothing else leads to them. Its last one is the caller's. */
uint32_t hl_pda_add_text(hl_pda *p, uint32_t from, const char *text, size_t n) {
    const uint32_t rule = from < p->n_states ? p->states[from].rule : 0;
    for (size_t i = 0; i < n && p->failed == HL_OK; i++) {
        const uint8_t byte = (uint8_t)text[i];
        hl_pda_step  *s = i + 1 < n && grow_steps(p) ? find_step(p, from, byte) : NULL;
        if (s && s->to != 0) {
            from = s->to;
            continue;
        }
        const uint32_t to = hl_pda_add_state(p, rule);
        hl_pda_add_bytes(p, from, byte, byte, to);
        if (s && p->failed == HL_OK) {
            *s = (hl_pda_step){.from = from, .to = to, .byte = byte};
            p->n_steps++;
        }
        from = to;
    }
    return from;
}

uint32_t hl_pda_add_mark(hl_pda *p, uint32_t from, const char *text, size_t n) {
    const char     begin = (char)HL_PDA_CONTROL_BEGIN;
    const uint32_t to = hl_pda_add_text(p, from, text, n);
    const uint32_t spelled = hl_pda_add_text(p, hl_pda_add_text(p, from, &begin, 1), text, n);
    hl_pda_add_bytes(p, spelled, HL_PDA_CONTROL_END, HL_PDA_CONTROL_END, to);
    return to;
}

void hl_pda_mark_counts(hl_pda *p) {
    if (p->failed == HL_OK && p->n_draft) p->draft[p->n_draft - 1].e.counts = true;
}

void hl_pda_mark_past_least(hl_pda *p) {
    if (p->failed == HL_OK && p->n_draft) p->draft[p->n_draft - 1].e.past_least = true;
}

void hl_pda_accept(hl_pda *p, uint32_t state) {
    if (p->failed == HL_OK && state < p->n_states) p->states[state].accepts = true;
}

/* ---- characters ---- */

typedef struct char_path {
    hl_pda  *p;
    uint32_t from, to;
    bool     counts;
} char_path;

/* One range of each byte: lo[i]..hi[i]. */
static void add_sequence(const char_path *x, const uint8_t *lo, const uint8_t *hi, size_t n) {
    uint32_t       at = x->from;
    const uint32_t rule = at < x->p->n_states ? x->p->states[at].rule : 0;
    for (size_t i = 0; i < n; i++) {
        const uint32_t next = i + 1 == n ? x->to : hl_pda_add_state(x->p, rule);
        hl_pda_add_bytes(x->p, at, lo[i], hi[i], next);
        if (i == 0 && x->counts) hl_pda_mark_counts(x->p);
        at = next;
    }
}

static size_t write_utf8(uint32_t c, uint8_t *b) {
    if (c < 0x80) {
        b[0] = (uint8_t)c;
        return 1;
    }
    const size_t n = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    for (size_t i = n - 1; i > 0; i--, c >>= 6) b[i] = (uint8_t)(0x80 | (c & 0x3F));
    b[0] = (uint8_t)((n == 2 ? 0xC0 : n == 3 ? 0xE0 : 0xF0) | c);
    return n;
}

/* All of lo..hi have the same number of bytes. Where they differ in a byte that is not the last, the ends
 * must cover all that can follow it, else the range is cut there. */
static void add_same_length(const char_path *x, uint32_t lo, uint32_t hi, size_t n) {
    for (size_t i = 1; i < n; i++) {
        const uint32_t mask = (UINT32_C(1) << (6 * i)) - 1;
        if ((lo & ~mask) == (hi & ~mask)) break;
        if (lo & mask) {
            add_same_length(x, lo, lo | mask, n);
            add_same_length(x, (lo | mask) + 1, hi, n);
            return;
        }
        if ((hi & mask) != mask) {
            add_same_length(x, lo, (hi & ~mask) - 1, n);
            add_same_length(x, hi & ~mask, hi, n);
            return;
        }
    }
    uint8_t low[4], high[4];
    (void)write_utf8(lo, low);
    add_sequence(x, low, high, write_utf8(hi, high));
}

void hl_pda_add_chars(hl_pda *p, uint32_t from, uint32_t lo, uint32_t hi, uint32_t to, bool counts) {
    static const struct {
        uint32_t lo, hi;
        size_t   n;
    } parts[] = {
        {0, 0x7F, 1}, {0x80, 0x7FF, 2}, {0x800, 0xD7FF, 3}, {0xE000, 0xFFFF, 3}, {0x10000, 0x10FFFF, 4}};
    const char_path x = {p, from, to, counts};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0] && p->failed == HL_OK; i++) {
        const uint32_t a = lo > parts[i].lo ? lo : parts[i].lo, b = hi < parts[i].hi ? hi : parts[i].hi;
        if (a <= b) add_same_length(&x, a, b, parts[i].n);
    }
}

void hl_byte_set_add(hl_byte_set *s, uint8_t lo, uint8_t hi) {
    for (unsigned b = lo; b <= hi; b++) s->bits[b / 64] |= UINT64_C(1) << (b % 64);
}
