/* SPDX-License-Identifier: MIT
 *
 * gbnf_priv.h - a grammar as trees, between its parser and its automaton.
 */
#ifndef HL_ENGINE_GRAMMAR_GBNF_PRIV_H
#define HL_ENGINE_GRAMMAR_GBNF_PRIV_H

#include "core/base/arena.h"
#include "engine/grammar/gbnf.h"
#include "engine/grammar/regex_priv.h"

enum {
    HL_GBNF_MAX_RULES = 5000,
    HL_GBNF_MAX_DEPTH = 100,
    HL_GBNF_MAX_BYTES = 16 << 20,
};

typedef enum hl_gbnf_kind {
    HL_GBNF_TEXT,
    HL_GBNF_SET,
    HL_GBNF_CHAIN,
    HL_GBNF_CHOICE,
    HL_GBNF_REPEAT,
    HL_GBNF_REF,   /* index: of a rule */
    HL_GBNF_VALUE, /* index: a rule of the automaton */
    HL_GBNF_MARK,
    HL_GBNF_FREE, /* children: TEXT, the strings that it must not contain */
} hl_gbnf_kind;

typedef struct hl_gbnf_node {
    hl_gbnf_kind         kind;
    struct hl_gbnf_node *child, *next;
    hl_view              text;
    hl_code_range       *ranges;
    uint32_t             n_ranges, index, least, most; /* most UINT32_MAX: no limit */
} hl_gbnf_node;

typedef struct hl_gbnf_rule {
    hl_view       name;
    hl_gbnf_node *body;    /* NULL: not defined (yet) */
    size_t        used_at; /* byte of its first mention */
    uint32_t      rule;    /* of the automaton; HL_PDA_NONE: not made yet */
    uint32_t      size;    /* nodes when all it refers to is put in; UINT32_MAX: it refers to itself */
    uint8_t       state;   /* of the search for that: 1 under way, 2 done */
} hl_gbnf_rule;

typedef struct hl_gbnf {
    hl_view           text;
    hl_json_automata *j;
    hl_json_automata
        other; /* of %quoted and %raw: the last dialect, so that terms of one share what they are made of */
    hl_arena      arena;
    hl_gbnf_rule *rules; /* [HL_GBNF_MAX_RULES] */
    uint32_t      n_rules, answer;
    hl_err       *err;
} hl_gbnf;

/* Fills rules; all are defined, and there is a root. */
HL_MUST_CHECK hl_status hl_gbnf_parse(hl_gbnf *g);
uint32_t                hl_gbnf_find_rule(const hl_gbnf *g, hl_view name); /* HL_PDA_NONE: none */

#endif
