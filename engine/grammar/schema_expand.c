/* SPDX-License-Identifier: MIT
 *
 * schema_expand.c - from demands on a value to its cases: references are followed, alternatives become cases,
 * and what must not hold becomes what else may.
 */
#include <string.h>

#include "core/base/mem.h"
#include "core/base/stop.h"
#include "engine/grammar/schema_priv.h"

/* What is still to be done in a case. */
typedef enum task_kind {
    TASK_ATOM,       /* a schema holds, or does not */
    TASK_SOME,       /* one of an array's schemas */
    TASK_ONE,        /* exactly one of them */
    TASK_BREAK,      /* one keyword of a schema does not hold */
    TASK_IF,         /* if and then, or not if and else */
    TASK_DEPENDENT,  /* one entry: the property is not there, or its schema, or its names are */
    TASK_STRUCTURED, /* one of the arrays or objects of an enum, or one of its other values */
} task_kind;

typedef struct task {
    const struct task *next;
    const struct task *from; /* whose keyword made it: a schema among these leads to itself */
    task_kind          kind;
    hl_schema_atom     atom; /* SOME, ONE: of the array; negated: none of them holds */
    const char        *name; /* DEPENDENT */
} task;

typedef struct splitting {
    hl_schema_case c;
    const task    *todo, *done;
    int            depth;
} splitting;

static hl_status split(hl_schema_ctx *x, splitting s, hl_schema_cases *out);
/* Is it plain that no value meets these demands? False: it may be so, or there are some. */
static hl_status is_empty(hl_schema_ctx *x, const hl_schema_atom *atoms, size_t n, int depth,
                          bool *ret_empty);

void hl_schema_cases_done(hl_schema_cases *c) {
    hl_free(c->list);
    *c = (hl_schema_cases){0};
}

/* ---- lists ---- */

static hl_status push(hl_schema_ctx *x, splitting *s, task t) {
    task *n = hl_arena_get(&x->arena, 1, sizeof *n);
    if (!n) return hl_schema_no_memory(x);
    *n = t;
    n->next = s->todo;
    s->todo = n;
    return HL_OK;
}

static hl_status push_atom(hl_schema_ctx *x, splitting *s, const task *from, hl_schema_atom atom) {
    return push(x, s, (task){.from = from, .kind = TASK_ATOM, .atom = atom});
}

static hl_status demand(hl_schema_ctx *x, const hl_schema_demand **list, hl_demand_kind kind, const json_t *v,
                        const hl_schema_path *path) {
    hl_schema_demand *d = hl_arena_get(&x->arena, 1, sizeof *d);
    if (!d) return hl_schema_no_memory(x);
    *d = (hl_schema_demand){*list, kind, v, path};
    *list = d;
    return HL_OK;
}

static hl_status add_part(hl_schema_ctx *x, const hl_schema_part **list, hl_schema_part part) {
    hl_schema_part *p = hl_arena_get(&x->arena, 1, sizeof *p);
    if (!p) return hl_schema_no_memory(x);
    *p = part;
    p->next = *list;
    *list = p;
    return HL_OK;
}

static hl_status require(hl_schema_ctx *x, hl_schema_case *c, const char *name) {
    return add_part(x, &c->required, (hl_schema_part){.name = hl_view_of(name)});
}

static json_t *false_schema(void) { return json_false(); }

static hl_status forbid(hl_schema_ctx *x, hl_schema_case *c, const char *name) {
    return add_part(x, &c->members,
                    (hl_schema_part){.name = hl_view_of(name), .atom = {.schema = false_schema()}});
}

/* ---- reading keywords ---- */

typedef struct keyword {
    hl_schema_ctx        *x;
    splitting            *s;
    const task           *task; /* of the schema */
    const json_t         *schema, *v;
    const hl_schema_path *path;
    const char           *name;
} keyword;

static hl_status wrong(const keyword *k, const char *expected) {
    return hl_schema_fail(k->x, HL_E_FORMAT, k->path, "expected %s", expected);
}

static hl_status read_count(const keyword *k, const json_t *v, uint32_t *ret) {
    const double d = json_number_value(v);
    if (!json_is_number(v) || d < 0 || d != (double)(uint64_t)d)
        return wrong(k, "a whole number, at least 0");
    if (d > 1e9) return hl_schema_fail(k->x, HL_E_FULL, k->path, "at most 1000000000");
    *ret = (uint32_t)d;
    return HL_OK;
}

static void raise_to(uint32_t *least, uint32_t n) { *least = n > *least ? n : *least; }
static void lower_to(uint32_t *most, uint32_t n) { *most = n < *most ? n : *most; }

static unsigned type_bits(const char *name) {
    static const struct {
        const char *name;
        unsigned    bits;
    } types[] = {{"null", HL_TYPE_NULL},     {"boolean", HL_TYPE_TRUE | HL_TYPE_FALSE},
                 {"number", HL_TYPE_NUMBER}, {"integer", HL_TYPE_NUMBER},
                 {"string", HL_TYPE_TEXT},   {"array", HL_TYPE_ARRAY},
                 {"object", HL_TYPE_OBJECT}};
    for (size_t i = 0; name && i < sizeof types / sizeof types[0]; i++)
        if (strcmp(name, types[i].name) == 0) return types[i].bits;
    return 0;
}

/* The types that `type` names; *ret_integer: of numbers the integers alone. */
static hl_status read_types(const keyword *k, unsigned *ret_bits, bool *ret_integer) {
    bool     integer = false, number = false;
    size_t   n = json_is_array(k->v) ? json_array_size(k->v) : 1;
    unsigned bits = 0;
    for (size_t i = 0; i < n; i++) {
        const char    *name = json_string_value(json_is_array(k->v) ? json_array_get(k->v, i) : k->v);
        const unsigned b = type_bits(name);
        if (!b)
            return wrong(k, "null, boolean, number, integer, string, array or object, or a list of these");
        bits |= b;
        integer |= strcmp(name, "integer") == 0;
        number |= strcmp(name, "number") == 0;
    }
    if (json_is_true(json_object_get(k->schema, "nullable"))) bits |= HL_TYPE_NULL;
    *ret_bits = bits;
    *ret_integer = integer && !number;
    return HL_OK;
}

