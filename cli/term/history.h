/* SPDX-License-Identifier: MIT
 *
 * history.h - the file of what was typed: private, one entry a line, appended to by any number of programs.
 */
#ifndef HL_CLI_TERM_HISTORY_H
#define HL_CLI_TERM_HISTORY_H

#include "core/base/str.h"

/* Call fn for the last n_max entries, oldest first. A file that cannot be read is an empty one. When it has
 * grown beyond twice n_max it is cut. `line` is valid during the call. */
void hl_history_load(const char *path, int n_max, void (*fn)(void *user, const char *line), void *user);

/* Append one entry; makes the file (0600) when it is not there. Returns false when it could not. */
bool hl_history_add(const char *path, const char *line);

#endif
