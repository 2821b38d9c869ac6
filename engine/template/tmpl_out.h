/* SPDX-License-Identifier: MIT
 *
 * tmpl_out.h - text under construction that knows of each of its bytes whether it came from outside.
 *
 * Every append says so: of all bytes at once, or, where a piece of another text is copied, by that piece's
 * origin. A byte that is made of others (case, escapes, digits) takes the mark of what it was made of.
 */
#ifndef HL_TEMPLATE_TMPL_OUT_H
#define HL_TEMPLATE_TMPL_OUT_H

#include "core/base/taint.h"

typedef struct hl_tmpl_out {
    hl_tainted *into;  /* of the end of the line: all is appended here, and the fields below are not used */
    char       *text;  /* [cap], not terminated; NULL until the first append */
    char       *marks; /* [cap] 1: this byte came from outside */
    size_t      len, cap;
    size_t      limit_bytes; /* hard limit of len */
    bool        failed;      /* later appends do nothing */
    bool        is_full;     /* failed for the limit, not for memory */
} hl_tmpl_out;

/* Where the bytes of some text came from. */
typedef struct hl_tmpl_origin {
    const char *marks;   /* of each byte; NULL: all alike */
    bool        outside; /* then: from outside? */
} hl_tmpl_origin;

static inline bool hl_tmpl_origin_at(hl_tmpl_origin o, size_t i) { return o.marks ? o.marks[i] : o.outside; }

void hl_tmpl_out_init(hl_tmpl_out *to, size_t limit_bytes);
void hl_tmpl_out_done(hl_tmpl_out *to);

void hl_tmpl_out_add(hl_tmpl_out *to, hl_view v, hl_tmpl_origin from); /* a copy, byte for byte */
void hl_tmpl_out_put(hl_tmpl_out *to, hl_view v, bool outside);
void hl_tmpl_out_text(hl_tmpl_out *to, const char *text, bool outside);
void hl_tmpl_out_char(hl_tmpl_out *to, char c, bool outside);
void hl_tmpl_out_utf8(hl_tmpl_out *to, uint32_t codepoint,
                      bool outside); /* U+FFFD for what is no scalar value */
void hl_tmpl_out_format(hl_tmpl_out *to, bool outside, const char *fmt, ...) HL_PRINTF(3, 4);

#endif
