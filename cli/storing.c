/* SPDX-License-Identifier: MIT
 *
 * storing.c - what import and create have in common: Modelfiles, progress, and what is said of the result.
 */
#include "cli/storing.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "cli/files.h"
#include "cli/json_print.h"
#include "cli/talk.h"
#include "cli/term/say.h"
#include "core/base/mem.h"
#include "core/gguf/gguf.h"
#include "host/options.h"
#include "host/remote/remote_model.h"
#include "hyperlama/native.h"

enum { MAX_MODELFILE_BYTES = 16 << 20 };

/* ---- progress ---- */

bool hl_storing_show(void *user, const hl_store_progress *p) {
    hl_storing_bar *s = user;
    if (strcmp(s->what, p->what) != 0) {
        hl_progress_end(&s->bar);
        (void)snprintf(s->what, sizeof s->what, "%s", p->what);
        hl_progress_begin(&s->bar, s->app, s->what);
    }
    if (p->total_bytes > 0) hl_progress_show(&s->bar, p->done_bytes, p->total_bytes);
    return true;
}

void hl_storing_end(hl_storing_bar *s) { hl_progress_end(&s->bar); }

/* ---- Modelfiles ---- */

hl_status hl_modelfile_load(const char *path, hl_modelfile **ret, hl_err *err) {
    hl_str        text;
    hl_modelfile *file = NULL;
    hl_str_init(&text, MAX_MODELFILE_BYTES);
    hl_status status = hl_read_path(path, &text, err);
    if (status == HL_OK) {
        status = hl_modelfile_parse(hl_str_view(&text), &file, err);
        for (size_t i = 0; status == HL_OK && i < file->n_params; i++) {
            status = hl_options_check_param(&file->params[i], err);
            if (status != HL_OK)
                (void)hl_fail_within(err, status, "Modelfile: line %u", file->param_lines[i]);
        }
        if (status == HL_OK)
            *ret = file;
        else
            hl_modelfile_free(file);
        if (status != HL_OK) status = hl_fail_within(err, status, "'%.200s'", path);
    }
    hl_str_done(&text);
    return status;
}

hl_status hl_modelfile_find(const hl_app *app, const char *modelfile, const char *instruction,
                            const char *named, char ret[PATH_MAX], hl_err *err) {
    hl_status status = hl_path_from(app->envp, modelfile, named, ret, err);
    if (status == HL_OK && access(ret, R_OK) != 0)
        status = hl_fail(err, HL_E_NOT_FOUND, "'%s': %s", ret, strerror(errno));
    return hl_fail_within(err, status, "%s", instruction);
}

void hl_modelfile_take_texts(const hl_modelfile *f, hl_import_options *o) {
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

/* ---- the result ---- */

/* Where TEMPLATE has no place for what the model file's own template shows, that one is used: whoever wrote
 * it should know. */
static void note_other_template(const hl_app *app, const hl_stored_model *m) {
    hl_gguf     *g = NULL;
    hl_view      own = {0};
    hl_chat_caps mine = {0}, files = {0};
    if (!m->template_text || !*m->template_text || m->n_shards == 0) return;
    if (hl_gguf_open(m->shard_paths[0], &g, NULL) != HL_OK) return;
    if (hl_gguf_get_text(g, "tokenizer.chat_template", &own, NULL) == HL_OK && own.len > 0) {
        char            *text = hl_strndup(own.ptr, own.len);
        const hl_request stored = {.stored_template = m->template_text};
        const hl_request file = {.template_text = text, .template_kind = HL_TEMPLATE_JINJA};
        const bool       is_known = text && hl_chat_get_caps(NULL, &stored, &mine, NULL) == HL_OK &&
                              hl_chat_get_caps(NULL, &file, &files, NULL) == HL_OK;
        const bool tools = files.tools && !mine.tools, thinking = files.can_think && !mine.can_think;
        if (is_known && (tools || thinking))
            hl_app_note(
                app,
                "note: TEMPLATE has no place for %s%s%s, the chat template in the model file has: it is "
                "used for requests with them",
                tools ? "tools" : "", tools && thinking ? " and " : "", thinking ? "reasoning" : "");
        hl_free(text);
    }
    hl_gguf_close(g);
}

hl_status hl_storing_report(const hl_app *app, hl_store *store, const char *done, const hl_name *name,
                            bool as_json, hl_err *err) {
    hl_stored_model *m = NULL;
    char             text[HL_NAME_TEXT_BYTES], size[16];
    hl_name_format(name, text);
    const hl_status status = hl_store_open_model(store, text, HL_OPEN_FOR_SHOW, &m, err);
    if (status != HL_OK) return status;
    hl_format_bytes(m->entry.size_bytes, size);
    note_other_template(app, m);
    if (!as_json) {
        char host[HL_REMOTE_MODEL_TEXT_BYTES], model[HL_REMOTE_MODEL_TEXT_BYTES];
        if (m->remote_json) {
            (void)hl_remote_model_describe(m->remote_json, 0, host, model);
            hl_say_line(app->out, "%s '%s' (remote, '%s' at %s)", done, text, model, host);
        } else {
            hl_say_line(app->out, "%s '%s' (%s, %s, %s)", done, text, m->entry.family, m->entry.quantization,
                        size);
        }
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

static void warn_if_large(hl_app *app, const hl_host *host, const hl_model *m) {
    hl_memory_plan plan;
    char           need[16], have[16];
    if (hl_host_fits(host, m, &plan)) return;
    hl_format_bytes(plan.weights_bytes + plan.kv_bytes + plan.scratch_bytes, need);
    hl_format_bytes(plan.available_bytes, have);
    hl_app_warn(app,
                "it does not fit this machine now: %s with its usual context, %s are free (hyperlama fit)",
                need, have);
}

void hl_storing_warn(hl_app *app, hl_host *host, const hl_name *name) {
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
    if (status == HL_OK && m) warn_if_large(app, host, m);
    hl_options_init(&options);
    if (source && source->stored) hl_options_read_stored(&options, source->stored, &app->events);
    hl_options_done(&options);
    hl_model_close(m);
    hl_source_free(source);
}
