/* SPDX-License-Identifier: MIT
 *
 * body_fields.h - what a route's request may say: one table, by which bodies are checked and described.
 */
#ifndef HL_SERVER_BODY_FIELDS_H
#define HL_SERVER_BODY_FIELDS_H

#include <jansson.h>

#include "host/options.h"

typedef enum hl_body_type {
    HL_BODY_TEXT,
    HL_BODY_FLAG,
    HL_BODY_LIST,
    HL_BODY_OBJECT,
    HL_BODY_INT,
    HL_BODY_NUMBER,
    HL_BODY_ANY
} hl_body_type;

typedef struct hl_body_field {
    const char  *group, *name; /* "a.b": b of the object a; "a[].b": of each object in the list a */
    hl_body_type type;         /* of an option: hl_body_field_type() */
    bool         is_needed, has_range;
    double       least, most; /* hl_body_field_range() */
    const char  *words;       /* the only ones that it may be, with blanks between; NULL: any text */
    hl_opt       option;      /* that it sets; HL_N_OPTS: none */
    const char  *what;
} hl_body_field;

/* The fields of a handler's body, one after the other, all its groups.
 * in     at  0 at first, then what it was set to. returns NULL: no more */
const hl_body_field *hl_body_field_next(const char *handler, uint32_t *at);
/* The same for what may stand behind the path: name and purpose. False: no more */
bool hl_query_field_next(const char *handler, uint32_t *at, const char **ret_name, const char **ret_what);

hl_body_type hl_body_field_type(const hl_body_field *f);
/* False: any number. */
bool hl_body_field_range(const hl_body_field *f, double *ret_least, double *ret_most);
/* Of "a.b" and "a[].b": the length of a, and where b begins. False: it is a field of the body itself. */
bool hl_body_field_split(const hl_body_field *f, size_t *ret_n_parent, bool *ret_is_list,
                         const char **ret_inner);

/* Has each field of the body that the table knows the type, the range, the word that it should have? Words in
 * capitals are made small, in the body, too.
 * fails  HL_E_ARG the first one that has not: what was found and what was expected; HL_E_NOMEM */
HL_MUST_CHECK hl_status hl_body_check(const char *handler, json_t *body, hl_err *err);

#endif
