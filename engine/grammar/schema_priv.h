/* SPDX-License-Identifier: MIT
 *
 * schema_priv.h - the inside of the schema compiler.
 *
 * A node is a set of demands on one value: schemas that it must match, and schemas that it must not match.
 * Expanding a node gives its cases: one type each, with all that is demanded of values of this type. A case
 * becomes a piece of automaton whose items and properties are nodes again, so a schema that refers to itself
 * ends where all its sets of demands are known.
 */
#ifndef HL_ENGINE_GRAMMAR_SCHEMA_PRIV_H
#define HL_ENGINE_GRAMMAR_SCHEMA_PRIV_H

#include "core/base/arena.h"
#include "engine/grammar/schema.h"

enum {
    HL_SCHEMA_MAX_NODES = 20000,
    HL_SCHEMA_MAX_CASES = 20000, /* of all nodes */
    HL_SCHEMA_MAX_STEPS = 2000000,
    HL_SCHEMA_MAX_DEPTH = 200, /* of splits in one node, and of references in a row */
    HL_SCHEMA_MAX_BYTES = 128 << 20,
};

typedef enum hl_schema_type {
    HL_TYPE_NULL = 1,
    HL_TYPE_TRUE = 2,
    HL_TYPE_FALSE = 4,
    HL_TYPE_NUMBER = 8,
    HL_TYPE_TEXT = 16,
    HL_TYPE_ARRAY = 32,
    HL_TYPE_OBJECT = 64,
    HL_TYPE_ANY = 127,
} hl_schema_type;

/* A place in the schema, for errors: "#/properties/a/anyOf/1". */
typedef struct hl_schema_path {
    const struct hl_schema_path *up;
    const char                  *name; /* NULL: a number, or the root */
    size_t                       index;
} hl_schema_path;

typedef struct hl_schema_atom {
    const json_t         *schema;
    const hl_schema_path *path;
    bool                  negated;
} hl_schema_atom;

typedef enum hl_demand_kind {
    /* numbers; value: the bound */
    HL_NUMBER_INTEGER,
    HL_NUMBER_NOT_INTEGER,
    HL_NUMBER_LEAST,
    HL_NUMBER_MOST,
    HL_NUMBER_ABOVE,
    HL_NUMBER_BELOW,
    HL_NUMBER_MULTIPLE,
    HL_NUMBER_NOT_MULTIPLE,
    HL_NUMBER_ENUM, /* value: an array */
    HL_NUMBER_NOT_ENUM,
    /* texts */
    HL_TEXT_PATTERN,
    HL_TEXT_NOT_PATTERN,
    HL_TEXT_FORMAT,
    HL_TEXT_ENUM,
    HL_TEXT_NOT_ENUM,
} hl_demand_kind;

/* A list of demands, the newest first; shared by cases that parted later. */
typedef struct hl_schema_demand {
    const struct hl_schema_demand *next;
    hl_demand_kind                 kind;
    const json_t                  *value;
    const hl_schema_path          *path;
} hl_schema_demand;

/* Schemas that hold for a property, an item, names, or contain: with what each list needs. */
typedef struct hl_schema_part {
    const struct hl_schema_part *next;
    hl_view                      name;  /* of a property */
    size_t                       index; /* of an item */
    hl_schema_atom               atom;
    uint32_t                     least, most; /* contains */
    const void                  *task;        /* whose keyword it is: for hl_schema_is_below() */
} hl_schema_part;

/* One value's demands, all of one type when it is finished. */
typedef struct hl_schema_case {
    unsigned                types;
    const hl_schema_demand *numbers, *texts;
    uint32_t                least_chars, most_chars, least_items, most_items, least_props, most_props;
    const hl_schema_part
        *object_scopes;                 /* schemas with properties, patternProperties, additionalProperties */
    const hl_schema_part *members;      /* further schemas of single properties */
    const hl_schema_part *required;     /* names */
    const hl_schema_part *names;        /* schemas of all names */
    const hl_schema_part *array_scopes; /* schemas with prefixItems, items */
    const hl_schema_part *all_items;    /* further schemas of all items */
    const hl_schema_part *contains;
    const hl_schema_part *unevaluated_props,
        *unevaluated_items;                          /* what is below none of their schema's scopes */
    const hl_schema_path *unique, *least_props_path; /* where it is demanded; NULL: it is not */
} hl_schema_case;

typedef struct hl_schema_cases {
    hl_schema_case *list;
    size_t          n, cap;
} hl_schema_cases;

typedef struct hl_schema_node {
    hl_schema_atom *atoms; /* sorted by schema and sign */
    size_t          n_atoms;
    uint32_t        hash, rule; /* HL_PDA_NONE: not asked for yet */
} hl_schema_node;

typedef struct hl_schema_pattern { /* compiled once per text */
    const json_t *text;
    hl_code_dfa   dfa;
} hl_schema_pattern;

