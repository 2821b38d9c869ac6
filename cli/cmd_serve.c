/* SPDX-License-Identifier: MIT
 *
 * cmd_serve.c - hyperlama serve: answer HTTP clients until told to stop.
 *
 * The first signal lets answers end (server.drain_s), the second ends them. SIGHUP has the settings and the
 * certificates read again, as servers do; where it comes because the terminal is gone, it stops the server,
 * as it stops other programs (unless whoever started it had SIGHUP ignored: nohup).
 */
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "cli/args.h"
#include "cli/service.h"
#include "core/base/clock.h"
#include "core/base/lockdown.h"
#include "core/data/config_file.h"
#include "server/server.h"

enum { LOOK_MS = 500 };

static void on_hangup(int signal_number) {
    (void)signal_number;
    hl_signal.reload = 1;
}

static bool has_terminal(void) {
    const int fd = open("/dev/tty", O_RDONLY | O_NOCTTY | O_CLOEXEC);
    if (fd >= 0) (void)close(fd);
    return fd >= 0;
}

/* Returns whether the terminal's end is to be ours. */
static bool watch_hangup(void) {
    struct sigaction before, hangup = {.sa_handler = on_hangup};
    if (sigaction(SIGHUP, &hangup, &before) != 0) return false;
    return before.sa_handler != SIG_IGN && has_terminal();
}

/* ---- Settings, again ---- */

/* File and environment as at the start, flags as they were given. */
static hl_status read_settings(const hl_app *app, hl_config **ret, hl_err *err) {
    hl_config *c = NULL;
    hl_status  status = hl_config_new(&c, err);
    if (status == HL_OK) status = hl_config_file_load(c, app->paths.config_file, &app->events, err);
    if (status == HL_OK) status = hl_config_read_env(c, app->envp, &app->events, err);
    for (int i = 0; i < HL_N_SETTINGS && status == HL_OK; i++) {
        hl_str value;
        if (hl_config_origin(app->config, (hl_setting)i) != HL_ORIGIN_FLAG) continue;
        hl_str_init(&value, SIZE_MAX);
        hl_config_format(app->config, (hl_setting)i, &value);
        status = hl_str_check(&value, "setting", err);
        if (status == HL_OK)
            status = hl_config_set(c, (hl_setting)i, hl_str_view(&value), HL_ORIGIN_FLAG,
                                   hl_config_where(app->config, (hl_setting)i), err);
        hl_str_done(&value);
    }
    if (status == HL_OK)
        *ret = c;
    else
        hl_config_free(c);
    return status;
}

static bool can_change(hl_setting id) { return id == HL_SETTING_log_level || hl_server_can_change(id); }

static bool is_same(const hl_config *a, const hl_config *b, hl_setting id) {
    if (hl_setting_get(id)->kind == HL_SETTING_INT || hl_setting_get(id)->kind == HL_SETTING_BOOL)
        return hl_config_int(a, id) == hl_config_int(b, id);
    return strcmp(hl_config_text(a, id), hl_config_text(b, id)) == 0;
}

/* What the log says of a change: what counts from now on, and what counts only after a restart. */
static void tell_changes(const hl_app *app, const hl_config *before, const hl_config *now) {
    for (int i = 0; i < HL_N_SETTINGS; i++) {
        const hl_setting id = (hl_setting)i;
        const char      *key = hl_setting_get(id)->key;
        if (can_change(id) && !is_same(before, now, id))
            hl_event(&app->events, HL_LOG_INFO, "server", "setting-changed", "name=%s", key);
        else if (!can_change(id) && !is_same(app->config, now, id))
            hl_event(&app->events, HL_LOG_WARN, "server", "setting-needs-restart",
                     "name=%s action=\"the old value stays until serve is started again\"", key);
    }
}

static void change_level(hl_app *app, const hl_config *now) {
    hl_log_level level = HL_LOG_WARN;
    (void)hl_log_level_parse(hl_config_text(now, HL_SETTING_log_level), &level);
    if (!app->wants_log) return;
    __atomic_store_n(&app->log.level, level, __ATOMIC_RELAXED); /* other threads read both */
    __atomic_store_n(&app->events.level, level, __ATOMIC_RELAXED);
}

