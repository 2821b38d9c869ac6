/* SPDX-License-Identifier: MIT
 *
 * schema_array.c - arrays: items that have a schema of their own, then all others; how many, and how many of
 * some kind (contains).
 */
#include <math.h>
#include <string.h>

#include "core/base/mem.h"
#include "engine/grammar/schema_priv.h"

enum { MAX_LEVELS = 64, MAX_KINDS = 4, MAX_UNIQUE = 10, MAX_PLACES = 50000 };

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

/* What unevaluatedItems `u` says of the item at `index`; NULL: nothing, or a scope below its schema knows it.
 * Items that a `contains` below it holds for are known, too. */
static hl_status unevaluated_item(hl_schema_ctx *x, const hl_schema_case *c, const hl_schema_part *u,
                                  size_t index, const json_t **ret) {
    json_t *some = NULL;
    *ret = NULL;
    for (const hl_schema_part *s = c->array_scopes; s; s = s->next) {
        const hl_schema_path *path = NULL;
        if (hl_schema_is_below(s, u) && item_of(x, s, index, &path)) return HL_OK;
    }
    for (const hl_schema_part *o = c->unevaluated_items; o; o = o->next)
        if (hl_schema_is_inside(o, u)) return HL_OK;
    *ret = u->atom.schema;
    for (const hl_schema_part *k = c->contains; k; k = k->next) {
        if (!hl_schema_is_below(k, u) || k->atom.negated) continue;
        if (!some) {
            json_t *made = json_pack("{s:[O]}", "anyOf", u->atom.schema);
            if (!made || json_array_append_new(x->made, made) != 0) return hl_schema_no_memory(x);
            *ret = made;
            some = json_object_get(made, "anyOf");
        }
        if (json_array_append(some, (json_t *)(uintptr_t)k->atom.schema) != 0) return hl_schema_no_memory(x);
    }
    return HL_OK;
}

