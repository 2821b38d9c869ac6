/* SPDX-License-Identifier: MIT
 *
 * cmd_doctor.c - hyperlama doctor: what this machine can do, what is missing, and what to do about it.
 *
 * One line per check: ok, warn or fail. Ends with the first failure's status, so that scripts can ask too.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "cli/args.h"
#include "cli/doctor_tools.h"
#include "cli/json_print.h"
#include "bench/lib/machine.h"
#include "cli/term/progress.h"
#include "cli/term/say.h"
#include "core/base/lockdown.h"

typedef enum verdict { FINE, ODD, BAD } verdict;

typedef struct doctor {
    hl_app     *app;
    hl_host    *host;
    hl_machine  machine;
    bool        as_json;
    hl_json_out j;
    hl_status   status; /* of the first failure */
    hl_err      err;
    int         n_odd;
    hl_events   events; /* the program's, counted */
    int         n_blemished;
    int         n_warnings; /* of the libraries, on the way */
} doctor;

static void say(doctor *d, verdict v, const char *what, const char *fmt, ...) HL_PRINTF(4, 5);

static void say(doctor *d, verdict v, const char *what, const char *fmt, ...) {
    static const char *const words[] = {"ok", "warn", "fail"};
    char                     text[400];
    va_list                  args;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    d->n_odd += v == ODD;
    if (v == BAD && d->status == HL_OK) d->status = hl_fail(&d->err, HL_E_UNSUPPORTED, "%s: %s", what, text);
    if (!d->as_json) {
        hl_say_line(d->app->out, "%-5s %-13s %s", words[v], what, text);
        return;
    }
    hl_json_open(&d->j, NULL, '{');
    hl_json_add_text(&d->j, "result", words[v]);
    hl_json_add_text(&d->j, "check", what);
    hl_json_add_text(&d->j, "text", text);
    hl_json_close(&d->j, '}');
}

/* A check that could not be made. Want of memory and a request to stop say nothing about the thing itself. */
static void say_failure(doctor *d, const char *what, const hl_err *why) {
    if (d->status == HL_OK && (why->status == HL_E_NOMEM || why->status == HL_E_CANCEL))
        d->status = hl_fail(&d->err, why->status, "%s: %s", what, why->text);
    say(d, BAD, what, "%s", why->text);
}

static void check_settings(doctor *d) {
    const hl_app *app = d->app;
    if (app->config_status != HL_OK) {
        say_failure(d, "settings", &app->config_err);
        return;
    }
    const bool there = access(app->paths.config_file, F_OK) == 0;
    say(d, FINE, "settings", "%s%s", app->paths.config_file, there ? "" : " (not there: all defaults)");
}

static void check_processor(doctor *d) {
    hl_engine *e = NULL;
    hl_err     err = {0};
    if (hl_host_engine(d->host, -1, &e, &err) != HL_OK) {
        say_failure(d, "processor", &err);
        return;
    }
    const char *isa = hl_engine_cpu_text(e);
    const bool  fast = strstr(isa, "avx2") || strstr(isa, "neon") || strstr(isa, "dotprod");
    say(d, fast ? FINE : ODD, "processor", "%s: %s%s", d->machine.cpu, *isa ? isa : "no fast instructions",
        fast ? "" : "; models run, slowly");
    say(d, FINE, "threads", "%d for %d usable cores", (int)hl_engine_n_threads(e), d->machine.n_cores);
    if (d->machine.quota_cpus > 0 && d->machine.quota_cpus < d->machine.n_cpus)
        say(d, ODD, "quota", "the cgroup allows %.2f cores of %d", d->machine.quota_cpus, d->machine.n_cpus);
}

static void check_memory(doctor *d) {
    const hl_machine *m = &d->machine;
    const uint64_t    n = m->available_bytes;
    char              text[16];
    hl_format_bytes(n, text);
    if (n == 0)
        say(d, ODD, "memory", "unknown");
    else
        say(d, n < 500000000 ? ODD : FINE, "memory", "%s available%s", text,
            n < 500000000 ? "; enough only for the smallest models" : "");
}

