/* SPDX-License-Identifier: MIT
 *
 * main.c - the program's entry: settings, signals, one command, the exit code.
 */
#include <errno.h>
#include <fcntl.h>
#include <langinfo.h>
#include <locale.h>
#include <poll.h>
#include <signal.h>
#include <stdio_ext.h>
#include <string.h>
#include <unistd.h>

#include "cli/commands.h"
#include "cli/guard.h"
#include "cli/term/say.h"
#include "core/base/map.h"
#include "core/data/config_file.h"
#include "core/data/json.h"
#include "host/remote/supervisor.h"

enum {
    EXIT_INTERRUPTED = 130,
    EXIT_PIPE = 141,
    EXIT_TERMINATED = 143
}; /* 128 + the signal, as shells count */

static void on_stop(int signal_number) {
    if (signal_number == SIGTERM) hl_signal.leave = 1;
    const int n_before = __atomic_fetch_add(&hl_signal.stop, 1, __ATOMIC_RELAXED);
    if (n_before >= 2) /* whoever asks three times is not being heard */
        _exit(signal_number == SIGTERM ? EXIT_TERMINATED : EXIT_INTERRUPTED);
}

static void install_signals(void) {
    struct sigaction stop = {.sa_handler = on_stop}; /* no SA_RESTART: a read from the terminal ends */
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    (void)sigaction(SIGINT, &stop, NULL);
    (void)sigaction(SIGTERM, &stop, NULL);
    /* A closed pipe and a limit of file sizes are failed writes (EPIPE, EFBIG), which end things in order. */
    (void)sigaction(SIGPIPE, &ignore, NULL);
    (void)sigaction(SIGXFSZ, &ignore, NULL);
    (void)hl_stop_watch(&hl_signal.stop);
    hl_map_install_fault_handler();
}

/* A program may be started without standard files. Then the next file that is opened would get their number,
 * and be read as a prompt or written to as output. Input that is closed is empty; output that is closed
 * cannot be written. */
static void hold_standard_files(void) {
    static const int modes[] = {O_RDONLY, O_RDONLY, O_WRONLY};
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        if (fcntl(fd, F_GETFD) < 0 && errno == EBADF) (void)open("/dev/null", modes[fd]);
    }
}

/* The terminal's encoding decides how wide characters are; without one, take UTF-8. */
static void choose_locale(void) {
    if (!setlocale(LC_CTYPE, "") || strcmp(nl_langinfo(CODESET), "UTF-8") != 0)
        (void)setlocale(LC_CTYPE, "C.UTF-8");
}

static hl_status init(hl_app *app, char **envp, hl_err *err) {
    app->envp = envp;
    app->out = stdout;
    hl_json_use_mem();
    hl_status status = hl_store_use_mem(err);
    if (status == HL_OK) status = hl_config_new(&app->config, err);
    if (status != HL_OK) return status;
    hl_app_choose_log(app, false);
    status = hl_paths_init(&app->paths, envp, err);
    if (status != HL_OK) return status;
    app->config_status =
        hl_config_file_load(app->config, app->paths.config_file, &app->events, &app->config_err);
    if (app->config_status == HL_OK)
        app->config_status = hl_config_read_env(app->config, envp, &app->events, &app->config_err);

    const char *term = hl_env_get(envp, "TERM");
    const char *color = hl_config_text(app->config, HL_SETTING_cli_color);
    app->out_is_tty = isatty(STDOUT_FILENO);
    app->err_is_tty = isatty(STDERR_FILENO);
    app->can_escape = app->out_is_tty && term && strcmp(term, "dumb") != 0;
    app->can_color = strcmp(color, "always") == 0 || (app->can_escape && strcmp(color, "auto") == 0);
    return HL_OK;
}

/* Are bad settings no reason to stop? True for what helps to repair them. */
static bool is_tolerant(const char *name) {
    static const char *const names[] = {"help", "version", "config", "doctor", "completion"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strcmp(name, names[i]) == 0) return true;
    }
    return false;
}

static hl_status dispatch(hl_app *app, int argc, char **argv, hl_err *err) {
    if (argc < 2) {
        hl_help_all(stderr);
        app->exit_code = hl_status_exit_code(HL_E_ARG);
        return HL_OK;
    }
    const char *name = argv[1];
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0) name = "help";
    if (strcmp(name, "--version") == 0 || strcmp(name, "-v") == 0) name = "version";
    const hl_command *c = hl_command_find(name);
    if (!c) {
        const char *nearest = name[0] == '-' ? NULL : hl_command_nearest(name);
        if (nearest)
            return hl_fail(err, HL_E_ARG, "unknown command '%.60s'; did you mean '%s'?", name, nearest);
        return hl_fail(err, HL_E_ARG, "unknown command '%.60s' (see `hyperlama help`)", name);
    }
    if (app->config_status != HL_OK && !is_tolerant(c->name)) {
        *err = app->config_err;
        return app->config_status;
    }
    return hl_command_run(app, c, argc - 2, argv + 2, err);
}

/* What poll() says of standard output now. */
static short look_at_output(void) {
    struct pollfd p = {.fd = STDOUT_FILENO, .events = POLLOUT};
    return poll(&p, 1, 0) == 1 ? p.revents : 0;
}

/* Stopped: either the command said so, or the signal broke off a write. */
static bool was_stopped(const hl_app *app, hl_status status) {
    if (hl_signal.leave && status == HL_OK) return true; /* the chat has answered its Ctrl-C itself */
    return hl_signal.stop && (status == HL_E_CANCEL || (status == HL_OK && ferror(app->out)));
}

/* What is still in the buffer goes out when that does not wait for a reader. */
static int end_stopped(hl_app *app) {
    if (ferror(app->out) || !(look_at_output() & POLLOUT))
        __fpurge(app->out);
    else
        (void)fflush(app->out);
    return hl_signal.leave ? EXIT_TERMINATED : EXIT_INTERRUPTED;
}

/* Whether all of the output arrived is part of the answer. */
static hl_status finish_output(hl_app *app, hl_err *err) {
    errno = 0;
    if (fflush(app->out) == 0 && !ferror(app->out)) {
        if (!hl_say_has_lost()) return HL_OK;
        return hl_fail(err, HL_E_NOMEM, "output: no memory for all of it");
    }
    const int error = app->out_errno ? app->out_errno : errno;
    if (error == EPIPE || (look_at_output() & POLLERR)) {
        app->exit_code = EXIT_PIPE;
        return HL_OK;
    }
    return hl_fail(err, HL_E_IO, "write to standard output: %s", error ? strerror(error) : "failed");
}

int main(int argc, char **argv, char **envp) {
    if (argc > 1 && strcmp(argv[1], HL_GUARD_WORD) == 0) return hl_guard_main(argc, argv);
    hl_app    app = {0};
    hl_err    err = {0};
    hl_status status;
    hold_standard_files();
    choose_locale();
    install_signals();
    status = init(&app, envp, &err);
    if (status == HL_OK) status = dispatch(&app, argc, argv, &err);
    if (was_stopped(&app, status)) {
        app.exit_code = end_stopped(&app);
        status = HL_OK;
    } else if (status == HL_OK) {
        status = finish_output(&app, &err);
    }
    if (status != HL_OK) {
        hl_app_note(&app, "hyperlama: %s", err.text[0] ? err.text : hl_status_text(status));
    }
    hl_config_free(app.config);
    hl_paths_done(&app.paths);
    return status != HL_OK ? hl_status_exit_code(status) : app.exit_code;
}
