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

/* Let jansson take its memory from core/base/mem.h, in the whole process: for programs, when they start. A
 * library must not do this behind the back of a program that uses jansson, too. */
void hl_json_use_mem(void);

typedef struct hl_json_rules {
    size_t max_bytes, max_values;
    int    max_depth;
    bool   is_strict;  /* else half a surrogate pair and bytes that are no UTF-8 become U+FFFD */
    bool   allows_nul; /* in strings: read them with json_string_length() */
    /* a key that comes twice is an error; else the last one counts, as other readers do it */
    bool refuses_doubles;
    json_t *(*number)(
        hl_view digits); /* makes what a value of 64 bits or a double does not hold; NULL: an error */
} hl_json_rules;

/* Read one JSON value; nothing but white space may follow.
 *
 * in     what  names the text in messages ("messages")
 * owns   the caller ends *ret with json_decref()
 * fails  HL_E_FORMAT  "messages[2].content: line 3, column 14: ...": what is wrong, and where
 *        HL_E_LIMIT   over one of the limits
 *        HL_E_NOMEM, HL_E_CANCEL */
HL_MUST_CHECK hl_status hl_json_read(hl_view text, const char *what, const hl_json_rules *rules, json_t **ret,
                                     hl_err *err);

/* Parse one JSON text (any value; nothing but white space may follow), strictly, of at most 256 levels.
 *
 * in     what  names the text in messages: "manifest of 'x:latest'"
 * owns   the caller ends *ret with json_decref()
 * fails  HL_E_FORMAT  line, column and what is wrong */
HL_MUST_CHECK hl_status hl_json_parse(hl_view text, const char *what, json_t **ret, hl_err *err);

/* As above; strings may hold NUL characters: read them with json_string_length(). */
HL_MUST_CHECK hl_status hl_json_parse_any(hl_view text, const char *what, json_t **ret, hl_err *err);

/* Append a value in compact form, or indented by two. A failure is remembered in `s`. */
void hl_json_format(const json_t *value, bool indent, hl_str *s);

/* A field of an object; NULL / the default when `object` is none, or the field is absent or of another
 * type. Texts belong to the object. */
const char *hl_json_text(const json_t *object, const char *key);
int64_t     hl_json_int(const json_t *object, const char *key, int64_t otherwise);
bool        hl_json_bool(const json_t *object, const char *key, bool otherwise);

#endif
