/* SPDX-License-Identifier: MIT
 *
 * str.h - a growing text buffer with a hard limit, and helpers on string views.
 *
 * A failed append (no memory, past the limit) is remembered in `failed` and makes every later append
 * a no-op, so that a builder checks once at the end. The text is always terminated.
 */
#ifndef HL_CORE_BASE_STR_H
#define HL_CORE_BASE_STR_H

#include "hyperlama/base.h"

typedef struct hl_str {
    char  *ptr; /* terminated; NULL until the first append */
    size_t len;
    size_t cap;
    size_t limit_bytes; /* hard limit of len */
    bool   failed;
    bool   lacks_memory; /* why it failed; else it reached its limit */
} hl_str;

void hl_str_init(hl_str *s, size_t limit_bytes);
void hl_str_done(hl_str *s);
void hl_str_clear(hl_str *s); /* keeps the memory, forgets a failure */

void hl_str_add(hl_str *s, const char *bytes, size_t n);
void hl_str_add_text(hl_str *s, const char *text);
void hl_str_add_view(hl_str *s, hl_view v);
void hl_str_add_char(hl_str *s, char c);
void hl_str_add_format(hl_str *s, const char *fmt, ...) HL_PRINTF(2, 3);
void hl_str_add_utf8(hl_str *s, uint32_t codepoint); /* U+FFFD for what is no scalar value */
/* Quoted; invalid UTF-8 becomes U+FFFD, and what must not be shown as it is (clean.h) an escape. */
void hl_str_add_json(hl_str *s, hl_view v);

/* HL_OK, or why it failed: HL_E_NOMEM, HL_E_LIMIT with the limit. `what` names it: "prompt". */
HL_MUST_CHECK hl_status hl_str_check(const hl_str *s, const char *what, hl_err *err);

const char *hl_str_text(const hl_str *s); /* "" when empty */
char   *hl_str_take(hl_str *s); /* the caller frees it with hl_free(); NULL when failed; s is empty again */
hl_view hl_str_view(const hl_str *s);

hl_view hl_view_of(const char *text); /* NULL gives an empty view */
bool    hl_view_eq(hl_view a, hl_view b);
bool    hl_view_is(hl_view v, const char *text);
bool    hl_view_has_prefix(hl_view v, const char *prefix);
/* For what goes on as a terminated text and would be cut: HL_E_FORMAT, and where the NUL byte is. `what`
 * names it: "template". */
HL_MUST_CHECK hl_status hl_view_check_nul(hl_view v, const char *what, hl_err *err);
/* Cut a whole number off the front: digits, of a value below 2^64. False: there is none, and v is as it was.
 * */
bool    hl_view_take_u64(hl_view *v, uint64_t *ret);
bool    hl_view_take(hl_view *v, const char *text); /* the same for a text that must stand there */
hl_view hl_view_trim(hl_view v);                    /* ASCII white space at both ends */

/* Read one UTF-8 character. Returns its length 1..4, 0 when the bytes at p are no valid character
 * (overlong, surrogate, cut off); *ret_cp is written on success only. */
size_t hl_utf8_read(const char *p, size_t n, uint32_t *ret_cp);
bool   hl_utf8_is_valid(const char *p, size_t n);

/* Where byte `at` of a text stands, for errors: lines end in \n, columns are characters. */
typedef struct hl_text_place {
    size_t line, column; /* from 1 */
} hl_text_place;
hl_text_place hl_utf8_place(hl_view text, size_t at); /* in  at  past the end: the end */

#endif
