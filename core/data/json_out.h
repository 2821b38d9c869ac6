/* SPDX-License-Identifier: MIT
 *
 * json_out.h - write JSON: commas and quotes are its business, the rest is the caller's.
 */
#ifndef HL_CORE_DATA_JSON_OUT_H
#define HL_CORE_DATA_JSON_OUT_H

#include "core/base/str.h"

typedef struct hl_json_out {
    hl_str text; /* whoever reads it looks whether it failed */
    bool   needs_comma;
} hl_json_out;

void hl_json_init(hl_json_out *j);
void hl_json_clear(hl_json_out *j); /* begin again in the same memory */
void hl_json_done(hl_json_out *j);

/* key NULL: an element of an array. */
void hl_json_open(hl_json_out *j, const char *key, char bracket);         /* '{' or '[' */
void hl_json_close(hl_json_out *j, char bracket);                         /* '}' or ']' */
void hl_json_add_text(hl_json_out *j, const char *key, const char *text); /* NULL gives null */
void hl_json_add_view(hl_json_out *j, const char *key, hl_view text);
void hl_json_add_int(hl_json_out *j, const char *key, int64_t n);
void hl_json_add_real(hl_json_out *j, const char *key, double x); /* null when it is no number */
void hl_json_add_f32(hl_json_out *j, const char *key, float x);   /* so that it reads back as the same */
void hl_json_add_bool(hl_json_out *j, const char *key, bool b);
void hl_json_add_raw(hl_json_out *j, const char *key, const char *json); /* is JSON already */

#endif
