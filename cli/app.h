/* SPDX-License-Identifier: MIT
 *
 * app.h - what every command gets: settings, log, and the way out.
 *
 * There is one hl_app, made by main(). Commands print data to `out`, everything else to standard error,
 * and return a status; main() turns it into a message and the exit code.
 */
#ifndef HL_CLI_APP_H
#define HL_CLI_APP_H

#include <signal.h>
#include <stdio.h>

#include "core/base/config.h"
#include "core/base/log.h"
#include "host/host.h"

typedef struct hl_app {
    char *const *envp;
    FILE        *out;       /* standard output */
    int          out_errno; /* of the first write to it that failed, where that is known */
    bool         out_is_tty;
    bool         err_is_tty;
    bool       can_color;  /* on `out`: a terminal, unless NO_COLOR, TERM=dumb or the setting say otherwise */
    bool       can_escape; /* `out` is a terminal that knows escape sequences */
    hl_config *config;
    hl_log     log;
    bool       wants_log; /* log lines; else what matters is said in words */
    hl_events  events;
    hl_paths   paths;
    struct hl_editor *editor;    /* runs the chat's editor when this process is locked in; else NULL */
    int               exit_code; /* 0: from the status; else what main() returns after HL_OK */
    hl_status config_status; /* what reading the settings gave; config, doctor and help go on regardless */
    hl_err    config_err;
} hl_app;

/* What signals left behind; each is cleared by who has answered it. The one global of the program. */
typedef struct hl_signals {
    volatile int stop; /* SIGINT, SIGTERM: how often; what the main thread watches (hl_stop_watch()) */
    volatile sig_atomic_t leave;   /* SIGTERM: the program is to end, whatever it does */
    volatile sig_atomic_t resize;  /* SIGWINCH, while a line is edited */
    volatile sig_atomic_t suspend; /* SIGTSTP, while a line is edited */
    volatile sig_atomic_t reload;  /* SIGHUP, in `serve` */
} hl_signals;

extern hl_signals hl_signal;

/* Choose what becomes of events: log lines when a log was asked for (log.level, log.format, or `is_verbose`),
 * else a warning in words, each once. */
void hl_app_choose_log(hl_app *app, bool is_verbose);

/* The key that is shown to a server: HYPERLAMA_API_KEY, or Ollama's. NULL: none. */
const char *hl_app_key(const hl_app *app);

/* Print "warning: ..." to standard error. */
void hl_app_warn(const hl_app *app, const char *fmt, ...) HL_PRINTF(2, 3);
/* Print a remark for people to standard error. */
void hl_app_note(const hl_app *app, const char *fmt, ...) HL_PRINTF(2, 3);

#endif
