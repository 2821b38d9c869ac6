/* SPDX-License-Identifier: MIT
 *
 * ini.h - sections of names and values, as people write them by hand.
 */
#ifndef HL_CORE_DATA_INI_H
#define HL_CORE_DATA_INI_H

#include "hyperlama/base.h"

/* inih 55 cuts sections and names there. */
enum { HL_INI_NAME_BYTES = 49 };

/* One line, "" for a section that is none. A failure ends the reading. */
typedef hl_status hl_ini_line_fn(void *user, int i_line, const char *section, const char *name,
                                 const char *value, hl_err *err);

/* Read `text`; `what` and `path` stand in messages: "settings file", "/etc/x".
 *
 * fails  HL_E_FORMAT  a line that is neither, or longer than 197 bytes: with its number
 *        HL_E_NOMEM; as fn does */
HL_MUST_CHECK hl_status hl_ini_read(const char *text, const char *what, const char *path, hl_ini_line_fn *fn,
                                    void *user, hl_err *err);

#endif
