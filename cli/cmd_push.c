/* SPDX-License-Identifier: MIT
 *
 * cmd_push.c - hyperlama push MODEL [NAME]: send a stored model to a registry.
 */
#include "cli/args.h"
#include "cli/term/say.h"
#include "cli/transfer_show.h"

hl_status hl_cmd_push(hl_app *app, const hl_args *args, hl_err *err) {
    hl_host          *host = NULL;
    hl_transfer_show *show = NULL;
    const bool        as_json = hl_args_has(args, "json"), is_quiet = hl_args_has(args, "quiet");
    const bool        is_renamed = hl_args_count(args) > 1;
    const char       *name = hl_args_at(args, is_renamed ? 1 : 0);
    hl_status         status = hl_host_new(app->config, &app->paths, &app->events, &host, err);
    if (status == HL_OK) status = hl_transfer_show_new(app, as_json, is_quiet, &show, err);
    if (status == HL_OK) {
        const hl_push_options options = {.store_as = is_renamed ? hl_args_at(args, 0) : NULL,
                                         .insecure = hl_args_has(args, "insecure"),
                                         .progress = hl_transfer_show_step,
                                         .user = show};
        status = hl_host_push(host, name, &options, err);
        hl_transfer_show_end(show);
    }
    if (status == HL_OK && !as_json && !is_quiet) hl_say_line(app->out, "pushed '%s'", name);
    hl_transfer_show_free(show);
    hl_host_free(host);
    return status;
}