/* The nearest folder that exists, from `path` upwards. */
static void find_existing(const char *path, char *buf, size_t cap) {
    (void)snprintf(buf, cap, "%s", path);
    while (access(buf, F_OK) != 0) {
        char *slash = strrchr(buf, '/');
        if (!slash || slash == buf) {
            (void)snprintf(buf, cap, "/");
            return;
        }
        *slash = '\0';
    }
}

/* The first folder from the root down that lets nobody like us through; false: none does. */
static bool find_denier(const char *path, char *buf, size_t cap) {
    (void)snprintf(buf, cap, "%s", path);
    for (char *slash = buf + (buf[0] == '/'); (slash = strchr(slash, '/')) != NULL; slash++) {
        *slash = '\0';
        const bool denies = access(buf, F_OK) == 0 && access(buf, X_OK) != 0 && errno == EACCES;
        if (denies) return true;
        *slash = '/';
    }
    return access(buf, F_OK) == 0 && access(buf, X_OK) != 0 && errno == EACCES;
}

static void check_folder(doctor *d, const char *what, const char *path) {
    char           there[4200], text[16];
    struct statvfs fs;
    find_existing(path, there, sizeof there);
    const bool made = strcmp(there, path) == 0;
    if (find_denier(path, there, sizeof there)) {
        say(d, BAD, what,
            "%s cannot be reached: the folder '%s' denies it; chmod u+x, or who owns it, opens it", path,
            there);
        return;
    }
    find_existing(path, there, sizeof there);
    if (access(there, W_OK) != 0) {
        say(d, ODD, what, "%s cannot be written: the folder '%s': %s; nothing can be imported", path, there,
            strerror(errno));
        return;
    }
    if (statvfs(there, &fs) != 0) {
        say(d, ODD, what, "%s: %s", path, strerror(errno));
        return;
    }
    const uint64_t n_free = (uint64_t)fs.f_bavail * fs.f_frsize;
    hl_format_bytes(n_free, text);
    say(d, n_free < 1000000000 ? ODD : FINE, what, "%s%s, %s free", path, made ? "" : " (made when needed)",
        text);
}

/* Folders of others: read only, so what counts is whether they can be read. */
static void check_watched(doctor *d) {
    const char *dirs = d->app->paths.dirs;
    for (const char *at = dirs ? dirs : ""; *at;) {
        char         dir[4200], denier[4200];
        const size_t n = strcspn(at, ":");
        (void)snprintf(dir, sizeof dir, "%.*s", (int)(n < sizeof dir ? n : sizeof dir - 1), at);
        at += n + (at[n] == ':');
        if (!dir[0]) continue;
        if (find_denier(dir, denier, sizeof denier))
            say(d, ODD, "watched", "%s cannot be reached: the folder '%s' denies it", dir, denier);
        else if (access(dir, R_OK | X_OK) != 0)
            say(d, ODD, "watched", "%s: %s (store.dirs)", dir, strerror(errno));
        else
            say(d, FINE, "watched", "%s", dir);
    }
}

static void say_blemish(void *user, const hl_blemish *b) {
    doctor *d = user;
    d->n_blemished++;
    say(d, b->is_bad ? BAD : ODD, "store", "model '%s': %s", b->model, b->text);
}

static void check_store(doctor *d, bool verify) {
    hl_store *store = NULL;
    hl_err    err = {0};
    size_t    n = 0;
    if (access(d->app->paths.home, F_OK) != 0 && access(d->app->paths.models, F_OK) != 0) {
        say(d, FINE, "store", "no models yet: hyperlama import FILE.gguf NAME");
        return;
    }
    hl_status status = hl_host_store(d->host, &store, &err);
    if (status == HL_OK) status = hl_store_check(store, NULL, verify, say_blemish, d, &n, &err);
    if (status != HL_OK)
        say_failure(d, "store", &err);
    else if (d->n_blemished == 0)
        say(d, FINE, "store", "%zu model%s, %s", n, n == 1 ? "" : "s",
            verify ? "all files read and compared" : "all files there and whole (--verify reads them)");
    if (d->n_warnings > 0)
        say(d, ODD, "store", "%d warning%s while it was opened and read", d->n_warnings,
            d->n_warnings == 1 ? "" : "s");
}

