/* SPDX-License-Identifier: MIT
 *
 * answer.h - a model's words on their way to the terminal.
 *
 * On a terminal, control characters never get through (U+FFFD stands for them) and lines break between words.
 * Into a file or a pipe the text goes as it is.
 */
#ifndef HL_CLI_TERM_ANSWER_H
#define HL_CLI_TERM_ANSWER_H

#include <stdio.h>

#include "core/base/str.h"

enum { HL_ANSWER_WORD_BYTES = 256 };

typedef struct hl_answer_style {
    bool is_tty; /* filter control characters */
    bool wrap;   /* break lines between words; only where is_tty and escape sequences work */
    bool color;
    bool hide_thinking;
    int  n_columns; /* 0: ask the terminal, each time */
} hl_answer_style;

typedef struct hl_answer {
    FILE           *out;
    hl_answer_style style;
    int             column;                     /* of the cursor, from 0 */
    char            word[HL_ANSWER_WORD_BYTES]; /* what was printed since the last space */
    size_t          n_word;
    int             word_columns;
    int             n_ticks;  /* backticks at the start of this line; -1: something else was there first */
    bool            in_fence; /* inside ```: code is not wrapped between words */
    bool            is_thinking;
    bool            at_line_start; /* nothing is on this line yet */
    bool            has_text;
} hl_answer;

void hl_answer_init(hl_answer *a, FILE *out, hl_answer_style style);

/* Print whole UTF-8 characters. Returns false when the output is gone. */
bool hl_answer_add(hl_answer *a, hl_view text, bool is_thinking);

/* End the line and the thinking, if they are open. */
void hl_answer_finish(hl_answer *a);

/* Print a paragraph from a file or a model: cleaned (HL_CLEAN_TEXT) when `is_tty`, else byte for byte. */
void hl_term_print(FILE *out, bool is_tty, hl_view text);

int hl_term_columns(FILE *out); /* 80 when there is no telling */

#endif
