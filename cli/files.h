/* SPDX-License-Identifier: MIT
 *
 * files.h - whole texts from files and streams, for commands.
 */
#ifndef HL_CLI_FILES_H
#define HL_CLI_FILES_H

#include <limits.h>
#include <stdio.h>

#include "core/base/str.h"

/* Append all of it to `out`, whose limit counts. "-" is standard input for hl_read_path().
 * fails  HL_E_NOT_FOUND, HL_E_IO; HL_E_LIMIT past the limit or without memory; HL_E_CANCEL after Ctrl-C */
HL_MUST_CHECK hl_status hl_read_stream(FILE *f, const char *name, hl_str *out, hl_err *err);
HL_MUST_CHECK hl_status hl_read_path(const char *path, hl_str *out, hl_err *err);

/* A path that stands in a file: from that file's folder, with "~" and "~NAME" for homes. "-" as the file:
 * from here.
 * fails  HL_E_ARG too long; HL_E_NOT_FOUND nobody has that home */
HL_MUST_CHECK hl_status hl_path_from(char *const *envp, const char *file, const char *path,
                                     char ret[PATH_MAX], hl_err *err);

#endif