static void check_lockdown(doctor *d) {
    const char *how = hl_config_text(d->app->config, HL_SETTING_security_lockdown);
    hl_lockdown can;
    hl_lockdown_probe(&can);
    if (strcmp(how, "off") == 0)
        say(d, FINE, "lockdown", "off (security.lockdown)");
    else if (can.files && can.calls)
        say(d, FINE, "lockdown", "run locks itself in: files (Landlock %d) and calls (seccomp)",
            can.files_version);
    else
        say(d, strcmp(how, "on") == 0 ? ODD : FINE, "lockdown", "files: %s; calls: %s",
            can.files ? "locked" : can.why_not_files, can.calls ? "locked" : can.why_not_calls);
}

static void check_terminal(doctor *d) {
    const char *term = hl_env_get(d->app->envp, "TERM");
    if (!d->app->out_is_tty)
        say(d, FINE, "terminal", "output is no terminal: no colours, no wrapping, no progress");
    else
        say(d, d->app->can_escape ? FINE : ODD, "terminal", "TERM=%s%s", term ? term : "",
            d->app->can_escape ? "" : "; plain output");
}

static void count_event(void *user, hl_log_level level, const char *component, const char *event,
                        const char *fields) {
    doctor *d = user;
    d->n_warnings += level <= HL_LOG_WARN;
    hl_event(&d->app->events, level, component, event, "%s", fields);
}

static void check_all(doctor *d, bool verify) {
    check_settings(d);
    check_processor(d);
    check_memory(d);
    check_folder(d, "data", d->app->paths.home);
    check_folder(d, "models", d->app->paths.models);
    check_watched(d);
    check_store(d, verify);
    check_lockdown(d);
    check_terminal(d);
}

static void say_tool_check(void *user, const char *what, hl_tool_verdict v, const char *text) {
    say(user, v == HL_TOOLS_FINE ? FINE : v == HL_TOOLS_ODD ? ODD : BAD, what, "%s", text);
}

static void check_tools(doctor *d, const char *model) {
    hl_err err = {0};
    if (hl_doctor_tools(d->host, d->app->config, &d->app->events, model, say_tool_check, d, &err) != HL_OK)
        say_failure(d, "tools", &err);
}

hl_status hl_cmd_doctor(hl_app *app, const hl_args *args, hl_err *err) {
    doctor d = {.app = app, .as_json = hl_args_has(args, "json")};
    hl_machine_init(&d.machine);
    d.events = (hl_events){.fn = count_event, .user = &d, .level = app->events.level};
    if (d.events.level < HL_LOG_WARN) d.events.level = HL_LOG_WARN;
    hl_status status = hl_host_new(app->config, &app->paths, &d.events, &d.host, err);
    if (status != HL_OK) return status;
    hl_json_init(&d.j);
    if (d.as_json) hl_json_open(&d.j, NULL, '[');
    const char *model = hl_args_text(args, "tools");
    if (model)
        check_tools(&d, model);
    else
        check_all(&d, hl_args_has(args, "verify"));
    if (d.as_json) {
        hl_json_close(&d.j, ']');
        status = hl_json_print(&d.j, app->out, err);
    } else {
        fprintf(app->out, "%s\n",
                d.status != HL_OK ? model ? "not usable with tools" : "something is wrong"
                : d.n_odd         ? "usable"
                                  : "all is well");
    }
    hl_str_done(&d.j.text);
    hl_host_free(d.host);
    if (status == HL_OK && d.status != HL_OK) {
        *err = d.err;
        status = d.status;
    }
    return status;
}
