/* SPDX-License-Identifier: MIT
 *
 * cmd_import.c - hyperlama import FILE.gguf... NAME: bring files into the store.
 */
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/args.h"
#include "cli/files.h"
#include "cli/json_print.h"
#include "cli/talk.h"
#include "cli/term/progress.h"
#include "cli/term/say.h"
#include "core/base/mem.h"
#include "core/gguf/gguf.h"
#include "hyperlama/native.h"

enum { MAX_MODELFILE_BYTES = 16 << 20 };

typedef struct shower {
    const hl_app *app;
    hl_progress   bar;
    char          what[32]; /* of the bar */
} shower;

static bool show(void *user, const hl_store_progress *p) {
    shower *s = user;
    if (strcmp(s->what, p->what) != 0) {
        hl_progress_end(&s->bar);
        (void)snprintf(s->what, sizeof s->what, "%s", p->what);
        hl_progress_begin(&s->bar, s->app, s->what);
    }
    if (p->total_bytes > 0) hl_progress_show(&s->bar, p->done_bytes, p->total_bytes);
    return true;
}

static hl_status load_modelfile(const char *path, hl_modelfile **ret, hl_err *err) {
    hl_str text;
    hl_str_init(&text, MAX_MODELFILE_BYTES);
    hl_status status = hl_read_path(path, &text, err);
    if (status == HL_OK) {
        status = hl_modelfile_parse(hl_str_view(&text), ret, err);
        if (status != HL_OK) status = hl_fail_within(err, status, "'%.200s'", path);
    }
    hl_str_done(&text);
    return status;
}

/* Texts that take_modelfile() makes. */
typedef struct found_paths {
    char adapter[PATH_MAX], draft[PATH_MAX], projector[PATH_MAX];
} found_paths;

/* The file that an instruction of the Modelfile names, from the Modelfile's folder; it must be there. */
static hl_status find_file(const hl_app *app, const char *modelfile, const char *instruction,
                           const char *named, char ret[PATH_MAX], hl_err *err) {
    hl_status status = hl_path_from(app->envp, modelfile, named, ret, err);
    if (status == HL_OK && access(ret, R_OK) != 0)
        status = hl_fail(err, HL_E_NOT_FOUND, "'%s': %s", ret, strerror(errno));
    return hl_fail_within(err, status, "%s", instruction);
}

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
        const hl_status status = find_file(app, modelfile, "FROM", f->from[1], to->projector, err);
        if (status != HL_OK) return status;
        o->projector_path = to->projector;
    }
    return HL_OK;
}

static hl_status take_files(const hl_app *app, const char *modelfile, const hl_modelfile *f, found_paths *to,
                            hl_import_options *o, hl_err *err) {
    hl_status status = take_from(app, modelfile, f, to, o, err);
    if (status == HL_OK && f->n_adapters > 1)
        return hl_fail(err, HL_E_ARG, "'%s': %zu ADAPTER lines, expected one", modelfile, f->n_adapters);
    if (status == HL_OK && f->n_adapters) {
        status = find_file(app, modelfile, "ADAPTER", f->adapters[0], to->adapter, err);
        o->adapter_path = to->adapter;
    }
    if (status == HL_OK && f->draft) {
        status = find_file(app, modelfile, "DRAFT", f->draft, to->draft, err);
        o->draft_path = to->draft;
    }
    return status;
}

static void take_texts(const hl_modelfile *f, hl_import_options *o) {
    o->template_text = f->template_text;
    o->system = f->system;
    o->params = f->params;
    o->n_params = f->n_params;
    o->messages = f->messages;
    o->n_messages = f->n_messages;
    o->licenses = f->licenses;
    o->n_licenses = f->n_licenses;
    o->renderer = f->renderer;
    o->parser = f->parser;
    o->requires_version = f->requires_version;
}

/* A TEMPLATE that is none is found out now, not when somebody asks the model. */
static hl_status check_template(const char *modelfile, const hl_modelfile *f, hl_err *err) {
    const hl_request r = {.stored_template = f->template_text};
    hl_chat_caps     ignored;
    const hl_status  status = hl_chat_get_caps(NULL, &r, &ignored, err);
    return hl_fail_within(err, status, "'%s'", modelfile);
}

