/* SPDX-License-Identifier: MIT
 *
 * bench_print.h - results of benchmarks, of now and of before, in the terminal.
 */
#ifndef HL_CLI_BENCH_PRINT_H
#define HL_CLI_BENCH_PRINT_H

#include "bench/lib/bench_run.h"
#include "cli/args.h"

/* As a table, with --tsv or --json. */
HL_MUST_CHECK hl_status hl_bench_print_report(const hl_app *app, const hl_bench_report *r,
                                              const hl_bench_setup *s, const hl_args *args, hl_err *err);

/* Print the runs that the database keeps, oldest first, each value with its ratio to the run before that had
 * the same threads, instruction sets and cache type: as a table, with --tsv or --json.
 * fails  as hl_store_list_results() */
HL_MUST_CHECK hl_status hl_bench_print_history(const hl_app *app, hl_store *store, const char *model,
                                               const hl_args *args, hl_err *err);

#endif
