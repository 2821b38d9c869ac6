/* SPDX-License-Identifier: MIT
 *
 * schema_object.c - objects: the properties that are named, in their order, each there or not, then others.
 *
 * A place in an object is the next name that may come, and where the number of properties counts, how many
 * there are. Names that are none of those named are told apart by the patterns that they match.
 */
#include <string.h>

#include "core/base/mem.h"
#include "engine/grammar/schema_priv.h"

enum { MAX_CLASSES = 64, MAX_PLACES = 200000 };

/* ---- which schemas hold ---- */

typedef struct atom_list {
    hl_schema_atom *list;
    size_t          n, cap;
} atom_list;

static hl_status add_atom(hl_schema_ctx *x, atom_list *l, const json_t *schema, const hl_schema_path *path,
                          bool negated) {
    if (json_is_true(schema) && !negated) return HL_OK;
    if (l->n == l->cap) {
        const size_t    cap = l->cap ? 2 * l->cap : 4;
        hl_schema_atom *more = hl_arena_get(&x->arena, cap, sizeof *more);
        if (!more) return hl_schema_no_memory(x);
        if (l->n) memcpy(more, l->list, l->n * sizeof *more);
        l->list = more;
        l->cap = cap;
    }
    l->list[l->n++] = (hl_schema_atom){schema, path, negated};
    return HL_OK;
}

static const hl_schema_path *path_of(hl_schema_ctx *x, const hl_schema_part *scope, const char *keyword,
                                     const char *name) {
    return hl_schema_under(x, hl_schema_under(x, scope->atom.path, keyword), name);
}

/* What one scope says of a property: its own schema, those of patterns, or the one of all others. */
static hl_status scope_atoms(hl_schema_ctx *x, const hl_schema_part *scope, const char *name, atom_list *l,
                             bool *ret_known) {
    const json_t *own = json_object_get(json_object_get(scope->atom.schema, "properties"), name);
    const json_t *patterns = json_object_get(scope->atom.schema, "patternProperties");
    const json_t *rest = json_object_get(scope->atom.schema, "additionalProperties");
    const char   *key;
    json_t       *v;
    bool          is_known = own != NULL;
    hl_status     status = own ? add_atom(x, l, own, path_of(x, scope, "properties", name), false) : HL_OK;
    json_object_foreach((json_t *)patterns, key, v) {
        const hl_code_dfa *d = NULL;
        json_t            *text = json_string(key);
        if (!text || json_array_append_new(x->made, text) != 0) return hl_schema_no_memory(x);
        if (status == HL_OK)
            status = hl_schema_find_pattern(x, text, path_of(x, scope, "patternProperties", key), &d);
        if (status != HL_OK || !hl_code_dfa_matches(d, hl_view_of(name))) continue;
        is_known = true;
        status = add_atom(x, l, v, path_of(x, scope, "patternProperties", key), false);
    }
    if (status == HL_OK && !is_known && rest)
        status = add_atom(x, l, rest, hl_schema_under(x, scope->atom.path, "additionalProperties"), false);
    *ret_known = is_known || rest;
    return status;
}

/* Each unevaluatedProperties holds for what no scope below its schema knows; knows() says which do. */
typedef bool knows_fn(const void *at, const hl_schema_part *scope);

static hl_status add_unevaluated(hl_schema_ctx *x, const hl_schema_case *c, knows_fn *knows, const void *at,
                                 atom_list *l) {
    hl_status status = HL_OK;
    for (const hl_schema_part *u = c->unevaluated_props; u && status == HL_OK; u = u->next) {
        bool is_known = false;
        for (const hl_schema_part *s = c->object_scopes; s && !is_known; s = s->next)
            is_known = hl_schema_is_below(s, u) && knows(at, s);
        for (const hl_schema_part *o = c->unevaluated_props; o && !is_known; o = o->next)
            is_known = hl_schema_is_inside(o, u);
        if (!is_known) status = add_atom(x, l, u->atom.schema, u->atom.path, false);
    }
    return status;
}

