/* SPDX-License-Identifier: MIT
 *
 * commands.h - the table of commands and their options, grown from commands.def and options.def.
 */
#ifndef HL_CLI_COMMANDS_H
#define HL_CLI_COMMANDS_H

#include "cli/app.h"

typedef struct hl_args hl_args;
typedef hl_status      hl_command_fn(hl_app *app, const hl_args *args, hl_err *err);

typedef enum hl_command_state {
    HL_COMMAND_WORKS,
    HL_COMMAND_NOT_YET,
    HL_COMMAND_ELSEWHERE, /* `help` says what to do instead */
} hl_command_state;

typedef struct hl_command {
    const char      *name;
    const char      *args; /* "MODEL [PROMPT...]" */
    const char      *help;
    hl_command_state state;
    hl_command_fn   *fn; /* NULL unless it works */
} hl_command;

typedef enum hl_option_kind {
    HL_OPTION_FLAG,
    HL_OPTION_TEXT,
    HL_OPTION_MANY,
    HL_OPTION_FILE,
    HL_OPTION_MAYBE,
    HL_OPTION_WHOLE,
    HL_OPTION_TUNE,
    HL_OPTION_LATER, /* known from elsewhere, not in this build yet */
} hl_option_kind;

typedef struct hl_option {
    const char    *command;
    char           letter; /* 0: none */
    const char    *name;
    hl_option_kind kind;
    const char    *arg; /* "TEXT"; NULL for a flag */
    int64_t        min, max;
    hl_setting     setting; /* of HL_OPTION_TUNE */
    const char    *help;
} hl_option;

/* Rows in the order of the .def files; NULL past the end. */
const hl_command *hl_command_at(size_t i);
const hl_option  *hl_option_at(size_t i);

/* The command of this name or alias. NULL when there is none. */
const hl_command *hl_command_find(const char *name);
/* The closest name, for "did you mean"; NULL when none is near. */
const char *hl_command_nearest(const char *name);
/* Aliases: *ret_command is the command's name; NULL past the end. */
const char *hl_command_alias_at(size_t i, const char **ret_command);

/* How many arguments the command takes. *ret_max is SIZE_MAX when the last may be repeated. */
void hl_command_count_args(const hl_command *c, size_t *ret_min, size_t *ret_max);

const char *hl_option_help(const hl_option *o); /* its own, or that of its setting */

/* Help and the man page, to `out`. */
void hl_help_all(FILE *out);
void hl_help_command(FILE *out, const hl_command *c);
void hl_help_man(FILE *out);

/* Run `command` with what stands behind it on the command line. */
hl_status hl_command_run(hl_app *app, const hl_command *c, int n_args, char **args, hl_err *err);

#define HL_COMMAND(name, args, help) hl_command_fn hl_cmd_##name;
#define HL_COMMAND_LATER(name, args, help)
#define HL_COMMAND_HINT(name, hint)
#define HL_COMMAND_ALIAS(name, command)
#include "cli/commands.def"
#undef HL_COMMAND
#undef HL_COMMAND_LATER
#undef HL_COMMAND_HINT
#undef HL_COMMAND_ALIAS

#endif
