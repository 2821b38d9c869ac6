/* SPDX-License-Identifier: MIT
 *
 * schema_array.c - arrays: items that have a schema of their own, then all others; how many, and how many of
 * some kind (contains).
 */
#include <string.h>

#include "core/base/mem.h"
#include "engine/grammar/schema_priv.h"

enum { MAX_LEVELS = 64, MAX_UNIQUE = 8, MAX_PLACES = 50000 };

static size_t n_prefix_of(const json_t *schema) {
    const json_t *first = json_object_get(schema, "prefixItems");
    if (!first) first = json_object_get(schema, "items"); /* a list, before 2020-12 */
    return json_is_array(first) ? json_array_size(first) : 0;
}

/* What one scope says of the item at `index`; NULL: nothing. */
static const json_t *item_of(hl_schema_ctx *x, const hl_schema_part *scope, size_t index,
                             const hl_schema_path **ret_path) {
    const json_t *s = scope->atom.schema, *prefix = json_object_get(s, "prefixItems"),
                 *items = json_object_get(s, "items");
    const char *name = prefix ? "prefixItems" : "items", *rest = "items";
    if (!prefix && json_is_array(items)) {
        prefix = items;
        items = json_object_get(s, "additionalItems");
        rest = "additionalItems";
    }
    *ret_path = hl_schema_at(x, hl_schema_under(x, scope->atom.path, name), index);
    if (json_is_array(prefix) && index < json_array_size(prefix)) return json_array_get(prefix, index);
    *ret_path = hl_schema_under(x, scope->atom.path, rest);
    return items;
}

static hl_status item_atoms(hl_schema_ctx *x, const hl_schema_case *c, size_t index,
                            hl_schema_atom **ret_atoms, size_t *ret_n) {
    hl_schema_atom *list = hl_arena_get(
        &x->arena, hl_schema_part_count(c->array_scopes) + hl_schema_part_count(c->all_items) + 2,
        sizeof *list);
    size_t n = 0;
    if (!list) return hl_schema_no_memory(x);
    for (const hl_schema_part *s = c->array_scopes; s; s = s->next) {
        const hl_schema_path *path = NULL;
        const json_t         *item = item_of(x, s, index, &path);
        if (item && !json_is_true(item)) list[n++] = (hl_schema_atom){item, path, false};
    }
    for (const hl_schema_part *p = c->all_items; p; p = p->next) list[n++] = p->atom;
    *ret_atoms = list;
    *ret_n = n;
    return HL_OK;
}

typedef struct array_parts {
    hl_schema_ctx        *x;
    const hl_schema_case *c;
    size_t                n_prefix;
    uint32_t              rule, end;
    uint32_t              n_levels; /* 1 + how many items of `contains` are counted */
    bool                  is_exact; /* and no more than that: items are told apart */
} array_parts;

/* The rule of an item: which is of the kind that is counted (1), which is not (0), or whatever it is (-1). */
static hl_status item_rule(array_parts *a, size_t index, int kind, uint32_t *ret_rule) {
    hl_schema_atom *atoms = NULL;
    size_t          n = 0;
    uint32_t        node = 0;
    hl_status       status = item_atoms(a->x, a->c, index, &atoms, &n);
    if (status != HL_OK) return status;
    if (kind >= 0) {
        atoms[n] = a->c->contains->atom;
        atoms[n].negated ^= kind == 0;
        n++;
    }
    status = hl_schema_find_node(a->x, atoms, n, &node);
    return status == HL_OK ? hl_schema_find_rule(a->x, node, ret_rule) : status;
}

/* An item between two levels of states; with `contains`, one of its kind leads a level up. */
static hl_status add_item(array_parts *a, size_t index, const uint32_t *from, const uint32_t *to,
                          bool counts) {
    hl_pda   *p = a->x->j->pda;
    uint32_t  plain = 0, kind = 0;
    hl_status status = item_rule(a, index, a->is_exact ? 0 : -1, &plain);
    if (status == HL_OK && a->n_levels > 1) status = item_rule(a, index, 1, &kind);
    for (uint32_t k = 0; k < a->n_levels && status == HL_OK; k++) {
        hl_pda_add_call(p, from[k], plain, to[k]);
        if (counts) hl_pda_mark_counts(p);
        if (a->n_levels == 1 || (k + 1 == a->n_levels && a->is_exact)) continue;
        hl_pda_add_call(p, from[k], kind, to[k + 1 < a->n_levels ? k + 1 : k]);
        if (counts) hl_pda_mark_counts(p);
    }
    return status;
}

static void add_level_states(array_parts *a, uint32_t *states) {
    for (uint32_t k = 0; k < a->n_levels; k++) states[k] = hl_pda_add_state(a->x->j->pda, a->rule);
}

