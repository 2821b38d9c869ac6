/* SPDX-License-Identifier: MIT
 *
 * json_print.h - the JSON of --json on its way out.
 */
#ifndef HL_CLI_JSON_PRINT_H
#define HL_CLI_JSON_PRINT_H

#include <stdio.h>

#include "core/data/json_out.h"

/* Print the text and a newline, and free it. fails HL_E_NOMEM when something did not fit. */
HL_MUST_CHECK hl_status hl_json_print(hl_json_out *j, FILE *out, hl_err *err);

#endif
