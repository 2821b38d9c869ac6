/* SPDX-License-Identifier: MIT
 *
 * body_fields.c - the table of fields, walked.
 */
#include "server/body_fields.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "server/http/exchange.h"

static const struct {
    const char *handler, *group;
} bodies[] = {
#define HL_BODY(handler, group) {#handler, #group},
#define HL_FIELD(group, name, type, needed, what)
#define HL_RANGE(group, name, type, least, most, what)
#define HL_WORDS(group, name, words, what)
#define HL_OPTION(group, name, option, what)
#define HL_QUERY(handler, name, what)
#include "server/body_fields.def"
#undef HL_BODY
#undef HL_FIELD
#undef HL_RANGE
#undef HL_WORDS
#undef HL_OPTION
};

#define ROW(g, n, t, o, w) .group = #g, .name = #n, .type = HL_BODY_##t, .option = (o), .what = (w)
static const hl_body_field fields[] = {
#define HL_BODY(handler, group)
#define HL_FIELD(group, name, type, needed, what)                                                            \
    {ROW(group, name, type, HL_N_OPTS, what), .is_needed = needed},
#define HL_RANGE(group, name, type, low, high, what)                                                         \
    {ROW(group, name, type, HL_N_OPTS, what), .has_range = true, .least = (low), .most = (high)},
#define HL_WORDS(group, name, list, what) {ROW(group, name, TEXT, HL_N_OPTS, what), .words = (list)},
#define HL_OPTION(group, name, opt, what) {ROW(group, name, ANY, HL_OPT_##opt, what)},
#include "server/body_fields.def"
#undef HL_FIELD
#undef HL_RANGE
#undef HL_WORDS
#undef HL_OPTION
#undef HL_QUERY
};

static const struct {
    const char *handler, *name, *what;
} queries[] = {
#define HL_FIELD(group, name, type, needed, what)
#define HL_RANGE(group, name, type, least, most, what)
#define HL_WORDS(group, name, words, what)
#define HL_OPTION(group, name, option, what)
#define HL_QUERY(handler, name, what) {#handler, #name, what},
#include "server/body_fields.def"
#undef HL_BODY
#undef HL_FIELD
#undef HL_RANGE
#undef HL_WORDS
#undef HL_OPTION
#undef HL_QUERY
};

enum { N_BODIES = sizeof bodies / sizeof *bodies, N_FIELDS = sizeof fields / sizeof *fields };

/* *at counts places of both tables: group by group, each from its first field on. */
const hl_body_field *hl_body_field_next(const char *handler, uint32_t *at) {
    for (; *at < N_BODIES * N_FIELDS; ++*at) {
        const uint32_t i = *at / N_FIELDS, k = *at % N_FIELDS;
        if (strcmp(bodies[i].handler, handler) != 0) {
            *at += N_FIELDS - 1 - k;
        } else if (strcmp(fields[k].group, bodies[i].group) == 0) {
            ++*at;
            return &fields[k];
        }
    }
    return NULL;
}

bool hl_query_field_next(const char *handler, uint32_t *at, const char **ret_name, const char **ret_what) {
    while (*at < sizeof queries / sizeof *queries) {
        const uint32_t i = (*at)++;
        if (strcmp(queries[i].handler, handler) != 0) continue;
        *ret_name = queries[i].name;
        *ret_what = queries[i].what;
        return true;
    }
    return false;
}

hl_body_type hl_body_field_type(const hl_body_field *f) {
    static const hl_body_type types[] = {[HL_OPT_KIND_REAL] = HL_BODY_NUMBER,
                                         [HL_OPT_KIND_WHOLE] = HL_BODY_INT,
                                         [HL_OPT_KIND_LIST] = HL_BODY_ANY};
    double                    least, most;
    return f->option < HL_N_OPTS ? types[hl_opt_range(f->option, &least, &most)] : f->type;
}

bool hl_body_field_range(const hl_body_field *f, double *ret_least, double *ret_most) {
    enum { MOST_BITS = 53 }; /* of whole numbers that a double holds */
    if (f->option < HL_N_OPTS)
        return hl_opt_range(f->option, ret_least, ret_most) != HL_OPT_KIND_LIST &&
               *ret_most <= (double)(1LL << MOST_BITS);
    *ret_least = f->least;
    *ret_most = f->most;
    return f->has_range;
}

bool hl_body_field_split(const hl_body_field *f, size_t *ret_n_parent, bool *ret_is_list,
                         const char **ret_inner) {
    const char *dot = strchr(f->name, '.');
    if (!dot) return false;
    *ret_is_list = dot[-1] == ']';
    *ret_n_parent = (size_t)(dot - f->name) - (*ret_is_list ? 2 : 0);
    *ret_inner = dot + 1;
    return true;
}