/* The scopes that know the property in hand. */
typedef struct known_scopes {
    const hl_schema_part **list;
    size_t                 n;
} known_scopes;

static bool is_one_of(const void *at, const hl_schema_part *scope) {
    const known_scopes *k = at;
    for (size_t i = 0; i < k->n; i++)
        if (k->list[i] == scope) return true;
    return false;
}

hl_status hl_schema_member_atoms(hl_schema_ctx *x, const hl_schema_case *c, hl_view name,
                                 hl_schema_atom **ret_atoms, size_t *ret_n) {
    atom_list    l = {0};
    known_scopes k = {0};
    hl_status    status = HL_OK;
    if (c->unevaluated_props)
        k.list = hl_arena_get(&x->arena, hl_schema_part_count(c->object_scopes) + 1, sizeof(void *));
    if (c->unevaluated_props && !k.list) return hl_schema_no_memory(x);
    for (const hl_schema_part *s = c->object_scopes; s && status == HL_OK; s = s->next) {
        bool is_known = false;
        status = scope_atoms(x, s, name.ptr, &l, &is_known);
        if (is_known && k.list) k.list[k.n++] = s;
    }
    if (status == HL_OK) status = add_unevaluated(x, c, is_one_of, &k, &l);
    for (const hl_schema_part *m = c->members; m && status == HL_OK; m = m->next)
        if (hl_view_eq(m->name, name))
            status = add_atom(x, &l, m->atom.schema, m->atom.path, m->atom.negated);
    *ret_atoms = l.list;
    *ret_n = l.n;
    return status;
}

/* ---- the names ---- */

typedef struct member {
    hl_view  name;
    bool     is_required;
    uint32_t rule;
} member;

/* Other names that have the same schemas. */
typedef struct name_class {
    uint32_t key_rule, value_rule;
} name_class;

typedef struct object {
    hl_schema_ctx        *x;
    const hl_schema_case *c;
    member               *members;
    json_t               *numbers; /* of members, by their names */
    size_t                n, cap, n_required;
    name_class            classes[MAX_CLASSES];
    size_t                n_classes;
    hl_code_dfa           allowed_names; /* propertyNames; no states: any */
    uint32_t              n_counts;      /* how far properties are counted */
    uint32_t             *places;        /* [(n + 1) * n_counts] at a name; then the same behind a value */
    uint32_t              rule, end;
} object;

static hl_status add_member(object *o, const char *text) {
    const hl_view name = hl_view_of(text);
    if (!o->numbers) o->numbers = json_object();
    if (json_object_get(o->numbers, text)) return HL_OK;
    if (json_object_set_new_nocheck(o->numbers, text, json_integer((json_int_t)o->n)) != 0)
        return hl_schema_no_memory(o->x);
    if (o->n == o->cap) {
        const size_t cap = o->cap ? 2 * o->cap : 16;
        member      *more = hl_resize(o->members, cap, sizeof *more);
        if (!more) return hl_schema_no_memory(o->x);
        o->members = more;
        o->cap = cap;
    }
    o->members[o->n++] = (member){.name = name};
    return HL_OK;
}

/* Lists have the newest first: the oldest names come first in the object. */
static hl_status add_scope_members(object *o, const hl_schema_part *scope) {
    const char *name;
    json_t     *v;
    if (!scope) return HL_OK;
    hl_status     status = add_scope_members(o, scope->next);
    const json_t *properties = json_object_get(scope->atom.schema, "properties");
    if (status == HL_OK && properties && !json_is_object(properties))
        return hl_schema_fail(o->x, HL_E_FORMAT, hl_schema_under(o->x, scope->atom.path, "properties"),
                              "expected an object");
    json_object_foreach((json_t *)properties, name, v) if (status == HL_OK) status = add_member(o, name);
    return status;
}

