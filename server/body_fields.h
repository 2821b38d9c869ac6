/* SPDX-License-Identifier: MIT
 *
 * body_fields.h - what a route's request may say: one table, by which bodies are checked and described.
 */
#ifndef HL_SERVER_BODY_FIELDS_H
#define HL_SERVER_BODY_FIELDS_H

#include <jansson.h>

#include "hyperlama/base.h"

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
    const char  *group, *name;
    hl_body_type type;
    bool         is_needed;
    const char  *what;
} hl_body_field;

/* The fields of a handler's body, one after the other, all its groups.
 * in     at  0 at first, then what it was set to. returns NULL: no more */
const hl_body_field *hl_body_field_next(const char *handler, uint32_t *at);
/* The same for what may stand behind the path: name and purpose. False: no more */
bool hl_query_field_next(const char *handler, uint32_t *at, const char **ret_name, const char **ret_what);

/* Has each field of the body that the table knows the type that it should have?
 * fails  HL_E_ARG the first one that has not: what was found and what was expected */
HL_MUST_CHECK hl_status hl_body_check(const char *handler, const json_t *body, hl_err *err);

#endif
