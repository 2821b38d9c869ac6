/* SPDX-License-Identifier: MIT
 *
 * cmd_cp.c - hyperlama cp MODEL NAME: give a model a second name; its files are shared. With --to: copy it
 * into a folder of its own, to be taken elsewhere.
 */
#include "cli/args.h"
#include "cli/storing.h"
#include "cli/term/say.h"

static hl_status export_model(hl_app *app, hl_store *store, const char *name, const char *dir, hl_err *err) {
    hl_storing_bar   bar = {.app = app};
    hl_stored_model *m = NULL;
    hl_status        status = hl_store_open_model(store, name, HL_OPEN_FOR_LOAD, &m, err);
    if (status == HL_OK) status = hl_stored_model_export(m, dir, hl_storing_show, &bar, err);
    hl_storing_end(&bar);
    if (status == HL_OK)
        hl_say_line(app->out,
                    "copied '%s' to the folder '%s'; `hyperlama create NAME -f %s/Modelfile` takes it in",
                    m->entry.text, dir, dir);
    hl_stored_model_free(m);
    return status;
}

hl_status hl_cmd_cp(hl_app *app, const hl_args *args, hl_err *err) {
    const char *to = hl_args_text(args, "to"), *name = hl_args_at(args, 0);
    hl_host    *host = NULL;
    hl_store   *store = NULL;
    if ((to != NULL) == (hl_args_count(args) > 1))
        return hl_fail(err, HL_E_ARG, "cp: expected a second name, or --to and a folder");
    hl_status status = hl_host_new(app->config, &app->paths, &app->events, &host, err);
    if (status == HL_OK) status = hl_host_store(host, &store, err);
    if (status == HL_OK && to) {
        status = export_model(app, store, name, to, err);
    } else if (status == HL_OK) {
        status = hl_store_copy(store, name, hl_args_at(args, 1), err);
        if (status == HL_OK) hl_say_line(app->out, "copied '%s' to '%s'", name, hl_args_at(args, 1));
    }
    hl_host_free(host);
    return status;
}