static hl_status read_type(keyword *k) {
    unsigned  bits = 0;
    bool      integer = false;
    hl_status status = read_types(k, &bits, &integer);
    if (status != HL_OK) return status;
    k->s->c.types &= bits;
    return integer ? demand(k->x, &k->s->c.numbers, HL_NUMBER_INTEGER, NULL, k->path) : HL_OK;
}

static bool is_structured(const json_t *v) { return json_is_object(v) || json_is_array(v); }

/* Types of the values of an enum that are no arrays or objects. */
static unsigned scalar_bits(const json_t *values) {
    unsigned bits = 0;
    size_t   i;
    json_t  *v;
    json_array_foreach(values, i, v) {
        if (json_is_null(v)) bits |= HL_TYPE_NULL;
        if (json_is_true(v)) bits |= HL_TYPE_TRUE;
        if (json_is_false(v)) bits |= HL_TYPE_FALSE;
        if (json_is_number(v)) bits |= HL_TYPE_NUMBER;
        if (json_is_string(v)) bits |= HL_TYPE_TEXT;
    }
    return bits;
}

static hl_status take_scalars(keyword *k, const json_t *values) {
    k->s->c.types &= scalar_bits(values);
    hl_status status = demand(k->x, &k->s->c.numbers, HL_NUMBER_ENUM, values, k->path);
    if (status == HL_OK) status = demand(k->x, &k->s->c.texts, HL_TEXT_ENUM, values, k->path);
    return status;
}

static hl_status read_enum(keyword *k) {
    size_t  i;
    json_t *v;
    if (!json_is_array(k->v)) return wrong(k, "a list of values");
    json_array_foreach(k->v, i, v) if (is_structured(v)) return push(
        k->x, k->s,
        (task){.from = k->task, .kind = TASK_STRUCTURED, .atom = {.schema = k->v, .path = k->path}});
    return take_scalars(k, k->v);
}

/* A schema of our own, which lives as long as the compiler. */
static hl_status keep_made(hl_schema_ctx *x, json_t *made, const json_t **ret) {
    *ret = made;
    return made && json_array_append_new(x->made, made) == 0 ? HL_OK : hl_schema_no_memory(x);
}

/* A value that is an array or an object, as the schema that it alone matches. */
static hl_status schema_of_value(hl_schema_ctx *x, const json_t *v, const json_t **ret) {
    json_t *made = json_object(), *parts = json_is_object(v) ? json_object() : json_array(),
           *names = json_array();
    bool        ok = made && parts && names;
    const char *key;
    json_t     *one;
    size_t      i;
    if (json_is_object(v)) {
        json_object_foreach((json_t *)v, key, one) {
            ok = ok && json_object_set_new(parts, key, json_pack("{s:O}", "const", one)) == 0;
            ok = ok && json_array_append_new(names, json_string(key)) == 0;
        }
        ok = ok && json_object_set_new(made, "type", json_string("object")) == 0;
        ok = ok && json_object_set(made, "properties", parts) == 0 &&
             json_object_set(made, "required", names) == 0;
        ok = ok && json_object_set_new(made, "additionalProperties", json_false()) == 0;
    } else {
        json_array_foreach(v, i, one) ok =
            ok && json_array_append_new(parts, json_pack("{s:O}", "const", one)) == 0;
        ok = ok && json_object_set_new(made, "type", json_string("array")) == 0;
        ok = ok && json_object_set(made, "prefixItems", parts) == 0;
        ok = ok && json_object_set_new(made, "minItems", json_integer((json_int_t)json_array_size(v))) == 0;
        ok = ok && json_object_set_new(made, "maxItems", json_integer((json_int_t)json_array_size(v))) == 0;
    }
    json_decref(parts);
    json_decref(names);
    if (ok) return keep_made(x, made, ret);
    json_decref(made);
    return hl_schema_no_memory(x);
}

static hl_status list_of_one(hl_schema_ctx *x, const json_t *v, const json_t **ret) {
    return keep_made(x, json_pack("[O]", v), ret);
}

static hl_status read_const(keyword *k) {
    const json_t *made = NULL;
    hl_status     status;
    if (is_structured(k->v)) {
        status = schema_of_value(k->x, k->v, &made);
        return status != HL_OK ? status
                               : push_atom(k->x, k->s, k->task, (hl_schema_atom){made, k->path, false});
    }
    status = list_of_one(k->x, k->v, &made);
    return status != HL_OK ? status : take_scalars(k, made);
}

/* exclusiveMinimum and exclusiveMaximum are true or false beside the bound in draft 4. */
static hl_status read_bound(keyword *k, hl_demand_kind plain, hl_demand_kind strict,
                            const char *strict_name) {
    const bool is_old = json_is_boolean(k->v);
    if (is_old && (plain == HL_NUMBER_ABOVE || plain == HL_NUMBER_BELOW)) return HL_OK;
    if (!json_is_number(k->v)) return wrong(k, "a number");
    const bool is_strict = strict_name && json_is_true(json_object_get(k->schema, strict_name));
    return demand(k->x, &k->s->c.numbers, is_strict ? strict : plain, k->v, k->path);
}

static hl_status read_all(keyword *k) {
    if (!json_is_array(k->v)) return wrong(k, "a list of schemas");
    hl_status status = HL_OK;
    for (size_t i = json_array_size(k->v); i-- > 0 && status == HL_OK;) {
        const hl_schema_path *path = hl_schema_at(k->x, k->path, i);
        status = push_atom(k->x, k->s, k->task, (hl_schema_atom){json_array_get(k->v, i), path, false});
    }
    return status;
}

static hl_status read_some(keyword *k, task_kind kind) {
    if (!json_is_array(k->v)) return wrong(k, "a list of schemas");
    return push(k->x, k->s, (task){.from = k->task, .kind = kind, .atom = {k->v, k->path, false}});
}

