/* SPDX-License-Identifier: MIT
 *
 * json_print.c - print a JSON text, whole or not at all.
 */
#include "cli/json_print.h"

hl_status hl_json_print(hl_json_out *j, FILE *out, hl_err *err) {
    const hl_status status = hl_str_check(&j->text, "JSON", err);
    if (status == HL_OK) fprintf(out, "%s\n", hl_str_text(&j->text));
    hl_json_done(j);
    return status;
}
