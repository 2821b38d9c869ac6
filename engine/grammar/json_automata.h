/* SPDX-License-Identifier: MIT
 *
 * json_automata.h - the pieces that every JSON answer is made of: white space, texts, numbers, any value.
 *
 * White space is what writers of JSON use and no more, so that a model is not led to endless blanks: between
 * braces, brackets, items and behind commas nothing, one space, or a line end with up to 48 spaces or 12
 * tabs; behind a colon nothing or one space; nothing in front of commas and colons; in front of the whole
 * value one space or line end.
 *
 * Another dialect writes the same values in other letters: texts as they are between two quotes of its own,
 * or between none, names without quotes, no white space. Nothing is escaped there, so a text never contains
 * what would end it.
 */
#ifndef HL_ENGINE_GRAMMAR_JSON_AUTOMATA_H
#define HL_ENGINE_GRAMMAR_JSON_AUTOMATA_H

#include "engine/grammar/code_dfa.h"
#include "engine/grammar/pda.h"

typedef struct hl_json_automata { /* rules; HL_PDA_NONE: not made yet */
    hl_pda  *pda;
    uint32_t space, text, number, integer, value, object, array;
    hl_view  quote, avoid; /* of another dialect: what stands around a text (a control token, or nothing), and
                            * what never stands in one; avoid empty: JSON */
} hl_json_automata;

void               hl_json_automata_init(hl_json_automata *j, hl_pda *pda);
static inline bool hl_json_is_other(const hl_json_automata *j) { return j->avoid.len > 0; }

/* Each is made once. fails HL_E_NOMEM, HL_E_FULL through the automaton, or for numbers directly */
HL_MUST_CHECK hl_status hl_rules_number(hl_json_automata *j, bool is_integer, uint32_t *ret_rule,
                                        hl_err *err);
HL_MUST_CHECK hl_status hl_rules_value(hl_json_automata *j, uint32_t *ret_rule, hl_err *err);
HL_MUST_CHECK hl_status hl_rules_object(hl_json_automata *j, uint32_t *ret_rule, hl_err *err);
HL_MUST_CHECK hl_status hl_rules_array(hl_json_automata *j, uint32_t *ret_rule, hl_err *err);

/* A rule of texts with least..most characters; of texts that a pattern accepts; of plain characters, without
 * quotes, as numbers are. */
uint32_t hl_rules_text_of_length(hl_json_automata *j, uint32_t least, uint32_t most);
uint32_t hl_rules_text_of(hl_json_automata *j, const hl_code_dfa *d);
uint32_t hl_rules_plain(hl_json_automata *j, const hl_code_dfa *d);
/* Names that a pattern accepts; NULL: all. In another dialect those that need no quotes. */
uint32_t hl_rules_name_of(hl_json_automata *j, const hl_code_dfa *d);
/* From a state: a name; returns the new state. */
uint32_t hl_rules_add_name(hl_json_automata *j, uint32_t from, hl_view name);
/* From a state: white space, or a byte and white space behind it. */
uint32_t hl_rules_add_space(hl_json_automata *j, uint32_t from);
uint32_t hl_rules_add_byte(hl_json_automata *j, uint32_t from, char c, bool with_space);
/* A colon and what may stand behind it. */
uint32_t hl_rules_add_colon(hl_json_automata *j, uint32_t from);

/* Number syntax as a pattern of ASCII characters. Whole parts have at most 18 digits, which every reader
 * holds; the LONG ones are for bounds that need more. */
#define HL_JSON_INTEGER_RE      "0|-?[1-9][0-9]{0,17}"
#define HL_JSON_DECIMAL_RE      "-?(0|[1-9][0-9]{0,17})(\\.[0-9]{1,18})?"
#define HL_JSON_NUMBER_RE       HL_JSON_DECIMAL_RE "([eE][+-]?[0-9]{1,2})?"
#define HL_JSON_LONG_INTEGER_RE "0|-?[1-9][0-9]{0,309}"
#define HL_JSON_LONG_DECIMAL_RE "-?(0|[1-9][0-9]{0,309})(\\.[0-9]{1,330})?"

#endif