static hl_status add_part_members(object *o, const hl_schema_part *p) {
    if (!p) return HL_OK;
    const hl_status status = add_part_members(o, p->next);
    return status == HL_OK ? add_member(o, p->name.ptr) : status;
}

/* propertyNames: all names that its schemas allow. */
static hl_status find_allowed_names(object *o) {
    hl_schema_ctx  *x = o->x;
    atom_list       l = {0};
    hl_schema_cases cases = {0};
    json_t         *text = json_pack("{s:s}", "type", "string");
    hl_status status = text && json_array_append_new(x->made, text) == 0 ? HL_OK : hl_schema_no_memory(x);
    if (status == HL_OK) status = add_atom(x, &l, text, NULL, false);
    for (const hl_schema_part *p = o->c->names; p && status == HL_OK; p = p->next)
        status = add_atom(x, &l, p->atom.schema, p->atom.path, p->atom.negated);
    if (status == HL_OK) status = hl_schema_expand(x, l.list, l.n, &cases);
    if (status == HL_OK && cases.n > 1)
        status =
            hl_schema_fail(x, HL_E_ARG, o->c->names->atom.path, "alternatives of names cannot be enforced");
    bool any = false;
    if (status == HL_OK && cases.n == 0) status = hl_code_dfa_add_state(&o->allowed_names, false, x->err);
    if (status == HL_OK && cases.n == 1)
        status = hl_schema_text_dfa(x, &cases.list[0], true, &any, &o->allowed_names);
    hl_schema_cases_done(&cases);
    return status;
}

static hl_status fill_members(object *o) {
    hl_schema_ctx *x = o->x;
    hl_status      status = HL_OK;
    for (const hl_schema_part *r = o->c->required; r; r = r->next) {
        const json_t *i = json_object_get(o->numbers, r->name.ptr); /* all that are required are members */
        o->members[json_integer_value(i)].is_required = true;
    }
    for (size_t i = 0; i < o->n && status == HL_OK; i++) {
        member         *m = &o->members[i];
        hl_schema_atom *atoms = NULL;
        size_t          n = 0;
        uint32_t        node = 0;
        o->n_required += m->is_required;
        status = hl_schema_member_atoms(x, o->c, m->name, &atoms, &n);
        if (status == HL_OK && o->allowed_names.n_states &&
            !hl_code_dfa_matches(&o->allowed_names, m->name)) {
            atom_list none = {0};
            status = add_atom(x, &none, json_false(), NULL, false);
            atoms = none.list;
            n = none.n;
        }
        if (status == HL_OK) status = hl_schema_find_node(x, atoms, n, &node);
        if (status == HL_OK) status = hl_schema_find_rule(x, node, &m->rule);
    }
    return status;
}

/* ---- other names ---- */

typedef struct pattern_ref {
    const hl_schema_part *scope;
    const json_t         *schema;
    const char           *key;
    const hl_code_dfa    *dfa;
} pattern_ref;

typedef struct class_search {
    object      *o;
    pattern_ref *patterns;
    size_t       n;
    bool        *matched; /* [n] */
    bool         is_closed;
} class_search;

/* Does a scope say something of the class in hand: does a pattern match, or does it speak of all others? */
static bool knows_class(const void *at, const hl_schema_part *scope) {
    const class_search *s = at;
    for (size_t i = 0; i < s->n; i++)
        if (s->matched[i] && s->patterns[i].scope == scope) return true;
    return json_object_get(scope->atom.schema, "additionalProperties") != NULL;
}

