/* SPDX-License-Identifier: MIT
 *
 * wrap.c - break lines between words.
 */
#define _GNU_SOURCE /* wcwidth() */
#include "cli/term/wrap.h"

#include <string.h>
#include <unistd.h>
#include <wchar.h>

#include "cli/term/answer.h"

int hl_wrap_columns(FILE *out) { return isatty(fileno(out)) ? hl_term_columns(out) : 80; }

static int width_of(const char *word, size_t n) {
    int width = 0;
    for (size_t i = 0; i < n;) {
        uint32_t     cp = 0;
        const size_t n_char = hl_utf8_read(word + i, n - i, &cp);
        const int    w = n_char ? wcwidth((wchar_t)cp) : 1;
        width += w > 0 ? w : 0;
        i += n_char ? n_char : 1;
    }
    return width;
}

void hl_wrap_print(FILE *out, const char *text, int columns, int column, int indent) {
    bool at_start = true; /* nothing but the indent is on this line */
    while (*text) {
        const size_t n_blank = strspn(text, " "), n_word = strcspn(text + n_blank, " \n");
        const char  *word = text + n_blank;
        const int    width = width_of(word, n_word);
        if (!at_start && n_word > 0 && column + (int)n_blank + width > columns) {
            fprintf(out, "\n%*s", indent, "");
            column = indent;
        } else {
            fwrite(text, 1, n_blank, out);
            column += (int)n_blank;
        }
        fwrite(word, 1, n_word, out);
        column += width;
        at_start = false;
        text = word + n_word;
        if (*text != '\n') continue;
        fputc('\n', out);
        if (*++text) fprintf(out, "%*s", indent, "");
        column = indent;
        at_start = true;
    }
}
