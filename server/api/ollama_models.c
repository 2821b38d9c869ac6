/* SPDX-License-Identifier: MIT
 *
 * ollama_models.c - Ollama's endpoints about models: tags, ps, show, copy, delete; and the short ones.
 *
 * from: Ollama 0.33 (api/types.go, server/routes.go)
 */
#include <inttypes.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/mem.h"
#include "hyperlama/native.h"
#include "host/remote/remote_model.h"
#include "server/api/ollama_common.h"
#include "server/api/show_info.h"
#include "server/server_priv.h"

/* Clients ask for a version of Ollama's that has what they need; this one's interface is described by it. */
#define OLLAMA_VERSION "0.33.0"

hl_status hl_api_root(hl_exchange *x, hl_err *err) {
    (void)err;
    x->content_type = "text/plain; charset=utf-8";
    hl_str_add_text(&x->out.text, "Ollama is running");
    return HL_OK;
}

hl_status hl_api_version(hl_exchange *x, hl_err *err) {
    hl_json_out *j = &x->out;
    char         store[HL_FINGERPRINT_BYTES];
    (void)err;
    hl_json_open(j, NULL, '{');
    hl_json_add_text(j, "version", OLLAMA_VERSION);
    hl_json_add_text(j, "hyperlama", x->server->version);
    if (hl_host_fingerprint(x->server->host, store)) hl_json_add_text(j, "store", store);
    hl_json_close(j, '}');
    return HL_OK;
}

static void add_place(hl_json_out *j, const char *record) {
    char host[HL_REMOTE_MODEL_TEXT_BYTES], model[HL_REMOTE_MODEL_TEXT_BYTES];
    (void)hl_remote_model_describe(record, 0, host, model);
    hl_json_add_text(j, "remote_host", host);
    hl_json_add_text(j, "remote_model", model);
}

/* What lists say of a stored model. Where the answers of a remote one come from stands in its record; one
 * that cannot be read is listed without, and show says why. */
static void add_entry(hl_json_out *j, hl_store *store, const hl_store_entry *e) {
    hl_stored_model *m = NULL;
    hl_ollama_add_entry(j, e);
    if (strcmp(e->format, "remote") != 0) return;
    if (hl_store_open_model(store, e->text, HL_OPEN_FOR_SHOW, &m, NULL) != HL_OK) return;
    if (m->remote_json) add_place(j, m->remote_json);
    hl_stored_model_free(m);
}

hl_status hl_api_tags(hl_exchange *x, hl_err *err) {
    hl_store      *store = NULL;
    hl_store_list *list = NULL;
    hl_json_out   *j = &x->out;
    hl_status      status = hl_host_store(x->server->host, &store, err);
    if (status == HL_OK) status = hl_store_list_models(store, NULL, &list, err);
    if (status != HL_OK) return status;
    hl_json_open(j, NULL, '{');
    hl_json_open(j, "models", '[');
    for (size_t i = 0; i < list->n; i++) {
        hl_json_open(j, NULL, '{');
        add_entry(j, store, &list->entries[i]);
        hl_json_close(j, '}');
    }
    hl_json_close(j, ']');
    hl_json_close(j, '}');
    hl_store_list_free(list);
    return HL_OK;
}

static const hl_store_entry *find_entry(const hl_store_list *list, const char *label) {
    for (size_t i = 0; i < list->n; i++)
        if (strcmp(list->entries[i].text, label) == 0) return &list->entries[i];
    return NULL;
}

typedef struct resident_list {
    hl_json_out         *j;
    hl_store            *store;
    const hl_store_list *stored;
} resident_list;

