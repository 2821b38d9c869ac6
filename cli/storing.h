/* SPDX-License-Identifier: MIT
 *
 * storing.h - what import and create have in common: Modelfiles, progress, and what is said of the result.
 */
#ifndef HL_CLI_STORING_H
#define HL_CLI_STORING_H

#include <limits.h>

#include "cli/app.h"
#include "cli/term/progress.h"

typedef struct hl_storing_bar { /* all zero but `app` */
    const hl_app *app;
    hl_progress   bar;
    char          what[96]; /* of the bar */
} hl_storing_bar;

bool hl_storing_show(void *user, const hl_store_progress *p); /* a hl_store_progress_fn; user: the bar */
void hl_storing_end(hl_storing_bar *b);

/* Read and parse a Modelfile, and look whether parameters are in their ranges; "-" is standard input.
 * fails as hl_read_path(), hl_modelfile_parse(), hl_options_check_param() */
HL_MUST_CHECK hl_status hl_modelfile_load(const char *path, hl_modelfile **ret, hl_err *err);

/* The file that an instruction of the Modelfile names, from the Modelfile's folder; it must be there. */
HL_MUST_CHECK hl_status hl_modelfile_find(const hl_app *app, const char *modelfile, const char *instruction,
                                          const char *named, char ret[PATH_MAX], hl_err *err);

/* What is no file: parameters, texts, messages, licences, names. They stay the Modelfile's. */
void hl_modelfile_take_texts(const hl_modelfile *f, hl_import_options *o);

/* Print what was stored: "imported 'x:latest' (llama, Q4_1, 98 MB)", or where a model's answers come from. */
HL_MUST_CHECK hl_status hl_storing_report(const hl_app *app, hl_store *store, const char *done,
                                          const hl_name *name, bool as_json, hl_err *err);

/* What was stored may be of use to other programs, or to a later build of this one; but now is the time to
 * say so. The same holds for parameters that make no sense here. */
void hl_storing_warn(hl_app *app, hl_host *host, const hl_name *name);

#endif
