/* SPDX-License-Identifier: MIT
 *
 * cmd_stop.c - hyperlama stop MODEL: have a server unload a model as soon as nobody uses it.
 */
#include "cli/args.h"
#include "cli/ask_server.h"
#include "core/data/json_out.h"

hl_status hl_cmd_stop(hl_app *app, const hl_args *args, hl_err *err) {
    hl_json_out j;
    json_t     *answer = NULL;
    hl_json_init(&j);
    hl_json_open(&j, NULL, '{');
    hl_json_add_text(&j, "model", hl_args_at(args, 0));
    hl_json_add_int(&j, "keep_alive", 0);
    hl_json_add_bool(&j, "stream", false);
    hl_json_close(&j, '}');
    hl_status status = hl_str_check(&j.text, "request", err);
    if (status == HL_OK)
        status = hl_ask_server(app, "POST", "/api/generate", hl_str_text(&j.text), &answer, err);
    if (status == HL_OK)
        hl_app_note(app, "stopped '%s': it is unloaded as soon as nobody uses it", hl_args_at(args, 0));
    hl_json_done(&j);
    json_decref(answer);
    return status;
}
