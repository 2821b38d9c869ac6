/* SPDX-License-Identifier: MIT
 *
 * code_dfa.h - deterministic automata over characters: what patterns, lengths, formats and ranges of numbers
 * have in common, so that all of them can be joined.
 */
#ifndef HL_ENGINE_GRAMMAR_CODE_DFA_H
#define HL_ENGINE_GRAMMAR_CODE_DFA_H

#include "hyperlama/base.h"

enum {
    HL_CODE_MAX = 0x10FFFF,
    HL_DFA_MAX_STATES = 20000,
    HL_DFA_MAX_EDGES = 400000,
};
#define HL_DFA_NONE UINT32_MAX

typedef struct hl_code_edge {
    uint32_t lo, hi, to;
} hl_code_edge;

typedef struct hl_code_dfa { /* state 0 is the start; without an edge there is no way */
    hl_code_edge *edges;     /* of state s: [first[s], first[s + 1]), by lo, apart from one another */
    uint32_t     *first;     /* [n_states + 1] */
    bool         *accepts;
    uint32_t      n_states, n_edges;
    uint32_t      states_cap, edges_cap;
} hl_code_dfa;

void hl_code_dfa_done(hl_code_dfa *d);

/* Building, state by state: edges of a state are added before the next state is.
 * fails  HL_E_FULL, HL_E_NOMEM */
HL_MUST_CHECK hl_status hl_code_dfa_add_state(hl_code_dfa *d, bool accepts, hl_err *err);
HL_MUST_CHECK hl_status hl_code_dfa_add_edge(hl_code_dfa *d, uint32_t lo, uint32_t hi, uint32_t to,
                                             hl_err *err);

/* All texts of least..most characters; most UINT32_MAX: no limit. */
HL_MUST_CHECK hl_status hl_code_dfa_lengths(uint32_t least, uint32_t most, hl_code_dfa *ret, hl_err *err);
/* These texts, UTF-8. */
HL_MUST_CHECK hl_status hl_code_dfa_words(const hl_view *words, size_t n, hl_code_dfa *ret, hl_err *err);
/* Texts that a accepts, and b (`negated`: but b does not). */
HL_MUST_CHECK hl_status hl_code_dfa_join(const hl_code_dfa *a, const hl_code_dfa *b, bool negated,
                                         hl_code_dfa *ret, hl_err *err);
/* a becomes what hl_code_dfa_join() makes; b is not changed. */
HL_MUST_CHECK hl_status hl_code_dfa_narrow(hl_code_dfa *a, const hl_code_dfa *b, bool negated, hl_err *err);
/* Drop states from which nothing can be accepted. */
HL_MUST_CHECK hl_status hl_code_dfa_trim(hl_code_dfa *d, hl_err *err);

bool hl_code_dfa_is_empty(const hl_code_dfa *d); /* of one that is trimmed */
/* Is a text of UTF-8 accepted? */
bool hl_code_dfa_matches(const hl_code_dfa *d, hl_view text);
/* Whether all texts that are accepted have least..most characters (trimmed ones only). */
bool hl_code_dfa_has_lengths(const hl_code_dfa *d, uint32_t least, uint32_t most);

#endif
