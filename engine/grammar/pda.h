/* SPDX-License-Identifier: MIT
 *
 * pda.h - the one automaton that all formats become: finite automata over bytes that call one another.
 *
 * A rule is an automaton with a start; its states have edges over a range of bytes, over nothing, and over a
 * call of another rule. Where a rule counts (items, characters), each of its runs has a counter: an edge that
 * counts adds one and is closed at the rule's `most`; an edge past `least` is closed below that.
 *
 * Idea of automata with a stack that are run on tokens, and masks kept per state: XGrammar (Dong et al. 2024,
 * arXiv:2411.15100) and Willard and Louf 2023 (arXiv:2307.09702).
 */
#ifndef HL_ENGINE_GRAMMAR_PDA_H
#define HL_ENGINE_GRAMMAR_PDA_H

#include "hyperlama/base.h"

enum {
    HL_PDA_MAX_STATES = 400000,
    HL_PDA_MAX_EDGES = 1500000,
    HL_PDA_MAX_RULES = 100000,
    HL_PDA_CONTROL_BEGIN = 0xFF, /* a control token is its spelling between these two, which no text has */
    HL_PDA_CONTROL_END = 0xFE,
};
#define HL_PDA_NONE UINT32_MAX

typedef enum hl_pda_edge_kind { HL_PDA_BYTES, HL_PDA_NOTHING, HL_PDA_CALL } hl_pda_edge_kind;

typedef struct hl_pda_edge {
    uint32_t to;
    uint32_t rule; /* CALL: which; BYTES: lo | hi << 8 */
    uint8_t  kind;
    uint8_t  counts : 1;
    uint8_t  past_least : 1;
    uint8_t  is_tail : 1; /* a call behind which its own rule ends */
} hl_pda_edge;

static inline uint8_t hl_pda_lo(const hl_pda_edge *e) { return (uint8_t)e->rule; }
static inline uint8_t hl_pda_hi(const hl_pda_edge *e) { return (uint8_t)(e->rule >> 8); }

typedef struct hl_pda_state {
    uint32_t first_edge, n_edges; /* bytes, then nothing, then calls */
    uint32_t n_bytes;
    uint32_t rule;
    bool     accepts;
    bool     is_wide; /* many bytes can follow: worth a mask of its own */
} hl_pda_state;

/* A set of bytes. */
typedef struct hl_byte_set {
    uint64_t bits[4];
} hl_byte_set;

typedef struct hl_pda_rule {
    uint32_t    start;
    uint32_t    least, most;
    bool        counts;
    bool        counts_text; /* of its own bytes alone, one way each: masks know how much a token counts */
    bool        is_nullable;
    hl_byte_set follow; /* what can come behind it */
    uint64_t    shared; /* not 0: the same automaton has the same number in every grammar */
} hl_pda_rule;

typedef struct hl_pda_draft_edge hl_pda_draft_edge;
typedef struct hl_pda_step       hl_pda_step;

typedef struct hl_pda {
    hl_pda_rule       *rules;
    hl_pda_state      *states;
    hl_pda_edge       *edges;
    hl_pda_draft_edge *draft; /* while it is built */
    hl_pda_step       *steps; /* inside texts, by state and byte: a table of steps_cap slots */
    uint32_t           n_rules, n_states, n_edges, n_draft;
    uint32_t           rules_cap, states_cap, draft_cap, n_steps, steps_cap;
    uint32_t           root;
    hl_status          failed; /* HL_E_NOMEM or HL_E_FULL: everything else is a no-op then */
    const char        *what;   /* what there is too much of */
} hl_pda;

void hl_pda_init(hl_pda *p);
void hl_pda_done(hl_pda *p);

/* ---- building; ids are never NONE, also after a failure ---- */

uint32_t hl_pda_add_rule(hl_pda *p); /* its start state is made, too */
uint32_t hl_pda_add_state(hl_pda *p, uint32_t rule);
void     hl_pda_add_bytes(hl_pda *p, uint32_t from, uint8_t lo, uint8_t hi, uint32_t to);
void     hl_pda_add_nothing(hl_pda *p, uint32_t from, uint32_t to);
void     hl_pda_add_call(hl_pda *p, uint32_t from, uint32_t rule, uint32_t to);
/* A chain of bytes to a new state, which is returned. Texts from one state share what they begin with, so
 * that many alternatives ("tool_1", "tool_2" ...) are one place until they part. */
uint32_t hl_pda_add_text(hl_pda *p, uint32_t from, const char *text, size_t n);
/* The same for a text that may be a control token of that spelling. */
uint32_t hl_pda_add_mark(hl_pda *p, uint32_t from, const char *text, size_t n);
/* One character of lo..hi in UTF-8 (surrogates are left out); `counts`: with its first byte. */
void hl_pda_add_chars(hl_pda *p, uint32_t from, uint32_t lo, uint32_t hi, uint32_t to, bool counts);
/* The edge that was added last. */
void hl_pda_mark_counts(hl_pda *p);
void hl_pda_mark_past_least(hl_pda *p);
void hl_pda_accept(hl_pda *p, uint32_t state);
/* Something that the automaton was to be made of failed; HL_OK: nothing happens. */
void hl_pda_fail(hl_pda *p, hl_status status, const char *what);

/* Sort the edges, leave out what leads nowhere, and find what is nullable, wide, a tail, and what follows.
 *
 * out    *ret_left   HL_PDA_NONE, or a rule that begins with itself: the caller knows its name
 *        *ret_empty  no text matches
 * fails  HL_E_FULL, HL_E_NOMEM, HL_E_CANCEL */
HL_MUST_CHECK hl_status hl_pda_finish(hl_pda *p, uint32_t root, uint32_t *ret_left, bool *ret_empty,
                                      hl_err *err);

static inline bool hl_byte_set_has(const hl_byte_set *s, uint8_t b) {
    return s->bits[b / 64] >> (b % 64) & 1;
}
void hl_byte_set_add(hl_byte_set *s, uint8_t lo, uint8_t hi);

#endif