static hl_status add_class(class_search *s, const hl_code_dfa *names, bool is_any) {
    object        *o = s->o;
    hl_schema_ctx *x = o->x;
    atom_list      l = {0};
    hl_status      status = HL_OK;
    bool           any_pattern = false;
    uint32_t       node = 0;
    for (const hl_schema_part *scope = o->c->object_scopes; scope && status == HL_OK; scope = scope->next) {
        const json_t *rest = json_object_get(scope->atom.schema, "additionalProperties");
        bool          known = false;
        for (size_t i = 0; i < s->n && status == HL_OK; i++) {
            if (!s->matched[i] || s->patterns[i].scope != scope) continue;
            known = any_pattern = true;
            status = add_atom(x, &l, s->patterns[i].schema,
                              path_of(x, scope, "patternProperties", s->patterns[i].key), false);
        }
        if (!known && rest && status == HL_OK)
            status =
                add_atom(x, &l, rest, hl_schema_under(x, scope->atom.path, "additionalProperties"), false);
    }
    if (status == HL_OK) status = add_unevaluated(x, o->c, knows_class, s, &l);
    for (size_t i = 0; i < l.n; i++)
        if (json_is_false(l.list[i].schema)) return status;
    if (status != HL_OK || (s->is_closed && !any_pattern)) return status;
    if (o->n_classes == MAX_CLASSES)
        return hl_schema_fail(x, HL_E_FULL, o->c->object_scopes ? o->c->object_scopes->atom.path : NULL,
                              "patternProperties: more than %d ways to match", MAX_CLASSES);
    name_class *k = &o->classes[o->n_classes++];
    k->key_rule = hl_rules_name_of(x->j, is_any ? NULL : names);
    status = hl_schema_find_node(x, l.list, l.n, &node);
    return status == HL_OK ? hl_schema_find_rule(x, node, &k->value_rule) : status;
}

/* Names that match each of the patterns from i on, or do not: all ways that there are. */
static hl_status find_classes(class_search *s, size_t i, const hl_code_dfa *names, bool is_any) {
    hl_status status = HL_OK;
    if (hl_code_dfa_is_empty(names)) return HL_OK;
    if (i == s->n) return add_class(s, names, is_any);
    for (int matches = 1; matches >= 0 && status == HL_OK; matches--) {
        hl_code_dfa some;
        s->matched[i] = matches;
        status = hl_code_dfa_join(names, s->patterns[i].dfa, !matches, &some, s->o->x->err);
        if (status == HL_OK) status = find_classes(s, i + 1, &some, false);
        hl_code_dfa_done(&some);
    }
    return status;
}

static hl_status find_patterns(class_search *s) {
    hl_schema_ctx *x = s->o->x;
    const char    *key;
    json_t        *v;
    size_t         n = 0;
    hl_status      status = HL_OK;
    for (const hl_schema_part *scope = s->o->c->object_scopes; scope; scope = scope->next)
        n += json_object_size(json_object_get(scope->atom.schema, "patternProperties"));
    s->patterns = hl_arena_get(&x->arena, n + 1, sizeof *s->patterns);
    s->matched = hl_arena_get(&x->arena, n + 1, sizeof *s->matched);
    if (!s->patterns || !s->matched) return hl_schema_no_memory(x);
    for (const hl_schema_part *scope = s->o->c->object_scopes; scope && status == HL_OK;
         scope = scope->next) {
        json_object_foreach(json_object_get(scope->atom.schema, "patternProperties"), key, v) {
            json_t *text = json_string(key);
            if (!text || json_array_append_new(x->made, text) != 0) return hl_schema_no_memory(x);
            pattern_ref *p = &s->patterns[s->n++];
            *p = (pattern_ref){scope, v, key, NULL};
            if (status == HL_OK)
                status =
                    hl_schema_find_pattern(x, text, path_of(x, scope, "patternProperties", key), &p->dfa);
        }
    }
    return status;
}

/* Does the schema say what other properties may be? Where it names some and says nothing, there are none. */
static bool is_closed(const object *o) {
    bool names_some = false;
    if (o->c->unevaluated_props) return false;
    for (const hl_schema_part *s = o->c->object_scopes; s; s = s->next) {
        if (json_object_get(s->atom.schema, "additionalProperties")) return false;
        names_some |= json_object_get(s->atom.schema, "properties") ||
                      json_object_get(s->atom.schema, "patternProperties");
    }
    return names_some && !o->x->rules->is_open;
}

