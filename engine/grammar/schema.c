/* SPDX-License-Identifier: MIT
 *
 * schema.c - nodes, their rules, and the loop that makes one after the other.
 */
#include "engine/grammar/schema.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/mem.h"
#include "core/base/stop.h"
#include "engine/grammar/regex.h"
#include "engine/grammar/schema_priv.h"

/* ---- places and failures ---- */

static void add_path(hl_str *s, const hl_schema_path *p, int depth) {
    if (!p) {
        hl_str_add_char(s, '#');
        return;
    }
    if (depth < HL_SCHEMA_MAX_DEPTH) add_path(s, p->up, depth + 1);
    hl_str_add_char(s, '/');
    if (!p->name) hl_str_add_format(s, "%zu", p->index);
    for (const char *c = p->name ? p->name : ""; *c; c++)
        if (*c == '~' || *c == '/')
            hl_str_add_text(s, *c == '~' ? "~0" : "~1");
        else
            hl_str_add_char(s, *c);
}

hl_status hl_schema_fail(hl_schema_ctx *x, hl_status status, const hl_schema_path *path, const char *fmt,
                         ...) {
    hl_str  place, text;
    va_list args;
    char    words[HL_ERR_TEXT_BYTES];
    hl_str_init(&place, 64 << 10);
    hl_str_init(&text, 64 << 10);
    va_start(args, fmt);
    (void)vsnprintf(words, sizeof words, fmt, args);
    va_end(args);
    add_path(&place, path, 0);
    (void)hl_fail(x->err, status, "schema, %s: %s", hl_str_text(&place), words);
    hl_str_done(&place);
    hl_str_done(&text);
    return status;
}

hl_status hl_schema_no_memory(hl_schema_ctx *x) {
    const bool is_full = x->arena.used_bytes > HL_SCHEMA_MAX_BYTES / 2;
    return is_full
               ? hl_fail(x->err, HL_E_FULL, "schema, #: it is too large: more than %d MiB while it is read",
                         HL_SCHEMA_MAX_BYTES >> 20)
               : hl_fail(x->err, HL_E_NOMEM, "schema: no memory");
}

static const hl_schema_path *add_step(hl_schema_ctx *x, hl_schema_path step) {
    hl_schema_path *p = hl_arena_get(&x->arena, 1, sizeof *p);
    if (p) *p = step;
    return p;
}

const hl_schema_path *hl_schema_under(hl_schema_ctx *x, const hl_schema_path *up, const char *name) {
    return add_step(x, (hl_schema_path){up, name, 0});
}

const hl_schema_path *hl_schema_at(hl_schema_ctx *x, const hl_schema_path *up, size_t index) {
    return add_step(x, (hl_schema_path){up, NULL, index});
}

/* ---- nodes ---- */

static int compare_atoms(const void *a, const void *b) {
    const hl_schema_atom *x = a, *y = b;
    if (x->schema != y->schema) return (uintptr_t)x->schema < (uintptr_t)y->schema ? -1 : 1;
    return (int)x->negated - (int)y->negated;
}

static uint32_t hash_atoms(const hl_schema_atom *a, size_t n) {
    uint64_t h = n;
    for (size_t i = 0; i < n; i++)
        h = (h ^ (uint64_t)(uintptr_t)a[i].schema ^ a[i].negated) * 0x9E3779B97F4A7C15u;
    return (uint32_t)(h >> 32);
}

static bool grow_nodes(hl_schema_ctx *x) {
    if (x->n_nodes == x->nodes_cap) {
        const uint32_t  cap = x->nodes_cap ? 2 * x->nodes_cap : 64;
        hl_schema_node *more = hl_resize(x->nodes, cap, sizeof *more);
        if (!more) return false;
        x->nodes = more;
        x->nodes_cap = cap;
    }
    if (2 * (x->n_nodes + 1) <= x->n_slots) return true;
    const uint32_t n_slots = x->n_slots ? 2 * x->n_slots : 128;
    uint32_t      *slots = hl_new(n_slots, sizeof *slots);
    if (!slots) return false;
    for (uint32_t i = 0; i < x->n_nodes; i++) {
        uint32_t h = x->nodes[i].hash & (n_slots - 1);
        while (slots[h]) h = (h + 1) & (n_slots - 1);
        slots[h] = i + 1;
    }
    hl_free(x->slots);
    x->slots = slots;
    x->n_slots = n_slots;
    return true;
}

static bool is_node(const hl_schema_node *k, const hl_schema_atom *a, size_t n) {
    if (k->n_atoms != n) return false;
    for (size_t i = 0; i < n; i++)
        if (compare_atoms(&k->atoms[i], &a[i]) != 0) return false;
    return true;
}