static void add_resident(void *user, const hl_resident_info *r) {
    const resident_list  *l = user;
    const hl_store_entry *e = find_entry(l->stored, r->label);
    hl_json_out          *j = l->j;
    char                  time[40];
    const int64_t         never_ms = 100LL * 365 * 86400 * 1000;
    if ((r->n_ctx == 0 && !r->is_remote) || r->is_loading) return;
    hl_json_open(j, NULL, '{');
    if (e) {
        add_entry(j, l->store, e);
    } else {
        hl_json_add_text(j, "name", r->label);
        hl_json_add_text(j, "model", r->label);
        hl_json_add_int(j, "size", (int64_t)(r->weights_bytes + r->cache_bytes));
        hl_json_open(j, "details", '{');
        hl_json_add_text(j, "format", r->is_remote ? "remote" : "gguf");
        hl_json_close(j, '}');
    }
    hl_time_format(hl_clock_wall_ms() + (r->keep_ms < 0 ? never_ms : r->keep_ms), time);
    hl_json_add_text(j, "expires_at", time);
    hl_json_add_int(j, "size_vram", 0);
    if (r->experts_kept_bytes > 0) hl_json_add_int(j, "experts_kept", (int64_t)r->experts_kept_bytes);
    if (r->n_ctx > 0) hl_json_add_int(j, "context_length", r->n_ctx);
    hl_json_close(j, '}');
}

hl_status hl_api_ps(hl_exchange *x, hl_err *err) {
    hl_store      *store = NULL;
    hl_store_list *list = NULL;
    hl_json_out   *j = &x->out;
    hl_status      status = hl_host_store(x->server->host, &store, err);
    if (status == HL_OK) status = hl_store_list_models(store, NULL, &list, err);
    if (status != HL_OK) return status;
    resident_list l = {j, store, list};
    hl_json_open(j, NULL, '{');
    hl_json_open(j, "models", '[');
    status = hl_host_each_resident(x->server->host, add_resident, &l, err);
    hl_json_close(j, ']');
    hl_json_close(j, '}');
    hl_store_list_free(list);
    return status;
}

/* ---- show ---- */

static void add_capabilities(hl_json_out *j, const hl_model *m, const hl_chat_caps *caps) {
    hl_capabilities c;
    hl_capabilities_find(m, caps, &c);
    hl_json_open(j, "capabilities", '[');
    for (size_t i = 0; i < c.n; i++) hl_json_add_text(j, NULL, c.names[i]);
    hl_json_close(j, ']');
}

/* "temperature    0.7", a line each; texts in quotes. */
static void add_parameters(hl_json_out *j, const hl_stored_model *m) {
    hl_str s;
    hl_str_init(&s, 1 << 20);
    for (size_t i = 0; i < m->n_params; i++) {
        const bool is_text = strcmp(m->params[i].name, "stop") == 0;
        hl_str_add_format(&s, is_text ? "%s%-30s \"%s\"" : "%s%-30s %s", i ? "\n" : "", m->params[i].name,
                          m->params[i].value);
    }
    if (s.len > 0) hl_json_add_view(j, "parameters", hl_str_view(&s));
    hl_str_done(&s);
}

static void add_licenses(hl_json_out *j, const hl_stored_model *m) {
    hl_str s;
    if (m->n_licenses == 0) return;
    hl_str_init(&s, SIZE_MAX);
    for (size_t i = 0; i < m->n_licenses; i++) hl_str_add_format(&s, "%s%s", i ? "\n" : "", m->licenses[i]);
    hl_json_add_view(j, "license", hl_str_view(&s));
    hl_str_done(&s);
}

static void add_details(hl_json_out *j, const hl_store_entry *e) {
    hl_json_open(j, "details", '{');
    hl_json_add_text(j, "parent_model", "");
    hl_json_add_text(j, "format", e->format);
    hl_json_add_text(j, "family", e->family);
    hl_json_open(j, "families", '[');
    if (*e->family) hl_json_add_text(j, NULL, e->family);
    hl_json_close(j, ']');
    hl_json_add_text(j, "parameter_size", e->parameter_size);
    hl_json_add_text(j, "quantization_level", e->quantization);
    hl_json_close(j, '}');
}

static void add_messages(hl_json_out *j, const hl_stored_model *m) {
    hl_json_open(j, "messages", '[');
    for (size_t i = 0; i < m->n_messages; i++) {
        hl_json_open(j, NULL, '{');
        hl_json_add_text(j, "role", m->messages[i].role);
        hl_json_add_view(j, "content", m->messages[i].content);
        hl_json_close(j, '}');
    }
    hl_json_close(j, ']');
}

static void add_option(void *user, hl_opt id, const char *name, const char *value, hl_opt_origin origin) {
    hl_json_out *j = user;
    (void)id;
    hl_json_open(j, NULL, '{');
    hl_json_add_text(j, "name", name);
    hl_json_add_text(j, "value", value);
    hl_json_add_text(j, "from", hl_opt_origin_name(origin));
    hl_json_close(j, '}');
}