typedef struct hl_schema_ctx {
    const json_t              *root;
    const hl_schema_rules     *rules;
    hl_json_automata          *j;
    hl_arena                   arena;
    hl_schema_node            *nodes;
    uint32_t                  *slots; /* number + 1 */
    uint32_t                   n_nodes, nodes_cap, n_slots;
    uint32_t                   n_ruled; /* nodes that have a rule, in the order of `queue` */
    uint32_t                  *queue;
    uint32_t                   queue_cap;
    hl_schema_pattern         *patterns;
    size_t                     n_patterns, patterns_cap;
    struct hl_schema_resource *resources; /* of the document: its own first; 0 of them: not looked for yet */
    struct hl_schema_holder   *holders;   /* schemas with references, sorted */
    size_t                     n_resources, n_holders, holders_cap;
    json_t                    *made; /* schemas that were made of constants: an array that owns them */
    size_t                     n_cases, n_steps;
    struct hl_schema_pair     *pairs; /* what was asked lately; NULL: nothing yet */
    int  n_asking; /* whether two of oneOf can hold together is asked below the same question: so often now */
    bool is_rough; /* alternatives are passed over, which allows more: enough to see that there is no value */
    size_t  n_walked; /* values that searches for references went through */
    bool    is_stopped;
    hl_err *err;
} hl_schema_ctx;

/* ---- schema.c ---- */

hl_status hl_schema_fail(hl_schema_ctx *x, hl_status status, const hl_schema_path *path, const char *fmt, ...)
    HL_PRINTF(4, 5);
hl_status hl_schema_no_memory(hl_schema_ctx *x);
/* Below `up`; NULL: no memory. */
const hl_schema_path *hl_schema_under(hl_schema_ctx *x, const hl_schema_path *up, const char *name);
const hl_schema_path *hl_schema_at(hl_schema_ctx *x, const hl_schema_path *up, size_t index);
/* The node of these demands; the same list gives the same node. */
HL_MUST_CHECK hl_status hl_schema_find_node(hl_schema_ctx *x, const hl_schema_atom *atoms, size_t n,
                                            uint32_t *ret_node);
/* Its rule, which is made later when nobody asked for it before. */
HL_MUST_CHECK hl_status hl_schema_find_rule(hl_schema_ctx *x, uint32_t node, uint32_t *ret_rule);
HL_MUST_CHECK hl_status hl_schema_find_pattern(hl_schema_ctx *x, const json_t *text,
                                               const hl_schema_path *path, const hl_code_dfa **ret_dfa);

/* ---- schema_ref.c ---- */

/* What a reference inside the document points to.
 * in     schema   has it, as `keyword`: $ref or $dynamicRef
 * fails  HL_E_ARG for others, HL_E_FORMAT where nothing is */
HL_MUST_CHECK hl_status hl_schema_resolve(hl_schema_ctx *x, const json_t *schema, const char *keyword,
                                          const hl_schema_path *path, hl_schema_atom *ret_atom);

/* ---- schema_expand.c ---- */

/* The cases of a node. fails as hl_schema_compile() */
HL_MUST_CHECK hl_status hl_schema_expand(hl_schema_ctx *x, const hl_schema_atom *atoms, size_t n,
                                         hl_schema_cases *ret);
void                    hl_schema_cases_done(hl_schema_cases *c);
/* Does a part of a case stem from the schema of the other one, without a 'not' between? Then what it says of
 * a property or an item is what unevaluatedProperties and unevaluatedItems of that schema call evaluated. */
bool hl_schema_is_below(const hl_schema_part *part, const hl_schema_part *of);
/* The same, and of another schema: unevaluatedProperties further in leaves nothing unevaluated. */
bool hl_schema_is_inside(const hl_schema_part *part, const hl_schema_part *of);

/* ---- schema_text.c, schema_number.c ---- */

/* All texts of a case; *ret_any: any text at all, and no automaton was made. */
HL_MUST_CHECK hl_status hl_schema_text_dfa(hl_schema_ctx *x, const hl_schema_case *c, bool with_lengths,
                                           bool *ret_any, hl_code_dfa *ret);
HL_MUST_CHECK hl_status hl_schema_number_dfa(hl_schema_ctx *x, const hl_schema_demand *demands,
                                             hl_code_dfa *ret);

/* ---- schema_object.c, schema_array.c ---- */

/* From `from` to `to`, both of one rule: a value of that case. */
HL_MUST_CHECK hl_status hl_schema_emit_object(hl_schema_ctx *x, const hl_schema_case *c, uint32_t from,
                                              uint32_t to);
HL_MUST_CHECK hl_status hl_schema_emit_array(hl_schema_ctx *x, const hl_schema_case *c, uint32_t *ret_rule);
/* Schemas that hold for a property of that name: *ret_n of them into the arena. */
HL_MUST_CHECK hl_status hl_schema_member_atoms(hl_schema_ctx *x, const hl_schema_case *c, hl_view name,
                                               hl_schema_atom **ret_atoms, size_t *ret_n);

static inline size_t hl_schema_part_count(const hl_schema_part *p) {
    size_t n = 0;
    for (; p; p = p->next) n++;
    return n;
}

#endif
