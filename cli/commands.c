/* SPDX-License-Identifier: MIT
 *
 * commands.c - the tables, finding a command, and running it.
 */
#include "cli/commands.h"

#include <inttypes.h>
#include <string.h>

#include "cli/args.h"
#include "core/base/nearest.h"

static const hl_command commands[] = {
#define HL_COMMAND(name_, args_, help_)       {#name_, args_, help_, HL_COMMAND_WORKS, hl_cmd_##name_},
#define HL_COMMAND_LATER(name_, args_, help_) {#name_, args_, help_, HL_COMMAND_NOT_YET, NULL},
#define HL_COMMAND_HINT(name_, hint)          {#name_, "", hint, HL_COMMAND_ELSEWHERE, NULL},
#define HL_COMMAND_ALIAS(name_, command)
#include "cli/commands.def"
#undef HL_COMMAND
#undef HL_COMMAND_LATER
#undef HL_COMMAND_HINT
#undef HL_COMMAND_ALIAS
};

static const struct {
    const char *name, *command;
} aliases[] = {
#define HL_COMMAND(name_, args_, help_)
#define HL_COMMAND_LATER(name_, args_, help_)
#define HL_COMMAND_HINT(name_, hint)
#define HL_COMMAND_ALIAS(name_, command_) {#name_, #command_},
#include "cli/commands.def"
#undef HL_COMMAND
#undef HL_COMMAND_LATER
#undef HL_COMMAND_HINT
#undef HL_COMMAND_ALIAS
};

#define ROW(command_, letter_, name_, kind_, ...)                                                            \
    {.command = #command_, .letter = (letter_), .name = (name_), .kind = HL_OPTION_##kind_, __VA_ARGS__},
#define HL_FLAG(c, l, n, h)             ROW(c, l, n, FLAG, .help = (h))
#define HL_TEXT(c, l, n, a, h)          ROW(c, l, n, TEXT, .arg = (a), .help = (h))
#define HL_MANY(c, l, n, a, h)          ROW(c, l, n, MANY, .arg = (a), .help = (h))
#define HL_FILE(c, l, n, a, h)          ROW(c, l, n, FILE, .arg = (a), .help = (h))
#define HL_MAYBE(c, l, n, a, h)         ROW(c, l, n, MAYBE, .arg = (a), .help = (h))
#define HL_WHOLE(c, l, n, a, lo, hi, h) ROW(c, l, n, WHOLE, .arg = (a), .min = (lo), .max = (hi), .help = (h))
#define HL_TUNE(c, l, n, a, g, s)       ROW(c, l, n, TUNE, .arg = (a), .setting = HL_SETTING_##g##_##s)
#define HL_LATER(c, n, a, h)            ROW(c, 0, n, LATER, .arg = (a), .help = (h))
static const hl_option options[] = {
#include "cli/options.def"
};

enum { N_COMMANDS = sizeof commands / sizeof *commands, N_OPTIONS = sizeof options / sizeof *options };
enum { N_ALIASES = sizeof aliases / sizeof *aliases };

const hl_command *hl_command_at(size_t i) { return i < N_COMMANDS ? &commands[i] : NULL; }

const hl_option *hl_option_at(size_t i) { return i < N_OPTIONS ? &options[i] : NULL; }

const char *hl_command_alias_at(size_t i, const char **ret_command) {
    if (i >= N_ALIASES) return NULL;
    *ret_command = aliases[i].command;
    return aliases[i].name;
}

const hl_command *hl_command_find(const char *name) {
    for (size_t i = 0; i < N_ALIASES; i++) {
        if (strcmp(name, aliases[i].name) == 0) name = aliases[i].command;
    }
    for (size_t i = 0; i < N_COMMANDS; i++) {
        if (strcmp(name, commands[i].name) == 0) return &commands[i];
    }
    return NULL;
}

const char *hl_command_nearest(const char *name) {
    hl_nearest best = {0};
    for (size_t i = 0; i < N_COMMANDS; i++) hl_nearest_try(&best, name, commands[i].name);
    for (size_t i = 0; i < N_ALIASES; i++) hl_nearest_try(&best, name, aliases[i].name);
    return best.name;
}

void hl_command_count_args(const hl_command *c, size_t *ret_min, size_t *ret_max) {
    size_t n_min = 0, n_max = 0;
    for (const char *p = c->args; *p;) {
        const size_t n = strcspn(p, " ");
        if (*p != '[') n_min++;
        const bool repeats = n >= 3 && memchr(p, '.', n) &&
                             (memcmp(p + n - 3, "...", 3) == 0 || memcmp(p + n - 4, "...]", 4) == 0);
        n_max = repeats || n_max == SIZE_MAX ? SIZE_MAX : n_max + 1;
        p += n;
        p += strspn(p, " ");
    }
    *ret_min = n_min;
    *ret_max = n_max;
}

const char *hl_option_help(const hl_option *o) {
    return o->help ? o->help : hl_setting_get(o->setting)->help;
}

static hl_status check_count(const hl_command *c, size_t n, hl_err *err) {
    size_t n_min, n_max;
    hl_command_count_args(c, &n_min, &n_max);
    if (n < n_min)
        return hl_fail(err, HL_E_ARG, "%s: expected %s (see `hyperlama %s --help`)", c->name, c->args,
                       c->name);
    if (n > n_max)
        return hl_fail(err, HL_E_ARG, "%s: %zu arguments, expected %s", c->name, n,
                       n_max == 0 ? "none" : c->args);
    return HL_OK;
}

hl_status hl_command_run(hl_app *app, const hl_command *c, int n_args, char **argv, hl_err *err) {
    if (c->state == HL_COMMAND_ELSEWHERE) {
        fprintf(app->out, "%s\n", c->help);
        return HL_OK;
    }
    for (int i = 0; i < n_args && strcmp(argv[i], "--") != 0; i++) {
        if (strcmp(argv[i], "--help") != 0 && strcmp(argv[i], "-h") != 0) continue;
        hl_help_command(app->out, c);
        return HL_OK;
    }
    if (c->state == HL_COMMAND_NOT_YET)
        return hl_fail(err, HL_E_NOT_YET, "%s: this build does not have it yet", c->name);
    hl_args  *args = NULL;
    hl_status status = hl_args_new(c, n_args, argv, app->config, &args, err);
    if (status == HL_OK) status = check_count(c, hl_args_count(args), err);
    if (status == HL_OK) {
        hl_app_choose_log(app, strcmp(c->name, "run") == 0 && hl_args_has(args, "verbose"));
        status = hl_paths_apply(&app->paths, app->config, err);
    }
    if (status == HL_OK) status = c->fn(app, args, err);
    hl_args_free(args);
    return status;
}