/* What a question to the file is answered from: its keys, and on demand its tensors. */
static hl_status add_files(hl_json_out *j, const hl_stored_model *m, bool verbose, hl_err *err) {
    hl_gguf  *g = NULL, *projector = NULL;
    hl_status status = hl_gguf_open_shards(m->shard_paths, m->n_shards, &g, err);
    if (status != HL_OK) return status;
    hl_show_add_info(j, "model_info", g, verbose, m->entry.name.model);
    if (m->projector_path && hl_gguf_open(m->projector_path, &projector, NULL) == HL_OK)
        hl_show_add_info(j, "projector_info", projector, verbose, NULL);
    if (verbose) hl_show_add_tensors(j, g);
    hl_gguf_close(projector);
    hl_gguf_close(g);
    return HL_OK;
}

/* Of a model whose answers come from elsewhere. */
static void add_remote(hl_json_out *j, const char *record) {
    add_place(j, record);
    hl_json_open(j, "model_info", '{');
    hl_json_close(j, '}');
    hl_json_open(j, "capabilities", '[');
    hl_json_add_text(j, NULL, "completion");
    hl_json_add_text(j, NULL, "tools");
    hl_json_close(j, ']');
}

/* What no Modelfile can say is in the other fields. */
static hl_status format_modelfile(const hl_stored_model *m, char **ret, hl_err *err) {
    hl_err          why = {0};
    const hl_status status = hl_modelfile_format(m, ret, &why);
    hl_str          text;
    if (status != HL_OK && status != HL_E_UNSUPPORTED && err) *err = why;
    if (status != HL_E_UNSUPPORTED) return status;
    hl_str_init(&text, 4096);
    hl_str_add_format(&text, "# %s\nFROM %s\n", why.text, m->entry.text);
    *ret = hl_str_take(&text);
    hl_str_done(&text);
    return *ret ? HL_OK : hl_fail(err, HL_E_NOMEM, "server: no memory");
}

/* What is asked of show beside the name. */
typedef struct show_order {
    bool        verbose;
    const char *system;  /* instead of the stored one; NULL: none */
    hl_options  options; /* in force for a request like this */
} show_order;

static hl_status write_show(hl_exchange *x, const hl_source *source, const hl_model *m, show_order *o,
                            hl_err *err) {
    hl_stored_model    shown = *source->stored;
    hl_json_out       *j = &x->out;
    char              *modelfile = NULL, time[40];
    const hl_request   r = {.stored_template = shown.template_text};
    hl_template_choice choice;
    hl_chat_caps       caps = {0};
    if (o->system) shown.system = o->system;
    hl_status status = format_modelfile(&shown, &modelfile, err);
    if (status != HL_OK) return status;
    if (hl_chat_get_caps(m, &r, &caps, NULL) != HL_OK) caps = (hl_chat_caps){0};
    hl_chat_choose_template(m, &r, &choice);
    hl_json_open(j, NULL, '{');
    add_licenses(j, &shown);
    hl_json_add_text(j, "modelfile", modelfile);
    add_parameters(j, &shown);
    hl_json_open(j, "parameters_in_force", '[');
    hl_options_each(&o->options, add_option, j);
    hl_json_close(j, ']');
    hl_json_add_view(j, "template", choice.text);
    if (shown.system) hl_json_add_text(j, "system", shown.system);
    if (shown.renderer) hl_json_add_text(j, "renderer", shown.renderer);
    if (shown.parser) hl_json_add_text(j, "parser", shown.parser);
    add_details(j, &shown.entry);
    add_messages(j, &shown);
    if (source->remote)
        add_remote(j, source->remote);
    else
        status = add_files(j, &shown, o->verbose, err);
    if (!source->remote) add_capabilities(j, m, &caps);
    hl_time_format(shown.entry.modified_ms, time);
    hl_json_add_text(j, "modified_at", time);
    if (shown.requires_version) hl_json_add_text(j, "requires", shown.requires_version);
    hl_json_close(j, '}');
    hl_free(modelfile);
    return status;
}