/* Where a field stands, for people: `where` is what is said of it. */
typedef struct place {
    json_t     *object;
    const char *key, *where;
} place;

static hl_status check_number(const hl_body_field *f, const place *p, hl_err *err) {
    const json_t *v = json_object_get(p->object, p->key);
    if (!v || json_is_null(v) || json_is_string(v)) return HL_OK;
    if (!json_is_number(v)) return hl_fail(err, HL_E_ARG, "%s: found no number, expected one", p->where);
    const double x = json_number_value(v);
    double       least, most;
    if (hl_body_field_range(f, &least, &most) && (x < least || x > most))
        return hl_fail(err, HL_E_ARG, "%s: %.15g is out of range, expected %.15g..%.15g", p->where, x, least,
                       most);
    return HL_OK;
}

/* The word of the list that it is, in whatever letters; ret->ptr NULL: none of them. */
static hl_view find_word(const char *words, hl_view found) {
    for (const char *at = words; *at;) {
        const size_t n = strcspn(at, " ");
        if (n == found.len && strncasecmp(at, found.ptr, n) == 0) return (hl_view){at, n};
        at += n;
        at += strspn(at, " ");
    }
    return (hl_view){0};
}

static hl_status check_words(const hl_body_field *f, const place *p, hl_err *err) {
    const json_t *v = json_object_get(p->object, p->key);
    if (!v || json_is_null(v)) return HL_OK;
    if (!json_is_string(v))
        return hl_fail(err, HL_E_ARG, "%s: found no text, expected one of: %s", p->where, f->words);
    const hl_view found = {json_string_value(v), json_string_length(v)};
    const hl_view word = find_word(f->words, found);
    if (!word.ptr)
        return hl_fail(err, HL_E_ARG, "%s: found '%.*s', expected one of: %s", p->where,
                       (int)(found.len < 40 ? found.len : 40), found.ptr, f->words);
    if (memcmp(word.ptr, found.ptr, word.len) == 0) return HL_OK;
    if (json_object_set_new(p->object, p->key, json_stringn(word.ptr, word.len)) == 0) return HL_OK;
    return hl_fail(err, HL_E_NOMEM, "server: no memory");
}

static hl_status check_place(const hl_body_field *f, const place *p, hl_err *err) {
    hl_view       text;
    bool          flag;
    const json_t *value;
    if (f->words) return check_words(f, p, err);
    switch (hl_body_field_type(f)) {
    case HL_BODY_TEXT: return hl_field_view(p->object, p->key, &text, err);
    case HL_BODY_FLAG: return hl_field_bool(p->object, p->key, &flag, err);
    case HL_BODY_LIST: return hl_field_list(p->object, p->key, &value, err);
    case HL_BODY_OBJECT: return hl_field_object(p->object, p->key, &value, err);
    case HL_BODY_INT:
    case HL_BODY_NUMBER: return check_number(f, p, err);
    default: return HL_OK;
    }
}

/* Do its errors say the whole place, not only the key? */
static bool names_place(const hl_body_field *f) {
    const hl_body_type type = hl_body_field_type(f);
    return f->words || type == HL_BODY_INT || type == HL_BODY_NUMBER;
}

/* Of what is no object here says the handler what was expected. */
static hl_status check_inner(const hl_body_field *f, size_t n_parent, bool is_list, const char *inner,
                             const json_t *body, hl_err *err) {
    char      parent[40], where[80];
    size_t    i;
    json_t   *item;
    hl_status status = HL_OK;
    (void)snprintf(parent, sizeof parent, "%.*s", (int)n_parent, f->name);
    json_t *of = json_object_get(body, parent);
    if (!is_list) {
        status = check_place(f, &(place){of, inner, f->name}, err);
        return status == HL_OK || names_place(f) ? status : hl_fail_within(err, status, "%s", parent);
    }
    json_array_foreach(of, i, item) {
        (void)snprintf(where, sizeof where, "%s[%zu].%s", parent, i, inner);
        if (status == HL_OK) status = check_place(f, &(place){item, inner, where}, err);
    }
    return status;
}

hl_status hl_body_check(const char *handler, json_t *body, hl_err *err) {
    hl_status            status = HL_OK;
    const hl_body_field *f;
    size_t               n_parent;
    bool                 is_list;
    const char          *inner;
    for (uint32_t at = 0; status == HL_OK && (f = hl_body_field_next(handler, &at));) {
        if (hl_body_field_split(f, &n_parent, &is_list, &inner))
            status = check_inner(f, n_parent, is_list, inner, body, err);
        else
            status = check_place(f, &(place){body, f->name, f->name}, err);
    }
    return status;
}
