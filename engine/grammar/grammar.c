/* SPDX-License-Identifier: MIT
 *
 * grammar.c - one format of an answer to one automaton.
 */
#include "engine/grammar/grammar.h"

#include <string.h>

#include "core/base/mem.h"
#include "core/base/stop.h"
#include "engine/grammar/gbnf.h"
#include "engine/grammar/matcher_priv.h"
#include "engine/grammar/regex.h"
#include "engine/grammar/schema.h"

static atomic_ullong next_number = 1;

static hl_status read_json(hl_view text, const char *what, json_t **ret, hl_err *err) {
    static const hl_json_rules rules = {
        .max_bytes = 4 << 20, .max_values = 400000, .max_depth = 200, .is_strict = true, .allows_nul = false};
    const hl_status status = hl_json_read(text, what, &rules, ret, err);
    if (status == HL_E_LIMIT && err) err->status = HL_E_FULL; /* too large for us, as many states would be */
    return status == HL_E_LIMIT ? HL_E_FULL : status;
}

/* A rule that is a space, a line end or neither, then the value: nothing is indented in front of it. */
static uint32_t with_space(hl_json_automata *j, uint32_t value) {
    hl_pda        *p = j->pda;
    const uint32_t rule = hl_pda_add_rule(p), start = rule < p->n_rules ? p->rules[rule].start : 0;
    const uint32_t end = hl_pda_add_state(p, rule);
    const uint32_t begin = hl_pda_add_text(p, start, " ", 1);
    hl_pda_add_bytes(p, start, '\n', '\n', begin);
    hl_pda_add_nothing(p, start, begin);
    hl_pda_add_call(p, begin, value, end);
    hl_pda_accept(p, end);
    return rule;
}

static hl_status compile_schema(hl_view text, hl_json_automata *j, uint32_t *ret_rule, hl_err *err) {
    static const hl_schema_rules rules = {0};
    json_t                      *schema = NULL;
    uint32_t                     value = 0;
    hl_status                    status = read_json(text, "schema", &schema, err);
    if (status == HL_OK) status = hl_schema_compile(schema, &rules, j, &value, err);
    json_decref(schema);
    if (status == HL_OK) *ret_rule = with_space(j, value);
    return status;
}

static hl_status compile_regex(hl_view text, hl_json_automata *j, uint32_t *ret_rule, hl_err *err) {
    hl_code_dfa     d;
    const hl_status status = hl_regex_compile(text, true, &d, err);
    if (status != HL_OK) return status;
    *ret_rule = hl_rules_plain(j, &d);
    hl_code_dfa_done(&d);
    return HL_OK;
}

static hl_status compile_choice(hl_view text, hl_json_automata *j, uint32_t *ret_rule, hl_err *err) {
    json_t   *list = NULL, *v;
    size_t    i;
    hl_pda   *p = j->pda;
    hl_status status = read_json(text, "choice", &list, err);
    if (status == HL_OK && (!json_is_array(list) || json_array_size(list) == 0))
        status = hl_fail(err, HL_E_FORMAT, "choice: expected a list of texts");
    const uint32_t rule = hl_pda_add_rule(p), start = rule < p->n_rules ? p->rules[rule].start : 0;
    json_array_foreach(list, i, v) {
        if (status == HL_OK && (!json_is_string(v) || json_string_length(v) == 0))
            status = hl_fail(err, HL_E_FORMAT, "choice[%zu]: expected a text that is not empty", i);
        if (status == HL_OK)
            hl_pda_accept(p, hl_pda_add_text(p, start, json_string_value(v), json_string_length(v)));
    }
    json_decref(list);
    *ret_rule = rule;
    return status;
}

/* What may stand around the answer, and the answer. */
static hl_status add_lead(hl_view lead, hl_json_automata *j, uint32_t *root, hl_err *err) {
    hl_gbnf_names *names = NULL;
    if (lead.len == 0) return HL_OK;
    const hl_status status = hl_gbnf_compile(lead, *root, j, root, &names, err);
    hl_gbnf_names_free(names);
    return status;
}

static hl_status compile(const hl_format *f, hl_view lead, hl_pda *p, hl_gbnf_names **ret_names,
                         hl_err *err) {
    hl_json_automata j;
    uint32_t         root = 0, left = HL_PDA_NONE;
    bool             is_empty = false;
    hl_status        status = HL_OK;
    hl_json_automata_init(&j, p);
    switch (f->kind) {
    case HL_FORMAT_JSON:
        status = hl_rules_object(&j, &root, err);
        if (status == HL_OK) root = with_space(&j, root);
        break;
    case HL_FORMAT_SCHEMA: status = compile_schema(f->text, &j, &root, err); break;
    case HL_FORMAT_GBNF: status = hl_gbnf_compile(f->text, HL_PDA_NONE, &j, &root, ret_names, err); break;
    case HL_FORMAT_REGEX: status = compile_regex(f->text, &j, &root, err); break;
    case HL_FORMAT_CHOICE: status = compile_choice(f->text, &j, &root, err); break;
    default: return hl_fail(err, HL_E_ARG, "format %d is unknown", (int)f->kind);
    }
    if (status == HL_OK) status = add_lead(lead, &j, &root, err);
    if (status == HL_OK) status = hl_pda_finish(p, root, &left, &is_empty, err);
    if (status != HL_OK) return status;
    if (is_empty && f->kind == HL_FORMAT_SCHEMA)
        return hl_fail(err, HL_E_ARG, "schema, #: no value matches it: what it demands contradicts itself");
    if (is_empty)
        return hl_fail(err, HL_E_ARG, "the format allows no text: every way through it is endless or closed");
    if (left == HL_PDA_NONE) return HL_OK;
    const hl_view name = hl_gbnf_names_name(*ret_names, left);
    return hl_fail(err, HL_E_ARG, "grammar: the rule '%.*s' begins with itself: write it as a repeat",
                   (int)name.len, name.ptr ? name.ptr : "");
}

hl_status hl_grammar_compile(const hl_format *f, hl_view lead, hl_grammar **ret_grammar, hl_err *err) {
    hl_grammar    *g = hl_new(1, sizeof *g);
    hl_gbnf_names *names = NULL;
    hl_err         why = {0};
    if (!g) return hl_fail(err, HL_E_NOMEM, "grammar: no memory");
    hl_pda_init(&g->pda);
    g->number = atomic_fetch_add(&next_number, 1);
    atomic_init(&g->n_refs, 1);
    const hl_status status = compile(f, lead, &g->pda, &names, &why);
    hl_gbnf_names_free(names);
    if (status == HL_OK) {
        *ret_grammar = g;
        return HL_OK;
    }
    if (err) *err = why;
    hl_grammar_unref(g);
    return status;
}

hl_grammar *hl_grammar_ref(hl_grammar *g) {
    atomic_fetch_add(&g->n_refs, 1);
    return g;
}

void hl_grammar_unref(hl_grammar *g) {
    if (!g || atomic_fetch_sub(&g->n_refs, 1) != 1) return;
    hl_pda_done(&g->pda);
    hl_free(g);
}