hl_status hl_ollama_read_name(const json_t *body, const char **ret, hl_err *err) {
    *ret = NULL;
    hl_status status = hl_field_text(body, "model", ret, err);
    if (status == HL_OK && !*ret) status = hl_field_text(body, "name", ret, err);
    if (status == HL_OK && (!*ret || !**ret)) status = hl_fail(err, HL_E_ARG, "model is required");
    return status;
}

static hl_status read_show(hl_exchange *x, const json_t *body, const hl_source *source, show_order *o,
                           hl_err *err) {
    const json_t *options = NULL, *v;
    const char   *name;
    char          text[HL_OPTION_TEXT_BYTES];
    hl_status     status = hl_field_bool(body, "verbose", &o->verbose, err);
    if (status == HL_OK) status = hl_field_text(body, "system", &o->system, err);
    if (status == HL_OK) status = hl_field_object(body, "options", &options, err);
    if (status != HL_OK) return status;
    if (o->system && !*o->system) o->system = NULL;
    hl_options_read_settings(&o->options, x->server->config);
    hl_options_read_stored(&o->options, source->stored, NULL);
    json_object_foreach((json_t *)(uintptr_t)options, name, v) {
        const json_t *one = json_is_array(v) ? json_array_get(v, 0) : v;
        for (size_t i = 0; one; one = json_array_get(v, ++i)) {
            const char *value = NULL;
            status = hl_option_text(name, one, text, &value, err);
            if (status == HL_OK) status = hl_options_set(&o->options, HL_FROM_REQUEST, name, value, err);
            /* as with every request: what is unknown has no effect */
            if (status != HL_OK && status != HL_E_NOT_FOUND && status != HL_E_UNSUPPORTED) return status;
        }
    }
    return HL_OK;
}

hl_status hl_api_show(hl_exchange *x, hl_err *err) {
    json_t     *body = NULL;
    const char *name = NULL;
    hl_source  *source = NULL;
    hl_model   *model = NULL;
    show_order  o = {0};
    hl_status   status = hl_exchange_read_json(x, &body, err);
    hl_options_init(&o.options);
    if (status == HL_OK) status = hl_ollama_read_name(body, &name, err);
    if (status == HL_OK) status = hl_host_find_stored(x->server->host, name, HL_OPEN_FOR_SHOW, &source, err);
    if (status == HL_OK) status = read_show(x, body, source, &o, err);
    if (status == HL_OK && !source->remote)
        status = hl_host_open_model(x->server->host, source, true, &model, err);
    if (status == HL_OK) status = write_show(x, source, model, &o, err);
    hl_options_done(&o.options);
    hl_model_close(model);
    hl_source_free(source);
    json_decref(body);
    return status;
}

/* ---- copy, delete ---- */

hl_status hl_api_copy(hl_exchange *x, hl_err *err) {
    json_t     *body = NULL;
    hl_store   *store = NULL;
    const char *from = "", *to = "";
    hl_status   status = hl_exchange_read_json(x, &body, err);
    if (status == HL_OK) status = hl_field_text(body, "source", &from, err);
    if (status == HL_OK) status = hl_field_text(body, "destination", &to, err);
    if (status == HL_OK && (!*from || !*to))
        status = hl_fail(err, HL_E_ARG, "source and destination are required");
    if (status == HL_OK) status = hl_host_store(x->server->host, &store, err);
    if (status == HL_OK) status = hl_store_copy(store, from, to, err);
    json_decref(body);
    return status;
}

/* What was kept for it goes at once, not when somebody next looks. */
static void forget_deleted(hl_server *s, const char *name) {
    hl_name full;
    char    text[HL_NAME_TEXT_BYTES];
    if (hl_name_parse(name, &full, NULL) != HL_OK) return;
    hl_name_format(&full, text);
    hl_pins_sweep(s, text);
    (void)hl_host_expire(s->host);
}

hl_status hl_api_delete(hl_exchange *x, hl_err *err) {
    json_t     *body = NULL;
    const char *name = NULL;
    hl_status   status = hl_exchange_read_json(x, &body, err);
    if (status == HL_OK) status = hl_ollama_read_name(body, &name, err);
    if (status == HL_OK) status = hl_host_remove(x->server->host, name, NULL, NULL, err);
    if (status == HL_OK) forget_deleted(x->server, name);
    json_decref(body);
    return status;
}
