/* SPDX-License-Identifier: MIT
 *
 * regex.h - regular expressions as JSON schemas have them (ECMA-262), made automata over characters.
 *
 * Groups, alternatives, classes, \d \w \s \p{..}, counted repeats, ^ and $ anywhere, and lookahead in front
 * of a whole pattern. What is no regular language or would need more (back references, \b, lookbehind, flags)
 * is refused by name.
 */
#ifndef HL_ENGINE_GRAMMAR_REGEX_H
#define HL_ENGINE_GRAMMAR_REGEX_H

#include "engine/grammar/code_dfa.h"

/* in     is_whole  the whole text must match; else a part of it, as `pattern` means it
 * fails  HL_E_FORMAT  no regular expression: where, and what is wrong
 *        HL_E_ARG     one that cannot be an automaton
 *        HL_E_FULL, HL_E_NOMEM, HL_E_CANCEL
 * owns   hl_code_dfa_done() */
HL_MUST_CHECK hl_status hl_regex_compile(hl_view text, bool is_whole, hl_code_dfa *ret, hl_err *err);

#endif