hl_status hl_schema_find_node(hl_schema_ctx *x, const hl_schema_atom *atoms, size_t n, uint32_t *ret_node) {
    hl_schema_atom *own = hl_arena_get(&x->arena, n + 1, sizeof *own);
    size_t          k = 0;
    if (!own || !grow_nodes(x)) return hl_schema_no_memory(x);
    if (n > 0) memcpy(own, atoms, n * sizeof *own);
    if (n > 1) qsort(own, n, sizeof *own, compare_atoms);
    for (size_t i = 0; i < n; i++)
        if (i == 0 || compare_atoms(&own[i], &own[k - 1]) != 0) own[k++] = own[i];
    const uint32_t hash = hash_atoms(own, k);
    uint32_t       h = hash & (x->n_slots - 1);
    for (; x->slots[h]; h = (h + 1) & (x->n_slots - 1)) {
        *ret_node = x->slots[h] - 1;
        if (x->nodes[*ret_node].hash == hash && is_node(&x->nodes[*ret_node], own, k)) return HL_OK;
    }
    if (x->n_nodes == HL_SCHEMA_MAX_NODES)
        return hl_schema_fail(x, HL_E_FULL, n > 0 ? atoms[0].path : NULL,
                              "the schema is too large here: it describes more than %d different values",
                              HL_SCHEMA_MAX_NODES);
    *ret_node = x->n_nodes;
    x->nodes[x->n_nodes++] = (hl_schema_node){.atoms = own, .n_atoms = k, .hash = hash, .rule = HL_PDA_NONE};
    x->slots[h] = x->n_nodes;
    return HL_OK;
}

hl_status hl_schema_find_rule(hl_schema_ctx *x, uint32_t node, uint32_t *ret_rule) {
    hl_schema_node *k = &x->nodes[node];
    hl_status       status = HL_OK;
    if (k->rule == HL_PDA_NONE && k->n_atoms == 0) status = hl_rules_value(x->j, &k->rule, x->err);
    if (k->rule == HL_PDA_NONE && status == HL_OK) {
        if (x->n_ruled == x->queue_cap) {
            const uint32_t cap = x->queue_cap ? 2 * x->queue_cap : 64;
            uint32_t      *more = hl_resize(x->queue, cap, sizeof *more);
            if (!more) return hl_schema_no_memory(x);
            x->queue = more;
            x->queue_cap = cap;
        }
        k->rule = hl_pda_add_rule(x->j->pda);
        x->queue[x->n_ruled++] = node;
    }
    *ret_rule = k->rule;
    return status;
}

hl_status hl_schema_find_pattern(hl_schema_ctx *x, const json_t *text, const hl_schema_path *path,
                                 const hl_code_dfa **ret_dfa) {
    const char *words = json_string_value(text);
    for (size_t i = 0; i < x->n_patterns; i++) {
        *ret_dfa = &x->patterns[i].dfa;
        if (strcmp(json_string_value(x->patterns[i].text), words) == 0) return HL_OK;
    }
    enum { MAX_PATTERNS = 1000 }; /* they do not move once they are there */
    if (!x->patterns) x->patterns = hl_new(MAX_PATTERNS, sizeof *x->patterns);
    if (!x->patterns) return hl_schema_no_memory(x);
    if (x->n_patterns == MAX_PATTERNS)
        return hl_schema_fail(x, HL_E_FULL, path, "more than %d different patterns", MAX_PATTERNS);
    hl_schema_pattern *p = &x->patterns[x->n_patterns];
    const hl_view      view = {words, json_string_length(text)};
    hl_err             why = {0};
    const hl_status    status = hl_regex_compile(view, false, &p->dfa, &why);
    if (status != HL_OK) return hl_schema_fail(x, status, path, "%s", why.text);
    p->text = text;
    x->n_patterns++;
    *ret_dfa = &p->dfa;
    return HL_OK;
}

/* ---- rules ---- */

static hl_status emit_number(hl_schema_ctx *x, const hl_schema_case *c, uint32_t *ret_rule) {
    const hl_schema_demand *d = c->numbers;
    hl_code_dfa             dfa;
    if (!d || (!d->next && d->kind == HL_NUMBER_INTEGER))
        return hl_rules_number(x->j, d != NULL, ret_rule, x->err);
    const hl_status status = hl_schema_number_dfa(x, d, &dfa);
    if (status != HL_OK) return status;
    *ret_rule = hl_rules_plain(x->j, &dfa);
    hl_code_dfa_done(&dfa);
    return HL_OK;
}

static hl_status emit_text(hl_schema_ctx *x, const hl_schema_case *c, uint32_t *ret_rule) {
    hl_code_dfa dfa;
    bool        any = false;
    if (!c->texts) {
        *ret_rule = hl_rules_text_of_length(x->j, c->least_chars, c->most_chars);
        return HL_OK;
    }
    const hl_status status = hl_schema_text_dfa(x, c, true, &any, &dfa);
    if (status != HL_OK) return status;
    *ret_rule = hl_rules_text_of(x->j, &dfa);
    hl_code_dfa_done(&dfa);
    return HL_OK;
}

