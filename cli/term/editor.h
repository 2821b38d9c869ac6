/* SPDX-License-Identifier: MIT
 *
 * editor.h - let the user's editor have a text.
 */
#ifndef HL_CLI_TERM_EDITOR_H
#define HL_CLI_TERM_EDITOR_H

#include "core/base/str.h"

enum { HL_EDITOR_MAX_BYTES = 1 << 20 };

/* Write the text to a private file, run the editor on it ($OLLAMA_EDITOR, $VISUAL, $EDITOR, or vi), read it
 * back without the newlines at its end.
 *
 * in     envp  the environment that names the editor
 * fails  HL_E_IO     the editor cannot be run or ended with an error; the text is as it was
 *        HL_E_LIMIT  what came back is over 1 MiB; HL_E_NOMEM */
HL_MUST_CHECK hl_status hl_editor_run(char *const *envp, hl_str *text, hl_err *err);

#endif
