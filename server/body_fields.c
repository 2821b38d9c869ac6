/* SPDX-License-Identifier: MIT
 *
 * body_fields.c - the table of fields, walked.
 */
#include "server/body_fields.h"

#include <string.h>

#include "server/http/exchange.h"

static const struct {
    const char *handler, *group;
} bodies[] = {
#define HL_BODY(handler, group) {#handler, #group},
#define HL_FIELD(group, name, type, needed, what)
#define HL_QUERY(handler, name, what)
#include "server/body_fields.def"
#undef HL_BODY
#undef HL_FIELD
};

static const hl_body_field fields[] = {
#define HL_BODY(handler, group)
#define HL_FIELD(group, name, type, needed, what) {#group, #name, HL_BODY_##type, needed, what},
#include "server/body_fields.def"
#undef HL_FIELD
#undef HL_QUERY
};

static const struct {
    const char *handler, *name, *what;
} queries[] = {
#define HL_FIELD(group, name, type, needed, what)
#define HL_QUERY(handler, name, what) {#handler, #name, what},
#include "server/body_fields.def"
#undef HL_BODY
#undef HL_FIELD
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

static hl_status check_field(const hl_body_field *f, const json_t *body, hl_err *err) {
    hl_view       text;
    bool          flag;
    const json_t *value;
    switch (f->type) {
    case HL_BODY_TEXT: return hl_field_view(body, f->name, &text, err);
    case HL_BODY_FLAG: return hl_field_bool(body, f->name, &flag, err);
    case HL_BODY_LIST: return hl_field_list(body, f->name, &value, err);
    case HL_BODY_OBJECT: return hl_field_object(body, f->name, &value, err);
    case HL_BODY_INT:
    case HL_BODY_NUMBER: value = json_object_get(body, f->name); break;
    default: return HL_OK;
    }
    if (!value || json_is_null(value) || json_is_number(value) || json_is_string(value)) return HL_OK;
    return hl_fail(err, HL_E_ARG, "%s: found no number, expected one", f->name);
}

hl_status hl_body_check(const char *handler, const json_t *body, hl_err *err) {
    hl_status            status = HL_OK;
    const hl_body_field *f;
    for (uint32_t at = 0; status == HL_OK && (f = hl_body_field_next(handler, &at));)
        status = check_field(f, body, err);
    return status;
}
