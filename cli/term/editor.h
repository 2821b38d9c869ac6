/* SPDX-License-Identifier: MIT
 *
 * editor.h - let the user's editor have a text.
 */
#ifndef HL_CLI_TERM_EDITOR_H
#define HL_CLI_TERM_EDITOR_H

#include "core/base/str.h"

enum { HL_EDITOR_MAX_BYTES = 1 << 20 };

/* A process of ours that stays as it is when this one locks itself in (core/base/lockdown.h), and runs the
 * editor for it: a text goes there and comes back, and nothing else. */
typedef struct hl_editor hl_editor;

/* Fork it, before anything is locked and before there are threads.
 * in     envp  the environment that names the editor
 * fails  HL_E_NOMEM, HL_E_IO
 * owns   hl_editor_free() waits for it to end */
HL_MUST_CHECK hl_status hl_editor_new(char *const *envp, hl_editor **ret_editor, hl_err *err);
void                    hl_editor_free(hl_editor *e); /* NULL is allowed */

/* As hl_editor_run(), there. */
HL_MUST_CHECK hl_status hl_editor_edit(const hl_editor *e, hl_str *text, hl_err *err);

/* Write the text to a private file, run the editor on it ($OLLAMA_EDITOR, $VISUAL, $EDITOR, or vi), read it
 * back without the newlines at its end.
 *
 * in     envp  the environment that names the editor
 * fails  HL_E_IO     the editor cannot be run or ended with an error; the text is as it was
 *        HL_E_LIMIT  what came back is over 1 MiB; HL_E_NOMEM */
HL_MUST_CHECK hl_status hl_editor_run(char *const *envp, hl_str *text, hl_err *err);

#endif
