/* SPDX-License-Identifier: MIT
 *
 * adapter_args.h - the option --adapter FILE[:SCALE] of commands that open a model.
 */
#ifndef HL_CLI_ADAPTER_ARGS_H
#define HL_CLI_ADAPTER_ARGS_H

#include "cli/args.h"
#include "host/host.h"

/* Add all that the command line names, in its order. "FILE:SCALE" is a file of that whole name where there is
 * one.
 * fails  HL_E_ARG  a scale that is no finite number; as hl_source_add_adapter(), with the option in front */
HL_MUST_CHECK hl_status hl_adapter_args_add(const hl_args *args, hl_source *source, hl_err *err);

#endif
