/* SPDX-License-Identifier: MIT
 *
 * go_format.h - one value in one format of printf: flags, width, precision, and what the letters mean for
 * basic types.
 */
#ifndef HL_GOTEMPLATE_GO_FORMAT_H
#define HL_GOTEMPLATE_GO_FORMAT_H

#include "engine/gotemplate/go_run.h"

typedef struct hl_go_format {
    hl_go_run  *r;
    hl_tainted *to;
    bool        has_width, has_precision, minus, plus, sharp, space, zero;
    bool        plus_v, sharp_v; /* + and # of %v */
    bool        verb_is_outside; /* the letter of this format came from outside */
    bool        is_error;        /* within "%!d(string=hi)": String() is not called */
    int         width, precision;
} hl_go_format;

/* Each appends; `is_outside`: the value came from outside. False after an error. */
bool hl_go_format_text(hl_go_format *f, const char *text, bool is_outside); /* without padding */
bool hl_go_format_padded(hl_go_format *f, hl_view text, bool is_outside);
bool hl_go_format_string(hl_go_format *f, hl_go_value s); /* cut to the precision, padded */
bool hl_go_format_hex_number(hl_go_format *f, uint64_t u, bool has_prefix, bool is_outside);

/* A bool, a number or a string in the format `verb`; *ret_known false: this type has no such format. */
bool hl_go_format_basic(hl_go_format *f, hl_go_value v, uint32_t verb, bool *ret_known);
/* A list of bytes in the formats s, q, x and X, as a string of them. */
bool hl_go_bytes_to_string(hl_go_run *r, hl_go_value list, hl_go_value *ret);

#endif
