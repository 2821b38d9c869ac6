/* SPDX-License-Identifier: MIT
 *
 * files.h - whole texts from files and streams, for commands.
 */
#ifndef HL_CLI_FILES_H
#define HL_CLI_FILES_H

#include <stdio.h>

#include "core/base/str.h"

/* Append all of it to `out`, whose limit counts. "-" is standard input for hl_read_path().
 * fails  HL_E_NOT_FOUND, HL_E_IO; HL_E_LIMIT past the limit or without memory; HL_E_CANCEL after Ctrl-C */
HL_MUST_CHECK hl_status hl_read_stream(FILE *f, const char *name, hl_str *out, hl_err *err);
HL_MUST_CHECK hl_status hl_read_path(const char *path, hl_str *out, hl_err *err);

#endif
