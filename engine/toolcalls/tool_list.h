/* SPDX-License-Identifier: MIT
 *
 * tool_list.h - the tools of a request: which names are known, and what their parameters may be.
 */
#ifndef HL_ENGINE_TOOLCALLS_TOOL_LIST_H
#define HL_ENGINE_TOOLCALLS_TOOL_LIST_H

#include <jansson.h>

#include "core/base/str.h"

/* Kinds of values that a parameter's schema allows; a bit each. */
typedef enum hl_value_types {
    HL_VALUE_STRING = 1,
    HL_VALUE_NUMBER = 2, /* and integers */
    HL_VALUE_BOOLEAN = 4,
    HL_VALUE_NULL = 8,
    HL_VALUE_LIST = 16,
    HL_VALUE_OBJECT = 32,
    HL_VALUE_ANY = 63 /* the schema does not say */
} hl_value_types;

/* The function of this name in a list of tools, as templates know them ({"type", "function"}) or flat. Models
 * write "functions.NAME", too, and "NAME.call": both are found. NULL: there is none */
const json_t *hl_tool_find(const json_t *tools, hl_view name);
hl_view       hl_tool_name(const json_t *function);
const json_t *hl_tool_function(const json_t *tool);   /* the function of an entry of the list */
const json_t *hl_tool_schema(const json_t *function); /* of its arguments; NULL: none */

/* What the function's schema allows for a parameter; ANY when it does not say. A set of hl_value_types. */
unsigned hl_tool_param_types(const json_t *function, hl_view key);
/* Its schema, references followed; NULL: it has none. */
const json_t *hl_tool_param_schema(const json_t *function, hl_view key);
bool          hl_tool_has_param(const json_t *function, hl_view key);
/* The i-th property, in the order of the schema; NULL: there are not so many. */
const char *hl_tool_param_at(const json_t *function, size_t i);

/* A text without quotes as the JSON value that the types want; as a string where it is no other. */
void hl_tool_add_value(hl_view text, unsigned types, hl_str *out);

#endif
