/* SPDX-License-Identifier: MIT
 *
 * cmd_version.c - hyperlama version [--json].
 */
#include "cli/args.h"
#include "cli/json_print.h"

hl_status hl_cmd_version(hl_app *app, const hl_args *args, hl_err *err) {
    if (!hl_args_has(args, "json")) {
        fprintf(app->out, "hyperlama %s\n", hl_version());
        return HL_OK;
    }
    hl_json_out j;
    hl_json_init(&j);
    hl_json_open(&j, NULL, '{');
    hl_json_add_text(&j, "version", hl_version());
    hl_json_close(&j, '}');
    return hl_json_print(&j, app->out, err);
}