/* Behind n items: the end, where there are enough. */
static void add_end(array_parts *a, const uint32_t *at, bool is_past_least) {
    hl_pda        *p = a->x->j->pda;
    const uint32_t least = a->c->contains ? a->c->contains->least : 0;
    for (uint32_t k = 0; k < a->n_levels; k++) {
        if (k < least) continue;
        const uint32_t enough = hl_pda_add_state(p, a->rule);
        hl_pda_add_nothing(p, at[k], enough);
        if (is_past_least) hl_pda_mark_past_least(p);
        hl_pda_add_bytes(p, hl_rules_add_space(a->x->j, enough), ']', ']', a->end);
    }
}

/* The comma counts, not the item behind it: behind a comma there is no way back. */
static void add_commas(array_parts *a, const uint32_t *at, const uint32_t *next, bool counts) {
    hl_pda *p = a->x->j->pda;
    for (uint32_t k = 0; k < a->n_levels; k++) {
        const uint32_t comma = hl_pda_add_text(p, at[k], ",", 1);
        if (counts) hl_pda_mark_counts(p);
        hl_pda_add_nothing(p, hl_rules_add_space(a->x->j, comma), next[k]);
    }
}

static hl_status emit(array_parts *a) {
    hl_pda    *p = a->x->j->pda;
    uint32_t   at[MAX_LEVELS + 1], behind[MAX_LEVELS + 1], next[MAX_LEVELS + 1];
    const bool has_rest = a->c->most_items > a->n_prefix;
    hl_status  status = HL_OK;
    add_level_states(a, at);
    const uint32_t open = hl_rules_add_byte(a->x->j, p->rules[a->rule].start, '[', true);
    hl_pda_add_nothing(p, open, at[0]);
    if (a->c->least_items == 0 && (!a->c->contains || a->c->contains->least == 0))
        hl_pda_add_bytes(p, open, ']', ']', a->end);
    for (size_t i = 0; i < a->n_prefix && i < a->c->most_items && status == HL_OK; i++) {
        add_level_states(a, behind);
        add_level_states(a, next);
        status = add_item(a, i, at, behind, false);
        if (i + 1 >= a->c->least_items) add_end(a, behind, false);
        if (i + 1 < a->c->most_items) add_commas(a, behind, next, false);
        memcpy(at, next, sizeof at);
    }
    if (!has_rest || status != HL_OK) return status;
    add_level_states(a, behind);
    status = add_item(a, a->n_prefix, at, behind, true);
    add_end(a, behind, true);
    add_level_states(a, next);
    add_commas(a, behind, next, true);
    return status == HL_OK ? add_item(a, a->n_prefix, next, behind, false) : status;
}

/* ---- items that must differ ---- */

/* The values of items where they are a short list of texts, numbers and words. NULL: they are not. */
static const json_t *short_list(hl_schema_ctx *x, const hl_schema_case *c) {
    hl_schema_atom *atoms = NULL;
    size_t          n = 0, i;
    json_t         *v;
    const json_t   *values = NULL;
    if (item_atoms(x, c, 0, &atoms, &n) != HL_OK || n != 1 || atoms[0].negated) return NULL;
    const json_t *s = atoms[0].schema;
    for (int hops = 0; hops < 8 && json_object_get(s, "$ref"); hops++) {
        hl_schema_atom to;
        if (json_object_size(s) != 1 || hl_schema_resolve(x, json_object_get(s, "$ref"), NULL, &to) != HL_OK)
            return NULL;
        s = to.schema;
    }
    values = json_object_get(s, "enum");
    if (!json_is_array(values) || json_array_size(values) > MAX_UNIQUE) return NULL;
    json_array_foreach(values, i,
                       v) if (json_is_array(v) || json_is_object(v) || json_is_real(v)) return NULL;
    return values;
}

/* One rule for each value, so that `type` beside the list counts, too. */
static hl_status value_rule(hl_schema_ctx *x, const hl_schema_case *c, const json_t *value,
                            uint32_t *ret_rule) {
    hl_schema_atom *atoms = NULL;
    size_t          n = 0;
    uint32_t        node = 0;
    json_t         *made = json_pack("{s:O}", "const", value);
    if (!made || json_array_append_new(x->made, made) != 0) return hl_schema_no_memory(x);
    hl_status status = item_atoms(x, c, 0, &atoms, &n);
    if (status == HL_OK) atoms[n++] = (hl_schema_atom){made, NULL, false};
    if (status == HL_OK) status = hl_schema_find_node(x, atoms, n, &node);
    return status == HL_OK ? hl_schema_find_rule(x, node, ret_rule) : status;
}