/* The model's own template wins over TEMPLATE: whoever gave one should know. */
static void note_unused_template(const hl_app *app, const hl_stored_model *m) {
    hl_gguf *g = NULL;
    hl_view  own = {0};
    if (!m->template_text || !*m->template_text || m->n_shards == 0) return;
    if (hl_gguf_open(m->shard_paths[0], &g, NULL) != HL_OK) return;
    if (hl_gguf_get_text(g, "tokenizer.chat_template", &own, NULL) == HL_OK && own.len > 0)
        hl_app_note(
            app,
            "note: the model file has a chat template of its own, which is used; TEMPLATE is kept beside it "
            "(run --template gives another)");
    hl_gguf_close(g);
}

static hl_status report(const hl_app *app, hl_store *store, const hl_name *name, bool as_json, hl_err *err) {
    hl_stored_model *m = NULL;
    char             text[HL_NAME_TEXT_BYTES], size[16];
    hl_name_format(name, text);
    const hl_status status = hl_store_open_model(store, text, HL_OPEN_FOR_SHOW, &m, err);
    if (status != HL_OK) return status;
    hl_format_bytes(m->entry.size_bytes, size);
    note_unused_template(app, m);
    if (!as_json) {
        hl_say_line(app->out, "imported '%s' (%s, %s, %s)", text, m->entry.family, m->entry.quantization,
                    size);
        hl_stored_model_free(m);
        return HL_OK;
    }
    hl_json_out j;
    hl_json_init(&j);
    hl_json_open(&j, NULL, '{');
    hl_json_add_text(&j, "name", text);
    hl_json_add_text(&j, "digest", m->entry.digest);
    hl_json_add_int(&j, "size_bytes", (int64_t)m->entry.size_bytes);
    hl_json_close(&j, '}');
    hl_stored_model_free(m);
    return hl_json_print(&j, app->out, err);
}

/* What was imported may be of use to other programs, or to a later build of this one; but now is the time to
 * say so. The same holds for parameters that make no sense here. */
static void warn_if_idle(hl_app *app, hl_host *host, const hl_name *name) {
    hl_source *source = NULL;
    hl_model  *m = NULL;
    hl_options options;
    hl_err     why = {0};
    char       text[HL_NAME_TEXT_BYTES];
    hl_name_format(name, text);
    hl_status status = hl_host_find(host, text, HL_OPEN_FOR_SHOW, &source, &why);
    if (status == HL_OK) status = hl_open_to_look(host, source, &m, &why);
    if (status == HL_OK) status = hl_source_can_answer(source, &why);
    if (status != HL_OK && status != HL_E_CANCEL && status != HL_E_NOMEM)
        hl_app_warn(app, "it cannot run in this build: %s", why.text);
    hl_options_init(&options);
    if (source && source->stored) hl_options_read_stored(&options, source->stored, &app->events);
    hl_options_done(&options);
    hl_model_close(m);
    hl_source_free(source);
}

hl_status hl_cmd_import(hl_app *app, const hl_args *args, hl_err *err) {
    const size_t      n_paths = hl_args_count(args) - 1;
    const char       *modelfile = hl_args_text(args, "modelfile");
    const bool        quiet = hl_args_has(args, "quiet");
    hl_host          *host = NULL;
    hl_store         *store = NULL;
    hl_modelfile     *file = NULL;
    hl_name           name;
    shower            s = {.app = app};
    found_paths       found;
    hl_import_options options = {.copy = hl_args_has(args, "copy")};
    const char      **paths = hl_new(n_paths, sizeof *paths);
    if (!paths) return hl_fail(err, HL_E_NOMEM, "import: no memory");
    for (size_t i = 0; i < n_paths; i++) paths[i] = hl_args_at(args, i);
    hl_status status = modelfile ? load_modelfile(modelfile, &file, err) : HL_OK;
    if (file) take_texts(file, &options);
    if (file) status = check_template(modelfile, file, err);
    if (file && status == HL_OK) status = take_files(app, modelfile, file, &found, &options, err);
    if (hl_args_has(args, "system")) options.system = hl_args_text(args, "system");
    if (file && status == HL_OK && !quiet) note_other_from(app, modelfile, file, paths, n_paths);
    if (!quiet) {
        options.progress = show;
        options.progress_user = &s;
    }
    if (status == HL_OK) status = hl_host_new(app->config, &app->paths, &app->events, &host, err);
    if (status == HL_OK) status = hl_host_store(host, &store, err);
    if (status == HL_OK)
        status = hl_store_import(store, paths, n_paths, hl_args_at(args, n_paths), &options, &name, err);
    hl_progress_end(&s.bar);
    if (status == HL_OK && !quiet) status = report(app, store, &name, hl_args_has(args, "json"), err);
    if (status == HL_OK) warn_if_idle(app, host, &name);
    hl_modelfile_free(file);
    hl_host_free(host);
    hl_free(paths);
    return status;
}