static hl_status find_other_names(object *o) {
    hl_schema_ctx *x = o->x;
    class_search   s = {.o = o, .is_closed = is_closed(o)};
    hl_code_dfa    names = {0}, known = {0};
    hl_view       *words = hl_arena_get(&x->arena, o->n + 1, sizeof *words);
    hl_status      status = words ? find_patterns(&s) : hl_schema_no_memory(x);
    bool           is_any = o->n == 0 && o->allowed_names.n_states == 0;
    if (status != HL_OK || (s.is_closed && s.n == 0)) return status;
    for (size_t i = 0; i < o->n; i++) words[i] = o->members[i].name;
    status = hl_code_dfa_lengths(0, UINT32_MAX, &names, x->err);
    if (status == HL_OK) status = hl_code_dfa_words(words, o->n, &known, x->err);
    if (status == HL_OK && o->n > 0) status = hl_code_dfa_narrow(&names, &known, true, x->err);
    if (status == HL_OK && o->allowed_names.n_states)
        status = hl_code_dfa_narrow(&names, &o->allowed_names, false, x->err);
    if (status == HL_OK) status = find_classes(&s, 0, &names, is_any);
    hl_code_dfa_done(&names);
    hl_code_dfa_done(&known);
    return status;
}

/* ---- the automaton ---- */

/* How far properties must be counted: to the most there may be, else to the least. Names that the schema does
 * not list could repeat, and a repeated one counts once: beyond one of them nothing is sure. */
static hl_status choose_counts(object *o) {
    const hl_schema_case *c = o->c;
    const bool     has_most = c->most_props < o->n || (c->most_props != UINT32_MAX && o->n_classes > 0);
    const uint32_t least = c->least_props <= o->n_required ? 0 : c->least_props;
    o->n_counts = 1 + (has_most ? c->most_props : least);
    if (o->n_classes > 0 && least > o->n + 1)
        return hl_schema_fail(
            o->x, HL_E_ARG, c->least_props_path,
            "more than one property that is not named cannot be enforced, because a name could repeat");
    if ((uint64_t)o->n_counts * (o->n + 1) > MAX_PLACES)
        return hl_schema_fail(o->x, HL_E_FULL, c->least_props_path,
                              "more than %d places where properties are counted", MAX_PLACES);
    return HL_OK;
}

static uint32_t *place(const object *o, bool behind, size_t i, uint32_t k) {
    return &o->places[((behind ? o->n + 1 : 0) + i) * o->n_counts + k];
}

/* One more property; HL_PDA_NONE: that would be too many. */
static uint32_t count_on(const object *o, uint32_t k) {
    if (k + 1 < o->n_counts) return k + 1;
    const bool has_most = o->c->most_props != UINT32_MAX && o->n_counts == o->c->most_props + 1 &&
                          (o->c->most_props < o->n || o->n_classes > 0);
    return has_most ? HL_PDA_NONE : k;
}

static bool may_end(const object *o, size_t i, uint32_t k) {
    if (o->c->least_props > o->n_required && k < o->c->least_props) return false;
    for (; i < o->n; i++)
        if (o->members[i].is_required) return false;
    return true;
}

/* From a name's place: member i, or what comes when it is left out. */
static void emit_member(object *o, size_t i, uint32_t k) {
    hl_json_automata *j = o->x->j;
    const member     *m = &o->members[i];
    const uint32_t    from = *place(o, false, i, k), next = count_on(o, k);
    if (!m->is_required) hl_pda_add_nothing(j->pda, from, *place(o, false, i + 1, k));
    if (next == HL_PDA_NONE) return;
    const uint32_t colon = hl_rules_add_colon(j, hl_rules_add_name(j, from, m->name));
    hl_pda_add_call(j->pda, colon, m->rule, *place(o, true, i + 1, next));
}

