/* SPDX-License-Identifier: MIT
 *
 * say.h - print what may hold words of files: names, keys, values, paths.
 *
 * Cleaned (core/base/clean.h) wherever it goes: a pipe may end at a terminal, too. What must arrive byte for
 * byte (answers, templates, JSON) goes other ways: answer.h, json_out.h.
 */
#ifndef HL_CLI_TERM_SAY_H
#define HL_CLI_TERM_SAY_H

#include <stdio.h>

#include "core/base/str.h"

/* A part of a line, and a line with its end. The format's own text is cleaned as well: no newlines, no
 * colors. */
void hl_say(FILE *out, const char *fmt, ...) HL_PRINTF(2, 3);
void hl_say_line(FILE *out, const char *fmt, ...) HL_PRINTF(2, 3);

/* A paragraph within a listing: its tabs are kept, and its newlines with `indent` blanks behind them. */
void hl_say_text(FILE *out, int indent, hl_view text);

/* The text of a builder that is about to be printed. When it failed (no memory) that is remembered, as is
 * everything that the functions above could not print for want of memory: main() then says so, and the exit
 * code. */
const char *hl_say_str(const hl_str *s);
bool        hl_say_has_lost(void);
void        hl_say_note_lost(void);

#endif
