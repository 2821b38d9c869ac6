/* SPDX-License-Identifier: MIT
 *
 * cmd_serve.c - hyperlama serve: answer HTTP clients until told to stop.
 *
 * The first signal lets answers end (server.drain_s), the second ends them.
 */
#include <poll.h>

#include "cli/args.h"
#include "cli/service.h"
#include "server/server.h"

enum { LOOK_MS = 500 };

static void serve(hl_app *app, hl_server *server) {
    fprintf(app->out, "hyperlama %s: listening on %s\n", hl_version(), hl_server_address(server));
    (void)fflush(app->out);
    hl_service_notify(app->envp, "READY=1");
    while (!hl_signal.stop) (void)poll(NULL, 0, LOOK_MS); /* a signal ends the wait */
    hl_service_notify(app->envp, "STOPPING=1");
    const int64_t drain_s = hl_config_int(app->config, HL_SETTING_server_drain_s);
    hl_server_stop(server, hl_signal.stop > 1 ? 0 : drain_s * 1000);
}

hl_status hl_cmd_serve(hl_app *app, const hl_args *args, hl_err *err) {
    hl_server *server = NULL;
    hl_host   *host = NULL;
    int        given[HL_SERVICE_MAX_SOCKETS];
    size_t     n_given = 0;
    (void)args;
    hl_status status = hl_service_sockets(app->envp, given, &n_given, err);
    if (status == HL_OK) status = hl_host_new(app->config, &app->paths, &app->events, &host, err);
    if (status == HL_OK)
        status = hl_server_start(host, app->config, &app->events, hl_version(), given, n_given, &server, err);
    if (status == HL_OK) serve(app, server);
    hl_host_free(host);
    return status;
}
