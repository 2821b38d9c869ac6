/* SPDX-License-Identifier: MIT
 *
 * cmd_serve.c - hyperlama serve: answer HTTP clients until told to stop.
 *
 * The first signal lets answers end (server.drain_s), the second ends them.
 */
#include <poll.h>

#include "cli/args.h"
#include "server/server.h"

enum { LOOK_MS = 500 };

hl_status hl_cmd_serve(hl_app *app, const hl_args *args, hl_err *err) {
    hl_server *server = NULL;
    hl_host   *host = NULL;
    (void)args;
    hl_status status = hl_host_new(app->config, &app->paths, &app->events, &host, err);
    if (status == HL_OK)
        status = hl_server_start(host, app->config, &app->events, hl_version(), &server, err);
    if (status == HL_OK) {
        fprintf(app->out, "hyperlama %s: listening on http://%s\n", hl_version(), hl_server_address(server));
        (void)fflush(app->out);
        while (!hl_signal.stop) (void)poll(NULL, 0, LOOK_MS); /* a signal ends the wait */
        const int64_t drain_s = hl_config_int(app->config, HL_SETTING_server_drain_s);
        hl_server_stop(server, hl_signal.stop > 1 ? 0 : drain_s * 1000);
    }
    hl_host_free(host);
    return status;
}
