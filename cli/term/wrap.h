/* SPDX-License-Identifier: MIT
 *
 * wrap.h - words for people, in lines that fit.
 */
#ifndef HL_CLI_TERM_WRAP_H
#define HL_CLI_TERM_WRAP_H

#include <stdio.h>

/* Print `text` so that no line passes `columns` and no word is broken, unless it is longer than a line. Line
 * breaks of the text are kept.
 *
 * in     column   where the cursor is
 *        indent   blanks in front of every line but the first */
void hl_wrap_print(FILE *out, const char *text, int columns, int column, int indent);

/* How wide lines may be: what the terminal shows, 80 when it is none. */
int hl_wrap_columns(FILE *out);

#endif