static hl_status read_required(keyword *k) {
    size_t    i;
    json_t   *v;
    hl_status status = HL_OK;
    if (json_is_boolean(k->v)) return HL_OK; /* draft 3 wrote it into the property */
    if (!json_is_array(k->v)) return wrong(k, "a list of names");
    json_array_foreach(k->v, i, v) {
        if (!json_is_string(v)) return wrong(k, "a list of names");
        if (status == HL_OK) status = require(k->x, &k->s->c, json_string_value(v));
    }
    return status;
}

static hl_status read_contains(keyword *k) {
    const json_t *least = json_object_get(k->schema, "minContains"),
                 *most = json_object_get(k->schema, "maxContains");
    hl_schema_part p = {.atom = {k->v, k->path, false}, .least = 1, .most = UINT32_MAX, .task = k->task};
    hl_status      status = least ? read_count(k, least, &p.least) : HL_OK;
    if (status == HL_OK && most) status = read_count(k, most, &p.most);
    const bool is_watched =
        json_object_get(k->schema, "unevaluatedItems") != NULL; /* it marks items all the same */
    if (status != HL_OK || (p.least == 0 && p.most == UINT32_MAX && !is_watched)) return status;
    return add_part(k->x, &k->s->c.contains, p);
}

static hl_status read_dependent(keyword *k) {
    const char *name;
    json_t     *v;
    hl_status   status = HL_OK;
    if (!json_is_object(k->v)) return wrong(k, "an object");
    json_object_foreach((json_t *)k->v, name, v) {
        const hl_schema_path *path = hl_schema_under(k->x, k->path, name);
        if (status == HL_OK && !path) status = hl_schema_no_memory(k->x);
        if (status == HL_OK)
            status =
                push(k->x, k->s,
                     (task){.from = k->task, .kind = TASK_DEPENDENT, .name = name, .atom = {v, path, false}});
    }
    return status;
}

static hl_status read_format(keyword *k) {
    static const char *const known[] = {
#define HL_JSON_FORMAT(name, re) name,
#include "engine/grammar/formats.def"
#undef HL_JSON_FORMAT
        "regex"};
    const char *name = json_string_value(k->v);
    if (!name) return wrong(k, "a text");
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (strcmp(known[i], name) == 0) return demand(k->x, &k->s->c.texts, HL_TEXT_FORMAT, k->v, k->path);
    return HL_OK; /* an annotation, as the standard has it */
}

static hl_status read_scope(keyword *k, const hl_schema_part **list) {
    return add_part(k->x, list,
                    (hl_schema_part){.atom = {k->schema, k->task->atom.path, false}, .task = k->task});
}

static hl_status read_unevaluated(keyword *k, const hl_schema_part **list) {
    return add_part(k->x, list, (hl_schema_part){.atom = {k->v, k->path, false}, .task = k->task});
}

bool hl_schema_is_below(const hl_schema_part *part, const hl_schema_part *of) {
    for (const task *t = part->task; t && !t->atom.negated; t = t->from)
        if (t == of->task) return true;
    return false;
}

bool hl_schema_is_inside(const hl_schema_part *part, const hl_schema_part *of) {
    return part->task != of->task && hl_schema_is_below(part, of);
}

static hl_status read_ref(keyword *k) {
    hl_schema_atom to;
    hl_status      status = hl_schema_resolve(k->x, k->schema, k->name, k->path, &to);
    return status != HL_OK ? status : push_atom(k->x, k->s, k->task, to);
}

static hl_status read_unique(keyword *k) {
    if (!json_is_boolean(k->v)) return wrong(k, "true or false");
    if (json_is_true(k->v)) k->s->c.unique = k->path;
    return HL_OK;
}

static hl_status read_text_demand(keyword *k, hl_demand_kind kind) {
    return json_is_string(k->v) ? demand(k->x, &k->s->c.texts, kind, k->v, k->path) : wrong(k, "a text");
}

static hl_status read_limit(keyword *k, uint32_t *least, uint32_t *most) {
    uint32_t        n = 0;
    const hl_status status = read_count(k, k->v, &n);
    if (status == HL_OK && least) raise_to(least, n);
    if (status == HL_OK && most) lower_to(most, n);
    return status;
}

static hl_status read_keyword(keyword *k) {
    const char     *n = k->name;
    hl_schema_case *c = &k->s->c;
#define IS(text) (strcmp(n, text) == 0)
    if (IS("$ref") || IS("$dynamicRef")) return read_ref(k);
    if (IS("allOf")) return read_all(k);
    if (IS("anyOf")) return read_some(k, TASK_SOME);
    if (IS("oneOf")) return read_some(k, TASK_ONE);
    if (IS("not")) return push_atom(k->x, k->s, k->task, (hl_schema_atom){k->v, k->path, true});
    if (IS("if"))
        return push(k->x, k->s,
                    (task){.from = k->task, .kind = TASK_IF, .atom = {k->schema, k->path->up, false}});
    if (IS("type")) return read_type(k);
    if (IS("enum")) return read_enum(k);
    if (IS("const")) return read_const(k);
    if (IS("minimum")) return read_bound(k, HL_NUMBER_LEAST, HL_NUMBER_ABOVE, "exclusiveMinimum");
    if (IS("maximum")) return read_bound(k, HL_NUMBER_MOST, HL_NUMBER_BELOW, "exclusiveMaximum");
    if (IS("exclusiveMinimum")) return read_bound(k, HL_NUMBER_ABOVE, HL_NUMBER_ABOVE, NULL);
    if (IS("exclusiveMaximum")) return read_bound(k, HL_NUMBER_BELOW, HL_NUMBER_BELOW, NULL);
    if (IS("multipleOf")) return read_bound(k, HL_NUMBER_MULTIPLE, HL_NUMBER_MULTIPLE, NULL);
    if (IS("minLength")) return read_limit(k, &c->least_chars, NULL);
    if (IS("maxLength")) return read_limit(k, NULL, &c->most_chars);
    if (IS("pattern")) return read_text_demand(k, HL_TEXT_PATTERN);
    if (IS("format")) return read_format(k);
    if (IS("items") || IS("prefixItems")) {
        const bool is_first = IS("prefixItems") || !json_object_get(k->schema, "prefixItems");
        return is_first ? read_scope(k, &c->array_scopes) : HL_OK;
    }
    if (IS("contains")) return read_contains(k);
    if (IS("unevaluatedProperties")) return read_unevaluated(k, &c->unevaluated_props);
    if (IS("unevaluatedItems")) return read_unevaluated(k, &c->unevaluated_items);
    if (IS("minItems")) return read_limit(k, &c->least_items, NULL);
    if (IS("maxItems")) return read_limit(k, NULL, &c->most_items);
    if (IS("uniqueItems")) return read_unique(k);
    if (IS("propertyNames"))
        return add_part(k->x, &c->names, (hl_schema_part){.atom = {k->v, k->path, false}});
    if (IS("required")) return read_required(k);
    if (IS("minProperties")) return c->least_props_path = k->path, read_limit(k, &c->least_props, NULL);
    if (IS("maxProperties")) return read_limit(k, NULL, &c->most_props);
    if (IS("dependentRequired") || IS("dependentSchemas") || IS("dependencies")) return read_dependent(k);
#undef IS
    return HL_OK;
}

