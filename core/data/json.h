/* SPDX-License-Identifier: MIT
 *
 * json.h - jansson with our errors: parse from a view or a file, write into a hl_str, read fields.
 *
 * json_t stays visible: what is not here is called on jansson directly. Its parser limits depth itself.
 */
#ifndef HL_CORE_DATA_JSON_H
#define HL_CORE_DATA_JSON_H

#include <jansson.h>

#include "core/base/str.h"

/* Parse one JSON text (any value; nothing but white space may follow).
 *
 * in     what  names the text in messages: "manifest of 'x:latest'"
 * owns   the caller ends *ret with json_decref()
 * fails  HL_E_FORMAT  line, column and what is wrong */
HL_MUST_CHECK hl_status hl_json_parse(hl_view text, const char *what, json_t **ret, hl_err *err);

/* As above; strings may hold NUL characters: read them with json_string_length(). */
HL_MUST_CHECK hl_status hl_json_parse_any(hl_view text, const char *what, json_t **ret, hl_err *err);

/* As hl_json_parse(), from a file of at most limit_bytes. */
HL_MUST_CHECK hl_status hl_json_load(const char *path, size_t limit_bytes, json_t **ret, hl_err *err);

/* Append a value in compact form, or indented by two. A failure is remembered in `s`. */
void hl_json_format(const json_t *value, bool indent, hl_str *s);

/* A field of an object; NULL / the default when `object` is none, or the field is absent or of another
 * type. Texts belong to the object. */
const char *hl_json_text(const json_t *object, const char *key);
int64_t     hl_json_int(const json_t *object, const char *key, int64_t otherwise);
bool        hl_json_bool(const json_t *object, const char *key, bool otherwise);

#endif
