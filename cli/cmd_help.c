/* SPDX-License-Identifier: MIT
 *
 * cmd_help.c - hyperlama help [COMMAND] [--man].
 */
#include "cli/args.h"
#include "cli/commands.h"

hl_status hl_cmd_help(hl_app *app, const hl_args *args, hl_err *err) {
    if (hl_args_has(args, "man")) {
        hl_help_man(app->out);
        return HL_OK;
    }
    const char *name = hl_args_at(args, 0);
    if (!name) {
        hl_help_all(app->out);
        return HL_OK;
    }
    const hl_command *c = hl_command_find(name);
    if (c) {
        hl_help_command(app->out, c);
        return HL_OK;
    }
    const char *nearest = hl_command_nearest(name);
    if (nearest) return hl_fail(err, HL_E_ARG, "unknown command '%.60s'; did you mean '%s'?", name, nearest);
    return hl_fail(err, HL_E_ARG, "unknown command '%.60s' (see `hyperlama help`)", name);
}