static bool is_any_object(const hl_schema_case *c) {
    return !c->object_scopes && !c->unevaluated_props && !c->members && !c->required && !c->names &&
           c->least_props == 0 && c->most_props == UINT32_MAX;
}

static bool is_any_array(const hl_schema_case *c) {
    return !c->array_scopes && !c->unevaluated_items && !c->all_items && !c->contains && !c->unique &&
           c->least_items == 0 && c->most_items == UINT32_MAX;
}

static hl_status emit_case(hl_schema_ctx *x, const hl_schema_case *c, uint32_t from, uint32_t to) {
    static const char *const words[] = {
        [HL_TYPE_NULL] = "null", [HL_TYPE_TRUE] = "true", [HL_TYPE_FALSE] = "false"};
    hl_pda   *p = x->j->pda;
    uint32_t  rule = 0;
    hl_status status = HL_OK;
    if (c->types == HL_TYPE_TEXT && c->least_chars > c->most_chars) return HL_OK;
    if (c->types <= HL_TYPE_FALSE) {
        hl_pda_add_nothing(p, hl_pda_add_text(p, from, words[c->types], strlen(words[c->types])), to);
        return HL_OK;
    }
    if (c->types == HL_TYPE_OBJECT && !is_any_object(c))
        return p->failed == HL_OK ? hl_schema_emit_object(x, c, from, to) : HL_OK;
    if (c->types == HL_TYPE_OBJECT) status = hl_rules_object(x->j, &rule, x->err);
    if (c->types == HL_TYPE_NUMBER) status = emit_number(x, c, &rule);
    if (c->types == HL_TYPE_TEXT) status = emit_text(x, c, &rule);
    if (c->types == HL_TYPE_ARRAY)
        status = is_any_array(c) ? hl_rules_array(x->j, &rule, x->err) : hl_schema_emit_array(x, c, &rule);
    if (status == HL_OK) hl_pda_add_call(p, from, rule, to);
    return status;
}

static hl_status emit_node(hl_schema_ctx *x, uint32_t node) {
    const hl_schema_node k = x->nodes[node];
    hl_pda              *p = x->j->pda;
    hl_schema_cases      cases;
    if (p->failed != HL_OK) return HL_OK; /* no memory: hl_pda_finish() says so */
    const uint32_t from = p->rules[k.rule].start, to = hl_pda_add_state(p, k.rule);
    hl_pda_accept(p, to);
    hl_status status = hl_schema_expand(x, k.atoms, k.n_atoms, &cases);
    for (size_t i = 0; i < cases.n && status == HL_OK; i++) status = emit_case(x, &cases.list[i], from, to);
    hl_schema_cases_done(&cases);
    if (status == HL_OK && p->failed == HL_E_FULL)
        status = hl_schema_fail(x, HL_E_FULL, k.n_atoms > 0 ? k.atoms[0].path : NULL,
                                "the schema is too large here: more than %d states or %d edges",
                                HL_PDA_MAX_STATES, HL_PDA_MAX_EDGES);
    return status;
}

static void ctx_done(hl_schema_ctx *x) {
    for (size_t i = 0; i < x->n_patterns; i++) hl_code_dfa_done(&x->patterns[i].dfa);
    hl_free(x->patterns);
    hl_free(x->pairs);
    hl_free(x->nodes);
    hl_free(x->slots);
    hl_free(x->queue);
    hl_free(x->resources);
    hl_free(x->holders);
    json_decref(x->made);
    hl_arena_done(&x->arena);
}

hl_status hl_schema_compile(const json_t *schema, const hl_schema_rules *rules, hl_json_automata *j,
                            uint32_t *ret_rule, hl_err *err) {
    hl_schema_ctx        x = {.root = schema, .rules = rules, .j = j, .err = err};
    const hl_schema_atom root = {.schema = schema};
    uint32_t             node = 0;
    hl_arena_init(&x.arena, HL_SCHEMA_MAX_BYTES);
    x.made = json_array();
    hl_status status = x.made ? HL_OK : hl_schema_no_memory(&x);
    if (status == HL_OK && json_is_true(schema)) status = hl_schema_find_node(&x, NULL, 0, &node);
    if (status == HL_OK && !json_is_true(schema)) status = hl_schema_find_node(&x, &root, 1, &node);
    if (status == HL_OK) status = hl_schema_find_rule(&x, node, ret_rule);
    for (uint32_t i = 0; i < x.n_ruled && status == HL_OK; i++) {
        status = emit_node(&x, x.queue[i]);
        if (status == HL_OK) status = hl_stop_check("schema", err);
    }
    ctx_done(&x);
    return status;
}
