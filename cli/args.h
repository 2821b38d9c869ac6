/* SPDX-License-Identifier: MIT
 *
 * args.h - the command line behind the command's name, taken apart by the table of options.
 *
 * Options may stand anywhere; "--" ends them. Settings given as flags go straight into the settings.
 * Names in the questions below are those of options.def: asking for another one is a mistake of ours.
 */
#ifndef HL_CLI_ARGS_H
#define HL_CLI_ARGS_H

#include "cli/commands.h"

/* fails  HL_E_ARG  an unknown option (with the nearest one), a missing or bad value
 *        HL_E_NOMEM
 * owns   texts stay argv's; *ret_args with hl_args_free() */
HL_MUST_CHECK hl_status hl_args_new(const hl_command *c, int n_args, char **argv, hl_config *config,
                                    hl_args **ret_args, hl_err *err);
void                    hl_args_free(hl_args *a); /* NULL is allowed */

size_t      hl_args_count(const hl_args *a); /* arguments that are no options */
const char *hl_args_at(const hl_args *a, size_t i);

bool        hl_args_has(const hl_args *a, const char *name);
const char *hl_args_text(const hl_args *a,
                         const char *name); /* NULL: not given; of the last one; "" of a MAYBE without word */
int64_t     hl_args_int(const hl_args *a, const char *name, int64_t otherwise);
/* The i-th value of an HL_MANY option, in order; NULL past the end. */
const char *hl_args_many(const hl_args *a, const char *name, size_t i);

#endif
