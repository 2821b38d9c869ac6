/* SPDX-License-Identifier: MIT
 *
 * cmd_cp.c - hyperlama cp MODEL NAME: give a model a second name; its files are shared.
 */
#include "cli/args.h"
#include "cli/term/say.h"

hl_status hl_cmd_cp(hl_app *app, const hl_args *args, hl_err *err) {
    hl_host  *host = NULL;
    hl_store *store = NULL;
    hl_status status = hl_host_new(app->config, &app->paths, &app->events, &host, err);
    if (status == HL_OK) status = hl_host_store(host, &store, err);
    if (status == HL_OK) status = hl_store_copy(store, hl_args_at(args, 0), hl_args_at(args, 1), err);
    if (status == HL_OK)
        hl_say_line(app->out, "copied '%s' to '%s'", hl_args_at(args, 0), hl_args_at(args, 1));
    hl_host_free(host);
    return status;
}
