/* SPDX-License-Identifier: MIT
 *
 * go_escape.h - a string rewritten character by character: for HTML, JavaScript, URLs, JSON, and as a Go
 * constant.
 */
#ifndef HL_GOTEMPLATE_GO_ESCAPE_H
#define HL_GOTEMPLATE_GO_ESCAPE_H

#include "engine/gotemplate/go_run.h"

/* Append `text` (a string), each character with what is known of its bytes. */
typedef bool hl_go_escape_fn(hl_go_run *r, hl_tainted *to, hl_go_value text);

hl_go_escape_fn hl_go_escape_html;
hl_go_escape_fn hl_go_escape_js;
hl_go_escape_fn hl_go_escape_url;
hl_go_escape_fn hl_go_escape_json;  /* what stands between the quotes; < > & as \u003c as in Go */
hl_go_escape_fn hl_go_escape_quote; /* "..." as Go writes a constant, with the quotes */
hl_go_escape_fn hl_go_escape_ascii; /* the same without characters beyond ASCII */

/* One character as a Go constant within `quote`; bytes 0x80 to 0xFF that are no character are given as
 * is_byte. */
void hl_go_quote_char(hl_str *to, uint32_t cp, bool is_byte, char quote, bool only_ascii);

#endif
