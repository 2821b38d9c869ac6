/* SPDX-License-Identifier: MIT
 *
 * cmd_import.c - hyperlama import FILE.gguf... NAME: bring files into the store.
 */
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/args.h"
#include "cli/files.h"
#include "cli/storing.h"
#include "core/base/mem.h"
#include "host/create.h"
#include "hyperlama/native.h"

/* Texts that take_modelfile() makes. */
typedef struct found_paths {
    char         draft[PATH_MAX], projector[PATH_MAX];
    hl_file_list adapters;
    const char  *adapter_paths[HL_MAX_ADAPTERS];
} found_paths;

/* The weights come from the command line, whatever the Modelfile's FROM says: whoever wrote another file
 * there should know. */
static void note_other_from(const hl_app *app, const char *modelfile, const hl_modelfile *f,
                            const char *const *paths, size_t n_paths) {
    char        path[PATH_MAX];
    struct stat from, given;
    if (f->n_from == 0) return;
    if (hl_path_from(app->envp, modelfile, f->from[0], path, NULL) == HL_OK && stat(path, &from) == 0) {
        for (size_t i = 0; i < n_paths; i++)
            if (stat(paths[i], &given) == 0 && given.st_dev == from.st_dev && given.st_ino == from.st_ino)
                return;
    }
    hl_app_note(app, "note: FROM %s in '%s' is not looked at: the model is '%s', as the command line says",
                f->from[0], modelfile, paths[0]);
}

/* The files on the command line stand for the first FROM; a further one is a projector, as `show --modelfile`
 * prints it. */
static hl_status take_from(const hl_app *app, const char *modelfile, const hl_modelfile *f, found_paths *to,
                           hl_import_options *o, hl_err *err) {
    if (f->n_from > 2)
        return hl_fail(err, HL_E_ARG,
                       "'%s': %zu FROM lines, expected one for the model and one for a projector", modelfile,
                       f->n_from);
    if (f->n_from == 2) {
        const hl_status status = hl_modelfile_find(app, modelfile, "FROM", f->from[1], to->projector, err);
        if (status != HL_OK) return status;
        o->projector_path = to->projector;
    }
    return HL_OK;
}

static hl_status take_adapters(const hl_app *app, const char *modelfile, const hl_modelfile *f,
                               found_paths *to, hl_import_options *o, hl_err *err) {
    char        path[PATH_MAX];
    struct stat st;
    hl_status   status = HL_OK;
    if (f->n_adapters > HL_MAX_ADAPTERS)
        return hl_fail(err, HL_E_ARG, "'%s': %zu ADAPTER lines, expected at most %d", modelfile,
                       f->n_adapters, HL_MAX_ADAPTERS);
    for (size_t i = 0; i < f->n_adapters && status == HL_OK; i++) {
        status = hl_modelfile_find(app, modelfile, "ADAPTER", f->adapters[i], path, err);
        if (status == HL_OK && stat(path, &st) == 0 && S_ISDIR(st.st_mode))
            status = hl_fail(err, HL_E_ARG,
                             "ADAPTER: '%s' is a folder: `hyperlama create` makes an adapter of it", path);
        if (status == HL_OK) status = hl_file_list_add(&to->adapters, f->adapters[i], path, err);
        if (status == HL_OK) to->adapter_paths[i] = to->adapters.v[i].path;
    }
    o->adapter_paths = to->adapter_paths;
    o->n_adapters = to->adapters.n;
    return status;
}

static hl_status take_files(const hl_app *app, const char *modelfile, const hl_modelfile *f, found_paths *to,
                            hl_import_options *o, hl_err *err) {
    hl_status status = take_from(app, modelfile, f, to, o, err);
    if (status == HL_OK) status = take_adapters(app, modelfile, f, to, o, err);
    if (status == HL_OK && f->draft) {
        status = hl_modelfile_find(app, modelfile, "DRAFT", f->draft, to->draft, err);
        o->draft_path = to->draft;
    }
    return status;
}

/* A TEMPLATE that is none is found out now, not when somebody asks the model. */
static hl_status check_template(const char *modelfile, const hl_modelfile *f, hl_err *err) {
    const hl_request r = {.stored_template = f->template_text};
    hl_chat_caps     ignored;
    const hl_status  status = hl_chat_get_caps(NULL, &r, &ignored, err);
    return hl_fail_within(err, status, "'%s'", modelfile);
}

hl_status hl_cmd_import(hl_app *app, const hl_args *args, hl_err *err) {
    const size_t      n_paths = hl_args_count(args) - 1;
    const char       *modelfile = hl_args_text(args, "modelfile");
    const bool        quiet = hl_args_has(args, "quiet");
    hl_host          *host = NULL;
    hl_store         *store = NULL;
    hl_modelfile     *file = NULL;
    hl_name           name;
    hl_storing_bar    bar = {.app = app};
    found_paths       found = {.adapters = {.n = 0}};
    hl_import_options options = {.copy = hl_args_has(args, "copy")};
    const char      **paths = hl_new(n_paths, sizeof *paths);
    if (!paths) return hl_fail(err, HL_E_NOMEM, "import: no memory");
    for (size_t i = 0; i < n_paths; i++) paths[i] = hl_args_at(args, i);
    hl_status status = modelfile ? hl_modelfile_load(modelfile, &file, err) : HL_OK;
    if (file) hl_modelfile_take_texts(file, &options);
    if (file) status = check_template(modelfile, file, err);
    if (file && status == HL_OK) status = take_files(app, modelfile, file, &found, &options, err);
    if (hl_args_has(args, "system")) options.system = hl_args_text(args, "system");
    if (file && status == HL_OK && !quiet) note_other_from(app, modelfile, file, paths, n_paths);
    if (!quiet) {
        options.progress = hl_storing_show;
        options.progress_user = &bar;
    }
    if (status == HL_OK) status = hl_host_new(app->config, &app->paths, &app->events, &host, err);
    if (status == HL_OK) status = hl_host_store(host, &store, err);
    if (status == HL_OK)
        status = hl_store_import(store, paths, n_paths, hl_args_at(args, n_paths), &options, &name, err);
    hl_storing_end(&bar);
    if (status == HL_OK && !quiet)
        status = hl_storing_report(app, store, "imported", &name, hl_args_has(args, "json"), err);
    if (status == HL_OK) hl_storing_warn(app, host, &name);
    hl_modelfile_free(file);
    hl_file_list_done(&found.adapters);
    hl_host_free(host);
    hl_free(paths);
    return status;
}