/* Other names stand behind all that are listed. Where fewer than the least are there, a second one could
 * repeat the first: so it comes when one is missing at most. */
static void emit_others(object *o, uint32_t k) {
    hl_json_automata *j = o->x->j;
    const uint32_t    from = *place(o, false, o->n, k), next = count_on(o, k);
    const bool        counts = o->c->least_props > o->n_required;
    if (next == HL_PDA_NONE || (counts && k + 1 < o->c->least_props)) return;
    for (size_t i = 0; i < o->n_classes; i++) {
        const uint32_t named = hl_pda_add_state(j->pda, o->rule);
        hl_pda_add_call(j->pda, from, o->classes[i].key_rule, named);
        hl_pda_add_call(j->pda, hl_rules_add_colon(j, named), o->classes[i].value_rule,
                        *place(o, true, o->n, next));
    }
}

static void emit_behind(object *o, size_t i, uint32_t k) {
    hl_json_automata *j = o->x->j;
    const uint32_t    at = *place(o, true, i, k);
    hl_pda_add_nothing(j->pda, hl_rules_add_byte(j, at, ',', true), *place(o, false, i, k));
    if (may_end(o, i, k)) hl_pda_add_bytes(j->pda, hl_rules_add_space(j, at), '}', '}', o->end);
}

static hl_status emit(object *o, uint32_t from) {
    hl_json_automata *j = o->x->j;
    const size_t      n = 2 * (o->n + 1) * o->n_counts;
    o->places = hl_new(n, sizeof *o->places);
    if (!o->places) return hl_schema_no_memory(o->x);
    for (size_t i = 0; i < n; i++) o->places[i] = hl_pda_add_state(j->pda, o->rule);
    const uint32_t open = hl_rules_add_byte(j, from, '{', true);
    hl_pda_add_nothing(j->pda, open, *place(o, false, 0, 0));
    if (may_end(o, 0, 0)) hl_pda_add_bytes(j->pda, open, '}', '}', o->end);
    for (uint32_t k = 0; k < o->n_counts && j->pda->failed == HL_OK; k++) {
        for (size_t i = 0; i < o->n; i++) emit_member(o, i, k);
        emit_others(o, k);
        for (size_t i = 0; i <= o->n; i++)
            if (i > 0 || o->n == 0) emit_behind(o, i, k);
    }
    return HL_OK;
}

static hl_status check_scopes(object *o) {
    for (const hl_schema_part *s = o->c->object_scopes; s; s = s->next) {
        const json_t *p = json_object_get(s->atom.schema, "patternProperties");
        if (p && !json_is_object(p))
            return hl_schema_fail(o->x, HL_E_FORMAT, hl_schema_under(o->x, s->atom.path, "patternProperties"),
                                  "expected an object");
    }
    return HL_OK;
}

hl_status hl_schema_emit_object(hl_schema_ctx *x, const hl_schema_case *c, uint32_t from, uint32_t to) {
    object    o = {.x = x, .c = c, .rule = x->j->pda->states[from].rule, .end = to};
    hl_status status = check_scopes(&o);
    if (status == HL_OK) status = add_scope_members(&o, c->object_scopes);
    if (status == HL_OK) status = add_part_members(&o, c->members);
    if (status == HL_OK) status = add_part_members(&o, c->required);
    if (status == HL_OK && c->names) status = find_allowed_names(&o);
    if (status == HL_OK) status = fill_members(&o);
    if (status == HL_OK) status = find_other_names(&o);
    if (status == HL_OK) status = choose_counts(&o);
    if (status == HL_OK && c->least_props <= c->most_props) status = emit(&o, from);
    hl_code_dfa_done(&o.allowed_names);
    hl_free(o.members);
    json_decref(o.numbers);
    hl_free(o.places);
    return status;
}
