/* SPDX-License-Identifier: MIT
 *
 * config_file.h - the settings file: INI, made to be edited by hand.
 *
 * [engine]
 * n_threads = 4
 */
#ifndef HL_CORE_DATA_CONFIG_FILE_H
#define HL_CORE_DATA_CONFIG_FILE_H

#include "core/base/config.h"

/* Read settings from `path`. A file that is not there is no settings.
 *
 * fails  HL_E_FORMAT  a line that is no setting or too long: the message has its number
 *        HL_E_ARG     a bad value, likewise. What was read before it stays
 *        HL_E_IO, HL_E_LIMIT (over 1 MiB), HL_E_NOMEM
 * events "unknown-setting" for a name that the table does not have; it is ignored */
HL_MUST_CHECK hl_status hl_config_file_load(hl_config *c, const char *path, const hl_events *events,
                                            hl_err *err);

/* As above, from a text; `name` stands in messages. */
HL_MUST_CHECK hl_status hl_config_file_parse(hl_config *c, const char *text, const char *name,
                                             const hl_events *events, hl_err *err);

#endif