/* `*ret_now` is what counts; it is replaced when all went well. */
static void reload(hl_app *app, hl_server *server, hl_config **ret_now) {
    hl_config *fresh = NULL;
    hl_err     why = {0};
    char       text[80];
    (void)snprintf(text, sizeof text, "RELOADING=1\nMONOTONIC_USEC=%lld", (long long)(hl_clock_ns() / 1000));
    hl_service_notify(app->envp, text);
    hl_status status = read_settings(app, &fresh, &why);
    if (status == HL_OK) status = hl_server_reload(server, fresh, &why);
    if (status == HL_OK) {
        change_level(app, fresh);
        tell_changes(app, *ret_now ? *ret_now : app->config, fresh);
        hl_event(&app->events, HL_LOG_INFO, "server", "reload", "path=\"%s\"", app->paths.config_file);
        hl_config_free(*ret_now);
        *ret_now = fresh;
    } else {
        hl_event(&app->events, HL_LOG_ERROR, "server", "reload-failed",
                 "why=\"%s\" action=\"everything stays as it was\"", why.text);
        hl_config_free(fresh);
    }
    hl_service_notify(app->envp, "READY=1");
}

/* ---- The command ---- */

/* A second signal ends that, too. */
static void wait_for_routers(int64_t leave_s) {
    const int64_t until = hl_clock_ns() + leave_s * 1000000000;
    while (hl_signal.stop < 2 && hl_clock_ns() < until) (void)poll(NULL, 0, LOOK_MS);
}

static void serve(hl_app *app, hl_server *server) {
    hl_config *now = NULL; /* NULL: the settings of the start */
    const bool ends_with_terminal = watch_hangup();
    fprintf(app->out, "hyperlama %s: listening on %s\n", hl_version(), hl_server_address(server));
    (void)fflush(app->out);
    hl_service_notify(app->envp, "READY=1");
    while (!hl_signal.stop) {
        if (hl_signal.reload && ends_with_terminal && !has_terminal()) break;
        if (hl_signal.reload) {
            hl_signal.reload = 0;
            reload(app, server, &now);
        }
        (void)poll(NULL, 0, LOOK_MS); /* a signal ends the wait */
    }
    hl_service_notify(app->envp, "STOPPING=1");
    const hl_config *settings = now ? now : app->config;
    const int64_t    drain_s = hl_config_int(settings, HL_SETTING_server_drain_s);
    hl_server_leave(server);
    wait_for_routers(hl_config_int(settings, HL_SETTING_server_leave_s));
    hl_server_stop(server, hl_signal.stop > 1 ? 0 : drain_s * 1000);
    hl_config_free(now);
}

/* Once it listens: from here on nothing new is needed from the network. */
static hl_status cut_off(const hl_app *app, hl_err *err) {
    const hl_status status = hl_lockdown_cut_off(err);
    if (status == HL_OK) hl_event(&app->events, HL_LOG_INFO, "server", "airgap", "outgoing=refused");
    return status;
}

hl_status hl_cmd_serve(hl_app *app, const hl_args *args, hl_err *err) {
    hl_server *server = NULL;
    hl_host   *host = NULL;
    int        given[HL_SERVICE_MAX_SOCKETS];
    size_t     n_given = 0;
    hl_status  status = hl_service_sockets(app->envp, given, &n_given, err);
    if (status == HL_OK) status = hl_host_new(app->config, &app->paths, &app->events, &host, err);
    if (status == HL_OK)
        status = hl_server_start(host, app->config, &app->events, hl_version(), given, n_given, &server, err);
    if (status == HL_OK && hl_args_has(args, "airgap")) {
        hl_host_cut_off(host);
        status = cut_off(app, err);
    }
    if (status == HL_OK)
        serve(app, server);
    else
        hl_server_stop(server, 0);
    hl_host_free(host);
    return status;
}