typedef enum keyword_use { KEYWORD_READ, KEYWORD_NEVER, KEYWORD_NOTE } keyword_use;

static keyword_use use_of(const char *name) {
    static const struct {
        const char *name;
        keyword_use use;
    } rows[] = {
#define HL_SCHEMA_KEYWORD(name, use) {name, KEYWORD_##use},
#include "engine/grammar/schema_keywords.def"
#undef HL_SCHEMA_KEYWORD
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (strcmp(name, rows[i].name) == 0) return rows[i].use;
    return KEYWORD_NOTE;
}

static hl_status is_schema(hl_schema_ctx *x, const hl_schema_atom *a) {
    if (json_is_object(a->schema) || json_is_boolean(a->schema)) return HL_OK;
    return hl_schema_fail(x, HL_E_FORMAT, a->path, "expected a schema: an object, true or false");
}

static hl_status take_schema(hl_schema_ctx *x, splitting *s, const task *t) {
    const char *name;
    json_t     *v;
    hl_status   status = HL_OK;
    if (json_is_false(t->atom.schema)) s->c.types = 0;
    if (json_is_boolean(t->atom.schema)) return HL_OK;
    const bool has_scope = json_object_get(t->atom.schema, "properties") ||
                           json_object_get(t->atom.schema, "patternProperties") ||
                           json_object_get(t->atom.schema, "additionalProperties");
    if (has_scope) status = add_part(x, &s->c.object_scopes, (hl_schema_part){.atom = t->atom, .task = t});
    json_object_foreach((json_t *)t->atom.schema, name, v) {
        const keyword_use use = use_of(name);
        if (status != HL_OK || use == KEYWORD_NOTE) continue;
        keyword k = {x, s, t, t->atom.schema, v, hl_schema_under(x, t->atom.path, name), name};
        if (!k.path) return hl_schema_no_memory(x);
        if (use == KEYWORD_NEVER)
            return hl_schema_fail(x, HL_E_ARG, k.path, "this keyword cannot be enforced");
        status = read_keyword(&k);
    }
    return status;
}

/* ---- what breaks a schema ---- */

/* A case in which one keyword of the schema does not hold; false in *ret: there is none. */
typedef struct breaking {
    hl_schema_ctx   *x;
    splitting        s; /* as it was before */
    const task      *task;
    hl_schema_cases *out;
} breaking;

static hl_status break_by(breaking *b, splitting s) { return split(b->x, s, b->out); }

static hl_status break_number(breaking *b, hl_demand_kind kind, const json_t *v, const hl_schema_path *path) {
    splitting s = b->s;
    s.c.types &= HL_TYPE_NUMBER;
    const hl_status status = demand(b->x, &s.c.numbers, kind, v, path);
    return status != HL_OK ? status : break_by(b, s);
}

static hl_status break_type(breaking *b, keyword *k) {
    unsigned        bits = 0;
    bool            integer = false;
    const hl_status status = read_types(k, &bits, &integer);
    splitting       s = b->s;
    if (status != HL_OK) return status;
    s.c.types &= ~bits;
    const hl_status other = break_by(b, s);
    return other == HL_OK && integer ? break_number(b, HL_NUMBER_NOT_INTEGER, NULL, k->path) : other;
}

static hl_status break_enum(breaking *b, keyword *k, const json_t *values) {
    splitting s = b->s;
    size_t    i;
    json_t   *v;
    json_array_foreach(values, i, v) if (is_structured(v)) return hl_schema_fail(
        b->x, HL_E_ARG, k->path, "with 'not', arrays and objects among the values cannot be enforced");
    s.c.types &= ~(scalar_bits(values) & ~(unsigned)(HL_TYPE_NUMBER | HL_TYPE_TEXT));
    hl_status status = demand(b->x, &s.c.numbers, HL_NUMBER_NOT_ENUM, values, k->path);
    if (status == HL_OK) status = demand(b->x, &s.c.texts, HL_TEXT_NOT_ENUM, values, k->path);
    return status != HL_OK ? status : break_by(b, s);
}

static hl_status break_text(breaking *b, keyword *k) {
    splitting s = b->s;
    s.c.types &= HL_TYPE_TEXT;
    if (!json_is_string(k->v)) return wrong(k, "a text");
    const hl_status status = demand(b->x, &s.c.texts, HL_TEXT_NOT_PATTERN, k->v, k->path);
    return status != HL_OK ? status : break_by(b, s);
}

/* Fewer than at least, or more than at most. */
static hl_status break_limit(breaking *b, keyword *k, unsigned type, size_t least, size_t most,
                             bool is_least) {
    splitting s = b->s;
    uint32_t  n = 0;
    hl_status status = read_count(k, k->v, &n);
    if (status != HL_OK || (is_least && n == 0)) return status;
    s.c.types &= type;
    if (is_least)
        lower_to((uint32_t *)(void *)((char *)&s.c + most), n - 1);
    else
        raise_to((uint32_t *)(void *)((char *)&s.c + least), n + 1);
    if (type == HL_TYPE_OBJECT) s.c.least_props_path = k->path;
    return break_by(b, s);
}

static hl_status break_required(breaking *b, keyword *k) {
    size_t    i;
    json_t   *v;
    hl_status status = HL_OK;
    if (!json_is_array(k->v)) return wrong(k, "a list of names");
    json_array_foreach(k->v, i, v) {
        splitting s = b->s;
        if (!json_is_string(v)) return wrong(k, "a list of names");
        s.c.types &= HL_TYPE_OBJECT;
        if (status == HL_OK) status = forbid(b->x, &s.c, json_string_value(v));
        if (status == HL_OK) status = break_by(b, s);
    }
    return status;
}

static hl_status break_properties(breaking *b, keyword *k) {
    const char *name;
    json_t     *v;
    hl_status   status = HL_OK;
    if (!json_is_object(k->v)) return wrong(k, "an object");
    json_object_foreach((json_t *)k->v, name, v) {
        splitting             s = b->s;
        const hl_schema_path *path = hl_schema_under(b->x, k->path, name);
        s.c.types &= HL_TYPE_OBJECT;
        if (status == HL_OK) status = require(b->x, &s.c, name);
        if (status == HL_OK)
            status = add_part(b->x, &s.c.members,
                              (hl_schema_part){.name = hl_view_of(name), .atom = {v, path, true}});
        if (status == HL_OK) status = break_by(b, s);
    }
    return status;
}

/* {"prefixItems": [true, ..., {"not": schema}]}: the item at `index` is not that. NULL: no memory. */
static const json_t *not_at(hl_schema_ctx *x, size_t index, json_t *schema) {
    json_t *made = json_object(), *front = json_array();
    bool    ok = json_array_append_new(x->made, made) == 0;
    ok = json_object_set_new(ok ? made : NULL, "prefixItems", front) == 0;
    for (size_t i = 0; i < index && ok; i++) ok = json_array_append_new(front, json_true()) == 0;
    ok = json_array_append_new(ok ? front : NULL, json_pack("{s:O}", "not", schema)) == 0;
    return ok ? made : NULL;
}

/* One of the items in front is there, and is not what its schema says. */
static hl_status break_prefix(breaking *b, keyword *k) {
    hl_status status = HL_OK;
    if (!json_is_array(k->v)) return wrong(k, "a list of schemas");
    for (size_t i = 0; i < json_array_size(k->v) && status == HL_OK; i++) {
        splitting     s = b->s;
        const json_t *made = not_at(b->x, i, json_array_get(k->v, i));
        if (!made) return hl_schema_no_memory(b->x);
        s.c.types &= HL_TYPE_ARRAY;
        raise_to(&s.c.least_items, (uint32_t)i + 1);
        status = add_part(b->x, &s.c.array_scopes, (hl_schema_part){.atom = {made, k->path, false}});
        if (status == HL_OK) status = break_by(b, s);
    }
    return status;
}

static hl_status break_items(breaking *b, keyword *k) {
    splitting   s = b->s;
    const bool  is_old = json_is_array(k->v); /* a list, before 2020-12 */
    const char *rest = is_old ? "additionalItems" : "prefixItems";
    if (is_old && !json_object_get(k->schema, rest)) return break_prefix(b, k);
    if (json_object_get(k->schema, rest))
        return hl_schema_fail(b->x, HL_E_ARG, k->path,
                              "with 'not', and items in front, it cannot be enforced");
    s.c.types &= HL_TYPE_ARRAY;
    const hl_status status = add_part(
        b->x, &s.c.contains, (hl_schema_part){.atom = {k->v, k->path, true}, .least = 1, .most = UINT32_MAX});
    return status != HL_OK ? status : break_by(b, s);
}

static hl_status break_contains(breaking *b, keyword *k) {
    splitting s = b->s;
    if (json_object_get(k->schema, "minContains") || json_object_get(k->schema, "maxContains"))
        return hl_schema_fail(b->x, HL_E_ARG, k->path, "with 'not' and its bounds it cannot be enforced");
    s.c.types &= HL_TYPE_ARRAY;
    const hl_status status = add_part(b->x, &s.c.all_items, (hl_schema_part){.atom = {k->v, k->path, true}});
    return status != HL_OK ? status : break_by(b, s);
}

/* None of them holds; or, of allOf, one does not. */
static hl_status break_list(breaking *b, keyword *k, bool all) {
    splitting s = b->s;
    hl_status status = HL_OK;
    if (!json_is_array(k->v)) return wrong(k, "a list of schemas");
    for (size_t i = 0; i < json_array_size(k->v) && status == HL_OK; i++) {
        if (!all) s = b->s;
        status = push_atom(b->x, &s, k->task,
                           (hl_schema_atom){json_array_get(k->v, i), hl_schema_at(b->x, k->path, i), true});
        if (status == HL_OK && !all) status = break_by(b, s);
    }
    return status == HL_OK && all ? break_by(b, s) : status;
}

static hl_status break_ref(breaking *b, keyword *k) {
    splitting      s = b->s;
    hl_schema_atom to;
    hl_status      status = hl_schema_resolve(b->x, k->schema, k->name, k->path, &to);
    to.negated = true;
    if (status == HL_OK) status = push_atom(b->x, &s, k->task, to);
    return status != HL_OK ? status : break_by(b, s);
}

static hl_status break_not(breaking *b, keyword *k) {
    splitting       s = b->s;
    const hl_status status = push_atom(b->x, &s, k->task, (hl_schema_atom){k->v, k->path, false});
    return status != HL_OK ? status : break_by(b, s);
}

static hl_status break_const(breaking *b, keyword *k) {
    const json_t   *one = NULL;
    const hl_status status = list_of_one(b->x, k->v, &one);
    return status != HL_OK ? status : break_enum(b, k, one);
}

#define LIMITS(what) offsetof(hl_schema_case, least_##what), offsetof(hl_schema_case, most_##what)

static hl_status break_keyword(breaking *b, keyword *k) {
    const char *n = k->name;
#define IS(text) (strcmp(n, text) == 0)
    if (IS("$ref") || IS("$dynamicRef")) return break_ref(b, k);
    if (IS("allOf")) return break_list(b, k, false);
    if (IS("anyOf")) return break_list(b, k, true);
    if (IS("not")) return break_not(b, k);
    if (IS("type")) return break_type(b, k);
    if (IS("enum")) return json_is_array(k->v) ? break_enum(b, k, k->v) : wrong(k, "a list of values");
    if (IS("const")) return break_const(b, k);
    if (IS("minimum")) return break_number(b, HL_NUMBER_BELOW, k->v, k->path);
    if (IS("maximum")) return break_number(b, HL_NUMBER_ABOVE, k->v, k->path);
    if (IS("exclusiveMinimum")) return break_number(b, HL_NUMBER_MOST, k->v, k->path);
    if (IS("exclusiveMaximum")) return break_number(b, HL_NUMBER_LEAST, k->v, k->path);
    if (IS("multipleOf")) return break_number(b, HL_NUMBER_NOT_MULTIPLE, k->v, k->path);
    if (IS("minLength")) return break_limit(b, k, HL_TYPE_TEXT, LIMITS(chars), true);
    if (IS("maxLength")) return break_limit(b, k, HL_TYPE_TEXT, LIMITS(chars), false);
    if (IS("minItems")) return break_limit(b, k, HL_TYPE_ARRAY, LIMITS(items), true);
    if (IS("maxItems")) return break_limit(b, k, HL_TYPE_ARRAY, LIMITS(items), false);
    if (IS("minProperties")) return break_limit(b, k, HL_TYPE_OBJECT, LIMITS(props), true);
    if (IS("maxProperties")) return break_limit(b, k, HL_TYPE_OBJECT, LIMITS(props), false);
    if (IS("pattern")) return break_text(b, k);
    if (IS("required")) return break_required(b, k);
    if (IS("properties")) return break_properties(b, k);
    if (IS("prefixItems")) return break_prefix(b, k);
    if (IS("items")) return break_items(b, k);
    if (IS("contains")) return break_contains(b, k);
    const bool is_scope = IS("additionalProperties") || IS("unevaluatedProperties") || IS("unevaluatedItems");
    if (is_scope && json_is_true(k->v)) return HL_OK;
#undef IS
    return hl_schema_fail(b->x, HL_E_ARG, k->path,
                          "below 'not', or where one of several alternatives must not hold, "
                          "it cannot be enforced");
}

/* Scopes are read as a whole where a schema holds; here their keywords count one by one. */
static bool is_breakable(const char *name) {
    return use_of(name) != KEYWORD_NOTE || strcmp(name, "patternProperties") == 0 ||
           strcmp(name, "additionalProperties") == 0;
}

static bool is_unknown_format(const keyword *k) {
    static const char *const known[] = {
#define HL_JSON_FORMAT(name, re) name,
#include "engine/grammar/formats.def"
#undef HL_JSON_FORMAT
    };
    const char *name = json_string_value(k->v);
    if (strcmp(k->name, "format") != 0 || !name) return false;
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (strcmp(name, known[i]) == 0) return false;
    return true;
}

static hl_status break_schema(hl_schema_ctx *x, splitting s, const task *t, hl_schema_cases *out) {
    breaking    b = {x, s, t, out};
    const char *name;
    json_t     *v;
    hl_status   status = HL_OK;
    if (json_is_false(t->atom.schema)) return split(x, s, out);
    if (json_is_true(t->atom.schema)) return HL_OK;
    json_object_foreach((json_t *)t->atom.schema, name, v) {
        if (status != HL_OK || !is_breakable(name)) continue;
        keyword k = {x, &b.s, t, t->atom.schema, v, hl_schema_under(x, t->atom.path, name), name};
        if (!k.path) return hl_schema_no_memory(x);
        if (!is_unknown_format(&k)) status = break_keyword(&b, &k);
    }
    return status;
}

/* ---- splits ---- */

static hl_status split_some(hl_schema_ctx *x, splitting s, const task *t, hl_schema_cases *out) {
    hl_status status = HL_OK;
    for (size_t i = 0; i < json_array_size(t->atom.schema) && status == HL_OK; i++) {
        splitting            way = s;
        const hl_schema_atom a = {json_array_get(t->atom.schema, i), hl_schema_at(x, t->atom.path, i), false};
        status = push_atom(x, &way, t->from, a);
        if (status == HL_OK) status = split(x, way, out);
    }
    return status;
}

enum { MOST_ASKING = 2 };

/* An answer that is kept: each reference to a tree asks the same of all its alternatives. */
struct hl_schema_pair {
    const json_t *a, *b;
    int           n_asking; /* how deep it was asked: the deeper, the less is known */
    bool          are_apart;
};
enum { N_PAIRS = 1 << 13 };

static struct hl_schema_pair *slot_of(const hl_schema_ctx *x, const json_t *a, const json_t *b) {
    const uint64_t key =
        ((uintptr_t)a >> 4) * 0x9E3779B97F4A7C15u ^ ((uintptr_t)b >> 4) * 0xC2B2AE3D27D4EB4Fu;
    return &x->pairs[(key >> 40) % N_PAIRS];
}

/* Can two alternatives hold together? */
static hl_status are_apart(hl_schema_ctx *x, const hl_schema_atom both[2], bool *ret_apart) {
    const bool    swap = (uintptr_t)both[0].schema > (uintptr_t)both[1].schema;
    const json_t *a = both[swap].schema, *b = both[!swap].schema;
    if (!x->pairs) x->pairs = hl_new(N_PAIRS, sizeof *x->pairs);
    if (!x->pairs) return hl_schema_no_memory(x);
    struct hl_schema_pair *slot = slot_of(x, a, b);
    *ret_apart = slot->are_apart;
    if (slot->a == a && slot->b == b && slot->n_asking == x->n_asking) return HL_OK;
    x->n_asking++;
    const hl_status status = is_empty(x, both, 2, 0, ret_apart);
    x->n_asking--;
    if (status == HL_OK) *slot = (struct hl_schema_pair){a, b, x->n_asking, *ret_apart};
    return status;
}

/* One holds, and the others do not; where two cannot hold together anyway, there is nothing to exclude. In
 * schemas of trees that question leads to itself: there several may hold, which allows more, so that the
 * answer is "they can" rather than wrong. */
static hl_status split_one(hl_schema_ctx *x, splitting s, const task *t, hl_schema_cases *out) {
    const size_t n = json_array_size(t->atom.schema);
    hl_status    status = HL_OK;
    if (x->n_asking >= MOST_ASKING) return split_some(x, s, t, out);
    for (size_t i = 0; i < n && status == HL_OK; i++) {
        splitting            way = s;
        const hl_schema_atom a = {json_array_get(t->atom.schema, i), hl_schema_at(x, t->atom.path, i), false};
        for (size_t k = 0; k < n && status == HL_OK; k++) {
            const hl_schema_atom both[] = {
                a, {json_array_get(t->atom.schema, k), hl_schema_at(x, t->atom.path, k), false}};
            hl_schema_atom other = both[1];
            bool           apart = false;
            if (k == i) continue;
            status = are_apart(x, both, &apart);
            other.negated = true;
            if (status == HL_OK && !apart) status = push_atom(x, &way, t->from, other);
        }
        if (status == HL_OK) status = push_atom(x, &way, t->from, a);
        if (status == HL_OK) status = split(x, way, out);
    }
    return status;
}

static hl_status split_if(hl_schema_ctx *x, splitting s, const task *t, hl_schema_cases *out) {
    static const char *const then[] = {"else", "then"};
    hl_status                status = HL_OK;
    for (int holds = 1; holds >= 0 && status == HL_OK; holds--) {
        splitting     way = s;
        const json_t *next = json_object_get(t->atom.schema, then[holds]);
        if (next)
            status = push_atom(x, &way, t->from,
                               (hl_schema_atom){next, hl_schema_under(x, t->atom.path, then[holds]), false});
        if (status == HL_OK)
            status = push_atom(x, &way, t->from,
                               (hl_schema_atom){json_object_get(t->atom.schema, "if"),
                                                hl_schema_under(x, t->atom.path, "if"), !holds});
        if (status == HL_OK && (next || json_object_get(t->atom.schema, then[!holds])))
            status = split(x, way, out);
        if (!next && !json_object_get(t->atom.schema, then[!holds])) return split(x, s, out);
    }
    return status;
}

static hl_status split_dependent(hl_schema_ctx *x, splitting s, const task *t, hl_schema_cases *out) {
    splitting without = s, other = s;
    hl_status status = forbid(x, &without.c, t->name);
    other.c.types &= ~(unsigned)HL_TYPE_OBJECT;
    s.c.types &= HL_TYPE_OBJECT;
    without.c.types &= HL_TYPE_OBJECT;
    if (status == HL_OK) status = require(x, &s.c, t->name);
    if (status == HL_OK && json_is_array(t->atom.schema)) {
        size_t  i;
        json_t *v;
        json_array_foreach(t->atom.schema, i, v) {
            if (!json_is_string(v))
                return hl_schema_fail(x, HL_E_FORMAT, t->atom.path, "expected a list of names");
            if (status == HL_OK) status = require(x, &s.c, json_string_value(v));
        }
    } else if (status == HL_OK) {
        status = push_atom(x, &s, t->from, t->atom);
    }
    if (status == HL_OK) status = split(x, other, out);
    if (status == HL_OK) status = split(x, without, out);
    return status == HL_OK ? split(x, s, out) : status;
}

static hl_status split_structured(hl_schema_ctx *x, splitting s, const task *t, hl_schema_cases *out) {
    splitting plain = s;
    size_t    i;
    json_t   *v;
    keyword   k = {x, &plain, t->from, NULL, t->atom.schema, t->atom.path, "enum"};
    hl_status status = take_scalars(&k, t->atom.schema);
    if (status == HL_OK) status = split(x, plain, out);
    json_array_foreach(t->atom.schema, i, v) {
        splitting     way = s;
        const json_t *made = NULL;
        if (!is_structured(v) || status != HL_OK) continue;
        status = schema_of_value(x, v, &made);
        if (status == HL_OK)
            status =
                push_atom(x, &way, t->from, (hl_schema_atom){made, hl_schema_at(x, t->atom.path, i), false});
        if (status == HL_OK) status = split(x, way, out);
    }
    return status;
}

/* ---- the whole ---- */

/* The innermost place that alternatives were read from. */
static const hl_schema_path *place_of(const splitting *s) { return s->done ? s->done->atom.path : NULL; }

static hl_status add_case(hl_schema_ctx *x, const splitting *s, hl_schema_cases *out) {
    const hl_schema_case *c = &s->c;
    for (unsigned type = 1; type <= HL_TYPE_OBJECT; type <<= 1) {
        if (!(c->types & type)) continue;
        if (++x->n_cases > HL_SCHEMA_MAX_CASES)
            return hl_schema_fail(x, HL_E_FULL, place_of(s), "more than %d cases: the alternatives multiply",
                                  HL_SCHEMA_MAX_CASES);
        if (out->n == out->cap) {
            const size_t    cap = out->cap ? 2 * out->cap : 8;
            hl_schema_case *more = hl_resize(out->list, cap, sizeof *more);
            if (!more) return hl_schema_no_memory(x);
            out->list = more;
            out->cap = cap;
        }
        out->list[out->n] = *c;
        out->list[out->n++].types = type;
    }
    return HL_OK;
}

static bool is_same(const hl_schema_atom *a, const hl_schema_atom *b) {
    return a->schema == b->schema && a->negated == b->negated;
}

/* Take a schema's demands into the case. *ret_split: it was split instead, and all is done. */
static hl_status take_atom(hl_schema_ctx *x, splitting *s, const task *t, hl_schema_cases *out,
                           bool *ret_split) {
    int       n = 0;
    hl_status status = is_schema(x, &t->atom);
    for (const task *up = t->from; up && status == HL_OK; up = up->from) {
        if (up->kind == TASK_ATOM && is_same(&up->atom, &t->atom))
            return hl_schema_fail(x, HL_E_ARG, t->atom.path,
                                  "the schema leads to itself, and nothing comes between");
        if (++n > HL_SCHEMA_MAX_DEPTH)
            return hl_schema_fail(x, HL_E_FULL, t->atom.path, "more than %d references in a row",
                                  HL_SCHEMA_MAX_DEPTH);
    }
    for (const task *d = s->done; d && status == HL_OK; d = d->next)
        if (is_same(&d->atom, &t->atom)) return HL_OK;
    task *done = status == HL_OK ? hl_arena_get(&x->arena, 1, sizeof *done) : NULL;
    if (status == HL_OK && !done) return hl_schema_no_memory(x);
    if (status != HL_OK) return status;
    *done = *t;
    done->next = s->done;
    s->done = done;
    if (!t->atom.negated) return take_schema(x, s, t);
    *ret_split = true;
    return break_schema(x, *s, t, out);
}

static hl_status split(hl_schema_ctx *x, splitting s, hl_schema_cases *out) {
    hl_status status = HL_OK;
    bool      is_split = false;
    if (++s.depth > HL_SCHEMA_MAX_DEPTH)
        return hl_schema_fail(x, HL_E_FULL, place_of(&s), "the alternatives are nested more than %d deep",
                              HL_SCHEMA_MAX_DEPTH);
    while (s.todo && s.c.types && status == HL_OK) {
        const task *t = s.todo;
        s.todo = t->next;
        if (++x->n_steps > HL_SCHEMA_MAX_STEPS)
            return hl_schema_fail(x, HL_E_FULL, place_of(&s), "more than %d steps: the alternatives multiply",
                                  HL_SCHEMA_MAX_STEPS);
        if (x->n_steps % 64 == 0) status = hl_stop_check("schema", x->err);
        if (status != HL_OK) break;
        const bool has_ways =
            t->kind == TASK_SOME || t->kind == TASK_ONE || t->kind == TASK_IF || t->kind == TASK_DEPENDENT;
        if (x->is_rough && has_ways) continue;
        switch (t->kind) {
        case TASK_ATOM:
            status = take_atom(x, &s, t, out, &is_split);
            if (is_split) return status;
            break;
        case TASK_SOME: return split_some(x, s, t, out);
        case TASK_ONE: return split_one(x, s, t, out);
        case TASK_IF: return split_if(x, s, t, out);
        case TASK_DEPENDENT: return split_dependent(x, s, t, out);
        case TASK_STRUCTURED: return split_structured(x, s, t, out);
        case TASK_BREAK: break;
        }
    }
    return status == HL_OK && s.c.types ? add_case(x, &s, out) : status;
}

hl_status hl_schema_expand(hl_schema_ctx *x, const hl_schema_atom *atoms, size_t n, hl_schema_cases *ret) {
    splitting s = {.c = {.types = HL_TYPE_ANY,
                         .most_chars = UINT32_MAX,
                         .most_items = UINT32_MAX,
                         .most_props = UINT32_MAX}};
    hl_status status = HL_OK;
    *ret = (hl_schema_cases){0};
    for (size_t i = n; i-- > 0 && status == HL_OK;) status = push_atom(x, &s, NULL, atoms[i]);
    if (status == HL_OK) status = split(x, s, ret);
    if (status != HL_OK) hl_schema_cases_done(ret);
    return status;
}

/* ---- is there any value? ---- */

enum { MOST_DEPTH = 6 }; /* of members of members that are asked for */

/* Is there a property that must come, and has no value? */
static hl_status has_empty_member(hl_schema_ctx *x, const hl_schema_case *c, int depth, bool *ret_empty) {
    hl_status status = HL_OK;
    for (const hl_schema_part *r = c->required; r && status == HL_OK && !*ret_empty; r = r->next) {
        hl_schema_atom *atoms = NULL;
        size_t          n = 0;
        status = hl_schema_member_atoms(x, c, r->name, &atoms, &n);
        if (status == HL_OK) status = is_empty(x, atoms, n, depth + 1, ret_empty);
    }
    return status;
}

static hl_status is_case_empty(hl_schema_ctx *x, const hl_schema_case *c, int depth, bool *ret_empty) {
    hl_status   status = HL_OK;
    hl_code_dfa d = {0};
    bool        any = true;
    *ret_empty = false;
    if (c->types == HL_TYPE_TEXT) {
        if (c->least_chars > c->most_chars) *ret_empty = true;
        if (c->texts && !*ret_empty) {
            status = hl_schema_text_dfa(x, c, false, &any, &d);
            if (status == HL_OK && !any) *ret_empty = hl_code_dfa_is_empty(&d);
        }
    } else if (c->types == HL_TYPE_NUMBER && c->numbers) {
        status = hl_schema_number_dfa(x, c->numbers, &d);
        if (status == HL_OK) *ret_empty = hl_code_dfa_is_empty(&d);
    } else if (c->types == HL_TYPE_ARRAY) {
        *ret_empty = c->least_items > c->most_items;
    } else if (c->types == HL_TYPE_OBJECT) {
        *ret_empty = c->least_props > c->most_props;
        const bool was_rough = x->is_rough;
        x->is_rough = true; /* a word that differs tells most apart, without a look into trees */
        status = has_empty_member(x, c, depth, ret_empty);
        x->is_rough = was_rough;
        if (status == HL_OK && !was_rough) status = has_empty_member(x, c, depth, ret_empty);
    }
    hl_code_dfa_done(&d);
    return status;
}

static hl_status is_empty(hl_schema_ctx *x, const hl_schema_atom *atoms, size_t n, int depth,
                          bool *ret_empty) {
    hl_schema_cases cases;
    *ret_empty = false;
    if (depth > MOST_DEPTH) return HL_OK;
    const size_t    n_cases = x->n_cases;
    const hl_status expanded = hl_schema_expand(x, atoms, n, &cases);
    if (expanded == HL_E_ARG) return HL_OK; /* it cannot be told, which is no fault yet */
    if (expanded != HL_OK) return expanded;
    hl_status status = HL_OK;
    bool      empty = true;
    for (size_t i = 0; i < cases.n && status == HL_OK && empty; i++)
        status = is_case_empty(x, &cases.list[i], depth, &empty);
    hl_schema_cases_done(&cases);
    x->n_cases = n_cases;
    *ret_empty = empty;
    return status;
}
