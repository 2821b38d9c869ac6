/* SPDX-License-Identifier: MIT
 *
 * bench_history.h - earlier benchmark results of a model on this machine, side by side.
 */
#ifndef HL_CLI_BENCH_HISTORY_H
#define HL_CLI_BENCH_HISTORY_H

#include "cli/args.h"

/* Print the runs that the database keeps, oldest first, each value with its ratio to the run before that had
 * the same threads, instruction sets and cache type: as a table, with --tsv or --json.
 * fails  as hl_store_list_results() */
HL_MUST_CHECK hl_status hl_bench_print_history(const hl_app *app, hl_store *store, const char *model,
                                               const hl_args *args, hl_err *err);

#endif
