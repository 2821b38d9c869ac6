/* SPDX-License-Identifier: MIT
 *
 * gbnf.h - grammars in GBNF, the notation of llama.cpp, and a few terms more (grammar.h).
 */
#ifndef HL_ENGINE_GRAMMAR_GBNF_H
#define HL_ENGINE_GRAMMAR_GBNF_H

#include "engine/grammar/json_automata.h"

/* Make a rule of what `root` matches.
 *
 * in     answer  a rule that %answer calls; HL_PDA_NONE: there is no such term
 * out    *ret_names  for messages: hl_gbnf_names_name() of a rule of the automaton; the caller ends it
 * fails  HL_E_FORMAT  where, and what was expected; HL_E_ARG; HL_E_FULL, HL_E_NOMEM, HL_E_CANCEL */
typedef struct hl_gbnf_names hl_gbnf_names;
HL_MUST_CHECK hl_status      hl_gbnf_compile(hl_view text, uint32_t answer, hl_json_automata *j,
                                             uint32_t *ret_rule, hl_gbnf_names **ret_names, hl_err *err);
hl_view                      hl_gbnf_names_name(const hl_gbnf_names *n, uint32_t rule);
void                         hl_gbnf_names_free(hl_gbnf_names *n); /* NULL is allowed */

#endif
