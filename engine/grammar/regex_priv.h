/* SPDX-License-Identifier: MIT
 *
 * regex_priv.h - a regular expression as a tree, between its parser and its automaton.
 */
#ifndef HL_ENGINE_GRAMMAR_REGEX_PRIV_H
#define HL_ENGINE_GRAMMAR_REGEX_PRIV_H

#include "engine/grammar/regex.h"

enum {
    HL_REGEX_BEGIN = HL_CODE_MAX + 1, /* a text stands between these two: ^ and $ are the characters */
    HL_REGEX_END,
    HL_REGEX_MAX_NODES = 20000,
    HL_REGEX_MAX_RANGES = 200000,
    HL_REGEX_MAX_DEPTH = 200,
    HL_REGEX_MAX_LOOKS = 16,
};

typedef struct hl_code_range {
    uint32_t lo, hi;
} hl_code_range;

typedef enum hl_regex_kind {
    HL_REGEX_EMPTY,
    HL_REGEX_SET,    /* one character: ranges [first, first + n) */
    HL_REGEX_CHAIN,  /* children one after the other */
    HL_REGEX_CHOICE, /* one of the children */
    HL_REGEX_REPEAT, /* least..most times its child */
} hl_regex_kind;

typedef struct hl_regex_node {
    hl_regex_kind kind;
    uint32_t      child, next; /* HL_DFA_NONE: none; next: the sibling */
    uint32_t      first, n;
    uint32_t      least, most; /* most UINT32_MAX: no limit */
} hl_regex_node;

typedef struct hl_regex_tree {
    hl_regex_node *nodes;
    hl_code_range *ranges;
    uint32_t       n_nodes, n_ranges, nodes_cap, ranges_cap;
    uint32_t       root;
    struct {
        uint32_t node;
        bool     negated;
    } looks[HL_REGEX_MAX_LOOKS]; /* what must, or must not, follow the beginning, too */
    uint32_t n_looks;
} hl_regex_tree;

HL_MUST_CHECK hl_status hl_regex_parse(hl_view text, hl_regex_tree *ret, hl_err *err);
void                    hl_regex_tree_done(hl_regex_tree *t);

/* Sort ranges and join those that touch; returns how many are left. */
uint32_t hl_code_ranges_merge(hl_code_range *r, uint32_t n);

#endif