static hl_status item_atoms(hl_schema_ctx *x, const hl_schema_case *c, size_t index,
                            hl_schema_atom **ret_atoms, size_t *ret_n) {
    hl_schema_atom *list =
        hl_arena_get(&x->arena,
                     hl_schema_part_count(c->array_scopes) + hl_schema_part_count(c->all_items) +
                         hl_schema_part_count(c->unevaluated_items) + 1 + MAX_KINDS,
                     sizeof *list);
    size_t n = 0;
    if (!list) return hl_schema_no_memory(x);
    for (const hl_schema_part *s = c->array_scopes; s; s = s->next) {
        const hl_schema_path *path = NULL;
        const json_t         *item = item_of(x, s, index, &path);
        if (item && !json_is_true(item)) list[n++] = (hl_schema_atom){item, path, false};
    }
    for (const hl_schema_part *u = c->unevaluated_items; u; u = u->next) {
        const json_t   *item = NULL;
        const hl_status status = unevaluated_item(x, c, u, index, &item);
        if (status != HL_OK) return status;
        if (item && !json_is_true(item)) list[n++] = (hl_schema_atom){item, u->atom.path, false};
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
    /* Each `contains` is a kind of items that is counted. A level is a count of each of them, the first one's
     * digit first. */
    struct kind {
        hl_schema_atom atom;
        uint32_t       least, n, unit; /* n counts: 0 to n - 1; unit: levels between two of them */
        bool           is_exact;       /* no more than that: items of this kind and others are told apart */
    } kinds[MAX_KINDS];
    uint32_t n_kinds, n_levels; /* 1 without kinds */
} array_parts;

/* The rule of an item that is of these kinds, a bit for each; of the others it may be where it does not
 * matter. */
static hl_status item_rule(array_parts *a, size_t index, unsigned kinds, uint32_t *ret_rule) {
    hl_schema_atom *atoms = NULL;
    size_t          n = 0;
    uint32_t        node = 0;
    hl_status       status = item_atoms(a->x, a->c, index, &atoms, &n);
    if (status != HL_OK) return status;
    for (uint32_t i = 0; i < a->n_kinds; i++) {
        const bool is_one = kinds >> i & 1;
        if (!is_one && !a->kinds[i].is_exact) continue;
        atoms[n] = a->kinds[i].atom;
        atoms[n++].negated ^= !is_one;
    }
    status = hl_schema_find_node(a->x, atoms, n, &node);
    return status == HL_OK ? hl_schema_find_rule(a->x, node, ret_rule) : status;
}

/* The level behind an item of these kinds; false: that would be one too many. */
static bool level_behind(const array_parts *a, uint32_t level, unsigned kinds, uint32_t *ret_level) {
    *ret_level = level;
    for (uint32_t i = 0; i < a->n_kinds; i++) {
        const struct kind *k = &a->kinds[i];
        const bool         is_full = level / k->unit % k->n == k->n - 1;
        if (!(kinds >> i & 1)) continue;
        if (is_full && k->is_exact) return false;
        if (!is_full) *ret_level += k->unit;
    }
    return true;
}

/* An item between two levels of states; one of some kinds leads up. */
static hl_status add_item(array_parts *a, size_t index, const uint32_t *from, const uint32_t *to,
                          bool counts) {
    hl_pda *p = a->x->j->pda;
    for (unsigned kinds = 0; kinds < 1u << a->n_kinds; kinds++) {
        uint32_t        rule = 0, next = 0;
        const hl_status status = item_rule(a, index, kinds, &rule);
        if (status != HL_OK) return status;
        for (uint32_t level = 0; level < a->n_levels; level++) {
            if (!level_behind(a, level, kinds, &next)) continue;
            hl_pda_add_call(p, from[level], rule, to[next]);
            if (counts) hl_pda_mark_counts(p);
        }
    }
    return HL_OK;
}

/* Are there enough of each kind? */
static bool is_enough(const array_parts *a, uint32_t level) {
    for (uint32_t i = 0; i < a->n_kinds; i++)
        if (level / a->kinds[i].unit % a->kinds[i].n < a->kinds[i].least) return false;
    return true;
}

static void add_level_states(array_parts *a, uint32_t *states) {
    for (uint32_t k = 0; k < a->n_levels; k++) states[k] = hl_pda_add_state(a->x->j->pda, a->rule);
}

/* Behind n items: the end, where there are enough. */
static void add_end(array_parts *a, const uint32_t *at, bool is_past_least) {
    hl_pda *p = a->x->j->pda;
    for (uint32_t k = 0; k < a->n_levels; k++) {
        if (!is_enough(a, k)) continue;
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
    if (a->c->least_items == 0 && is_enough(a, 0)) hl_pda_add_bytes(p, open, ']', ']', a->end);
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

typedef struct short_list {
    const json_t *values[MAX_UNIQUE];
    size_t        n;
    bool          is_long; /* there are more, or some that are no texts, whole numbers or words */
} short_list;

static void add_value(short_list *l, const json_t *v) {
    for (size_t i = 0; i < l->n; i++)
        if (json_equal(l->values[i], v)) return;
    l->is_long |= !v || json_is_array(v) || json_is_object(v) || json_is_real(v) || l->n == MAX_UNIQUE;
    if (!l->is_long) l->values[l->n++] = v;
}

/* Whole numbers between two bounds. False: no memory. */
static bool add_range(hl_schema_ctx *x, const hl_schema_demand *numbers, short_list *l) {
    double least = -INFINITY, most = INFINITY;
    bool   is_whole = false;
    for (const hl_schema_demand *d = numbers; d; d = d->next) {
        const double v = json_number_value(d->value);
        is_whole |= d->kind == HL_NUMBER_INTEGER;
        if (d->kind == HL_NUMBER_LEAST || d->kind == HL_NUMBER_ABOVE) least = fmax(least, v);
        if (d->kind == HL_NUMBER_MOST || d->kind == HL_NUMBER_BELOW) most = fmin(most, v);
    }
    l->is_long |= !is_whole || !(fabs(least) < 1e15) || !(most - least < 2 * MAX_UNIQUE);
    for (double v = ceil(least); !l->is_long && v <= most; v++) {
        json_t *made = json_integer((json_int_t)v);
        if (!made || json_array_append_new(x->made, made) != 0) return false;
        add_value(l, made);
    }
    return true;
}

/* Values that a case may have, and perhaps some that it may not: each is tried. False: no memory. */
static bool add_values_of(hl_schema_ctx *x, const hl_schema_case *c, short_list *l) {
    const bool              is_text = c->types == HL_TYPE_TEXT;
    const hl_schema_demand *d = is_text ? c->texts : c->numbers;
    size_t                  i;
    const json_t           *v;
    if (c->types == HL_TYPE_TRUE) add_value(l, json_true());
    if (c->types == HL_TYPE_FALSE) add_value(l, json_false());
    if (c->types == HL_TYPE_NULL) add_value(l, json_null());
    if (c->types <= HL_TYPE_FALSE) return true;
    if (c->types != HL_TYPE_NUMBER && !is_text) l->is_long = true;
    while (d && d->kind != HL_NUMBER_ENUM && d->kind != HL_TEXT_ENUM) d = d->next;
    if (!d && c->types == HL_TYPE_NUMBER) return add_range(x, c->numbers, l);
    l->is_long |= !d;
    json_array_foreach(d ? d->value : NULL, i, v) if (is_text ? json_is_string(v) : json_is_number(v))
        add_value(l, v);
    return true;
}

/* The values of all items, where they are few. */
static hl_status find_values(array_parts *a, short_list *l) {
    hl_status status = HL_OK;
    for (size_t index = 0; index <= a->n_prefix && status == HL_OK && !l->is_long; index++) {
        hl_schema_atom *atoms = NULL;
        size_t          n = 0;
        hl_schema_cases cases = {0};
        if (index >= a->c->most_items) break;
        status = item_atoms(a->x, a->c, index, &atoms, &n);
        if (status == HL_OK) status = hl_schema_expand(a->x, atoms, n, &cases);
        for (size_t i = 0; i < cases.n && status == HL_OK; i++)
            if (!add_values_of(a->x, &cases.list[i], l)) status = hl_schema_no_memory(a->x);
        hl_schema_cases_done(&cases);
    }
    return status;
}

/* One rule for each value at a place, so that all that is said of the item there counts. */
static hl_status value_rule(hl_schema_ctx *x, const hl_schema_case *c, size_t index, const json_t *value,
                            uint32_t *ret_rule) {
    hl_schema_atom *atoms = NULL;
    size_t          n = 0;
    uint32_t        node = 0;
    json_t         *made = json_pack("{s:O}", "const", value);
    if (!made || json_array_append_new(x->made, made) != 0) return hl_schema_no_memory(x);
    hl_status status = item_atoms(x, c, index, &atoms, &n);
    if (status == HL_OK) atoms[n++] = (hl_schema_atom){made, NULL, false};
    if (status == HL_OK) status = hl_schema_find_node(x, atoms, n, &node);
    return status == HL_OK ? hl_schema_find_rule(x, node, ret_rule) : status;
}

/* A state for each set of values that were there, which says how many there were, too. */
static hl_status emit_unique(array_parts *a, const short_list *l) {
    hl_pda        *p = a->x->j->pda;
    const uint32_t n = (uint32_t)l->n, n_places = (uint32_t)(a->n_prefix < n ? a->n_prefix : n) + 1;
    uint32_t       rules[MAX_UNIQUE + 1][MAX_UNIQUE] = {{0}};
    hl_status      status = HL_OK;
    for (uint32_t k = 0; k < n_places; k++)
        for (uint32_t i = 0; i < n && status == HL_OK; i++)
            status = value_rule(a->x, a->c, k, l->values[i], &rules[k][i]);
    if (status != HL_OK) return status;
    const uint32_t begin = p->n_states;
    for (uint32_t set = 0; set < 1u << n; set++) (void)hl_pda_add_state(p, a->rule);
    const uint32_t behind = p->n_states;
    for (uint32_t set = 0; set < 1u << n; set++) (void)hl_pda_add_state(p, a->rule);
    const uint32_t open = hl_rules_add_byte(a->x->j, p->rules[a->rule].start, '[', true);
    hl_pda_add_nothing(p, open, begin);
    if (a->c->least_items == 0) hl_pda_add_bytes(p, open, ']', ']', a->end);
    for (uint32_t set = 0; set < 1u << n && p->failed == HL_OK; set++) {
        const uint32_t  there = (uint32_t)__builtin_popcount(set);
        const uint32_t *here = rules[there < n_places ? there : n_places - 1];
        for (uint32_t i = 0; i < n; i++)
            if (!(set >> i & 1)) hl_pda_add_call(p, begin + set, here[i], behind + (set | 1u << i));
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
    a->n_levels = 1;
    for (const hl_schema_part *k = a->c->contains; k; k = k->next) {
        if (a->n_kinds == MAX_KINDS)
            return hl_schema_fail(a->x, HL_E_ARG, k->atom.path,
                                  "more than %d times 'contains' for one array cannot be enforced",
                                  MAX_KINDS);
        const bool     is_exact = k->most != UINT32_MAX;
        const uint32_t counted = is_exact ? k->most : k->least;
        if (counted >= MAX_LEVELS || (counted + 1) * a->n_levels > MAX_LEVELS)
            return hl_schema_fail(a->x, HL_E_ARG, k->atom.path,
                                  "more than %d such items cannot be enforced%s", MAX_LEVELS - 1,
                                  a->n_kinds > 0 ? ", nor their combinations" : "");
        a->kinds[a->n_kinds++] = (struct kind){
            .atom = k->atom, .least = k->least, .n = counted + 1, .unit = a->n_levels, .is_exact = is_exact};
        a->n_levels *= counted + 1;
    }
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
        short_list values = {.is_long = c->contains != NULL};
        status = find_values(&a, &values);
        if (status != HL_OK) return status;
        if (!values.is_long) return emit_unique(&a, &values);
        return hl_schema_fail(x, HL_E_ARG, c->unique,
                              "it can be enforced where items have at most %d values, all of them texts, "
                              "whole numbers or words",
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