/* A state for each set of values that were there. */
static hl_status emit_unique(array_parts *a, const json_t *values) {
    hl_pda        *p = a->x->j->pda;
    const uint32_t n = (uint32_t)json_array_size(values);
    uint32_t       rules[MAX_UNIQUE] = {0};
    hl_status      status = HL_OK;
    for (uint32_t i = 0; i < n && status == HL_OK; i++)
        status = value_rule(a->x, a->c, json_array_get(values, i), &rules[i]);
    if (status != HL_OK) return status;
    const uint32_t begin = p->n_states;
    for (uint32_t set = 0; set < 1u << n; set++) (void)hl_pda_add_state(p, a->rule);
    const uint32_t behind = p->n_states;
    for (uint32_t set = 0; set < 1u << n; set++) (void)hl_pda_add_state(p, a->rule);
    const uint32_t open = hl_rules_add_byte(a->x->j, p->rules[a->rule].start, '[', true);
    hl_pda_add_nothing(p, open, begin);
    if (a->c->least_items == 0) hl_pda_add_bytes(p, open, ']', ']', a->end);
    for (uint32_t set = 0; set < 1u << n && p->failed == HL_OK; set++) {
        const uint32_t there = (uint32_t)__builtin_popcount(set);
        for (uint32_t i = 0; i < n; i++)
            if (!(set >> i & 1)) hl_pda_add_call(p, begin + set, rules[i], behind + (set | 1u << i));
        if (set == 0) continue;
        if (there >= a->c->least_items && there <= a->c->most_items)
            hl_pda_add_bytes(p, hl_rules_add_space(a->x->j, behind + set), ']', ']', a->end);
        if (there < a->c->most_items)
            hl_pda_add_nothing(p, hl_rules_add_byte(a->x->j, behind + set, ',', true), begin + set);
    }
    return HL_OK;
}

/* ---- the whole ---- */

static hl_status choose_levels(array_parts *a) {
    const hl_schema_part *k = a->c->contains;
    a->n_levels = 1;
    if (!k) return HL_OK;
    if (k->next)
        return hl_schema_fail(a->x, HL_E_ARG, k->atom.path, "more than one 'contains' cannot be enforced");
    a->is_exact = k->most != UINT32_MAX;
    const uint32_t counted = a->is_exact ? k->most : k->least;
    if (counted >= MAX_LEVELS)
        return hl_schema_fail(a->x, HL_E_ARG, k->atom.path, "more than %d such items cannot be enforced",
                              MAX_LEVELS - 1);
    a->n_levels = counted + 1;
    return HL_OK;
}

hl_status hl_schema_emit_array(hl_schema_ctx *x, const hl_schema_case *c, uint32_t *ret_rule) {
    array_parts a = {.x = x, .c = c};
    hl_pda     *p = x->j->pda;
    for (const hl_schema_part *s = c->array_scopes; s; s = s->next) {
        const size_t n = n_prefix_of(s->atom.schema);
        if (n > a.n_prefix) a.n_prefix = n;
    }
    a.rule = *ret_rule = hl_pda_add_rule(p);
    a.end = hl_pda_add_state(p, a.rule);
    hl_pda_accept(p, a.end);
    if (p->failed != HL_OK) return HL_OK;
    hl_status status = choose_levels(&a);
    if (status != HL_OK || c->least_items > c->most_items) return status;
    if (c->unique && c->most_items > 1) {
        const json_t *values = a.n_prefix == 0 && !c->contains ? short_list(x, c) : NULL;
        if (values) return emit_unique(&a, values);
        return hl_schema_fail(
            x, HL_E_ARG, c->unique,
            "it can be enforced for items of an enum of at most %d texts, whole numbers and words alone",
            MAX_UNIQUE);
    }
    /* Where kinds are counted, each place is a state of its own, so that none is a dead end. */
    if (c->contains && c->most_items != UINT32_MAX) a.n_prefix = c->most_items;
    if (c->contains && c->most_items == UINT32_MAX && c->least_items > a.n_prefix)
        a.n_prefix = c->least_items;
    if (a.n_prefix * a.n_levels > MAX_PLACES)
        return hl_schema_fail(x, HL_E_FULL, c->contains ? c->contains->atom.path : NULL,
                              "more than %d items to tell apart", MAX_PLACES);
    const uint32_t n = (uint32_t)a.n_prefix;
    p->rules[a.rule].least = c->least_items > n ? c->least_items - n : 0;
    p->rules[a.rule].most = c->most_items == UINT32_MAX ? UINT32_MAX
                            : c->most_items > n         ? c->most_items - n
                                                        : 0;
    p->rules[a.rule].counts = p->rules[a.rule].least > 0 || p->rules[a.rule].most != UINT32_MAX;
    return emit(&a);
}
