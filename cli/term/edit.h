/* SPDX-License-Identifier: MIT
 *
 * edit.h - read a line that a person types: editing keys, history, pasted text that keeps its line breaks.
 */
#ifndef HL_CLI_TERM_EDIT_H
#define HL_CLI_TERM_EDIT_H

#include "cli/app.h"

typedef struct hl_edit hl_edit;

typedef enum hl_edit_result {
    HL_EDIT_LINE,
    HL_EDIT_END,       /* Ctrl-D on an empty line, or the terminal is gone */
    HL_EDIT_INTERRUPT, /* Ctrl-C: what was typed is dropped */
} hl_edit_result;

/* in     history_path  a private file; NULL: nothing is remembered beyond this program's end
 *        n_history     how many lines of it; 0: none
 * fails  HL_E_IO  no terminal; HL_E_NOMEM */
HL_MUST_CHECK hl_status hl_edit_new(const hl_app *app, const char *history_path, int n_history,
                                    hl_edit **ret_edit, hl_err *err);
void                    hl_edit_free(hl_edit *e); /* NULL is allowed */

/* out    ret_line  without its newline; may have newlines inside (pasted, or Ctrl-J); free with hl_free() */
hl_edit_result hl_edit_read(hl_edit *e, const char *prompt, char **ret_line);

/* Remember a line, here and in the file. */
void hl_edit_remember(hl_edit *e, const char *line);
void hl_edit_set_history(hl_edit *e, bool is_on);

#endif
