/* SPDX-License-Identifier: MIT
 *
 * schema.h - JSON schemas (draft 2020-12 and what older drafts wrote instead) to rules of an automaton.
 *
 * Which keywords are enforced, and how, says docs/formats/structured-output.md. What is produced is always
 * valid; of the many ways to write a valid value one is allowed (json_automata.h: white space; properties in
 * the order of the schema; numbers with bounds without exponents).
 */
#ifndef HL_ENGINE_GRAMMAR_SCHEMA_H
#define HL_ENGINE_GRAMMAR_SCHEMA_H

#include "core/data/json.h"
#include "engine/grammar/json_automata.h"

typedef struct hl_schema_rules {
    bool is_open; /* objects that name properties allow others where the schema does not forbid them, as the
                   * standard says: for tests against the standard; else they do not */
} hl_schema_rules;

/* Make a rule of all values that a schema allows. White space in front is the caller's.
 *
 * in     schema  true, false or an object; its local references point into it
 * fails  HL_E_FORMAT  not a schema: "#/properties/a/type": what was found and expected
 *        HL_E_ARG     a keyword that cannot be enforced, with its place
 *        HL_E_FULL, HL_E_NOMEM, HL_E_CANCEL */
HL_MUST_CHECK hl_status hl_schema_compile(const json_t *schema, const hl_schema_rules *rules,
                                          hl_json_automata *j, uint32_t *ret_rule, hl_err *err);

#endif
