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
#include "server/api/ollama_common.h"
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
        hl_ollama_add_entry(j, &list->entries[i]);
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
    const hl_store_list *stored;
} resident_list;

static void add_resident(void *user, const hl_resident_info *r) {
    const resident_list  *l = user;
    const hl_store_entry *e = find_entry(l->stored, r->label);
    hl_json_out          *j = l->j;
    char                  time[40];
    const int64_t         never_ms = 100LL * 365 * 86400 * 1000;
    if (r->n_ctx == 0 || r->is_loading) return;
    hl_json_open(j, NULL, '{');
    if (e) {
        hl_ollama_add_entry(j, e);
    } else {
        hl_json_add_text(j, "name", r->label);
        hl_json_add_text(j, "model", r->label);
        hl_json_add_int(j, "size", (int64_t)(r->weights_bytes + r->cache_bytes));
    }
    hl_time_format(hl_clock_wall_ms() + (r->keep_ms < 0 ? never_ms : r->keep_ms), time);
    hl_json_add_text(j, "expires_at", time);
    hl_json_add_int(j, "size_vram", 0);
    hl_json_add_int(j, "context_length", r->n_ctx);
    hl_json_close(j, '}');
}

hl_status hl_api_ps(hl_exchange *x, hl_err *err) {
    hl_store      *store = NULL;
    hl_store_list *list = NULL;
    hl_json_out   *j = &x->out;
    hl_status      status = hl_host_store(x->server->host, &store, err);
    if (status == HL_OK) status = hl_store_list_models(store, NULL, &list, err);
    if (status != HL_OK) return status;
    resident_list l = {j, list};
    hl_json_open(j, NULL, '{');
    hl_json_open(j, "models", '[');
    status = hl_host_each_resident(x->server->host, add_resident, &l, err);
    hl_json_close(j, ']');
    hl_json_close(j, '}');
    hl_store_list_free(list);
    return status;
}

/* ---- show ---- */

typedef struct keys {
    hl_json_out *j;
    bool         has_basename;
} keys;

static void add_key(void *user, hl_view key, const char *kind, const char *text) {
    keys        *all = user;
    hl_json_out *j = all->j;
    char         name[256];
    if (key.len >= sizeof name || !text) return;
    memcpy(name, key.ptr, key.len);
    name[key.len] = '\0';
    all->has_basename |= strcmp(name, "general.basename") == 0;
    /* what Ollama leaves out: the template stands elsewhere, long lists are of no use to clients */
    if (strcmp(name, "tokenizer.chat_template") == 0 || strcmp(name, "general.name") == 0) return;
    if (strncmp(kind, "array", 5) == 0)
        hl_json_add_text(j, name, NULL);
    else if (strcmp(kind, "bool") == 0)
        hl_json_add_raw(j, name, strcmp(text, "true") == 0 ? "true" : "false");
    else if (strcmp(kind, "string") == 0 || strchr("ni", text[0]) || strncmp(text, "-i", 2) == 0)
        hl_json_add_text(j, name, text);
    else
        hl_json_add_raw(j, name, text);
}

/* As Ollama tells them apart: a file that says how to pool vectors is for embedding. */
static void add_capabilities(hl_json_out *j, const hl_model *m, hl_chat_caps caps) {
    hl_model_info info;
    hl_model_get_info(m, &info);
    hl_json_open(j, "capabilities", '[');
    hl_json_add_text(j, NULL, info.is_for_embedding ? "embedding" : "completion");
    if (caps.tools) hl_json_add_text(j, NULL, "tools");
    if (caps.fill) hl_json_add_text(j, NULL, "insert");
    if (caps.thinking) hl_json_add_text(j, NULL, "thinking");
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

static hl_status write_show(hl_exchange *x, const hl_source *source, const hl_model *m, hl_err *err) {
    const hl_stored_model *stored = source->stored;
    hl_json_out           *j = &x->out;
    char                  *modelfile = NULL, time[40];
    const hl_request       r = {.stored_template = stored->template_text};
    hl_template_choice     choice;
    hl_chat_caps           caps = {0};
    hl_status              status = hl_modelfile_format(stored, &modelfile, err);
    if (status != HL_OK) return status;
    if (hl_chat_get_caps(m, &r, &caps, NULL) != HL_OK) caps = (hl_chat_caps){0};
    hl_chat_choose_template(m, &r, &choice);
    hl_json_open(j, NULL, '{');
    if (stored->n_licenses > 0) hl_json_add_text(j, "license", stored->licenses[0]);
    hl_json_add_text(j, "modelfile", modelfile);
    add_parameters(j, stored);
    hl_json_add_view(j, "template", choice.text);
    if (stored->system) hl_json_add_text(j, "system", stored->system);
    if (stored->renderer) hl_json_add_text(j, "renderer", stored->renderer);
    if (stored->parser) hl_json_add_text(j, "parser", stored->parser);
    hl_json_open(j, "details", '{');
    hl_json_add_text(j, "parent_model", "");
    hl_json_add_text(j, "format", stored->entry.format);
    hl_json_add_text(j, "family", stored->entry.family);
    hl_json_open(j, "families", '[');
    if (*stored->entry.family) hl_json_add_text(j, NULL, stored->entry.family);
    hl_json_close(j, ']');
    hl_json_add_text(j, "parameter_size", stored->entry.parameter_size);
    hl_json_add_text(j, "quantization_level", stored->entry.quantization);
    hl_json_close(j, '}');
    hl_json_open(j, "messages", '[');
    for (size_t i = 0; i < stored->n_messages; i++) {
        hl_json_open(j, NULL, '{');
        hl_json_add_text(j, "role", stored->messages[i].role);
        hl_json_add_view(j, "content", stored->messages[i].content);
        hl_json_close(j, '}');
    }
    hl_json_close(j, ']');
    hl_json_open(j, "model_info", '{');
    keys all = {.j = j};
    if (m) hl_model_each_key(m, add_key, &all);
    if (m && !all.has_basename) /* Copilot Chat lists no model without one */
        hl_json_add_text(j, "general.basename", stored->entry.name.model);
    hl_json_close(j, '}');
    add_capabilities(j, m, caps);
    hl_time_format(stored->entry.modified_ms, time);
    hl_json_add_text(j, "modified_at", time);
    if (stored->requires_version) hl_json_add_text(j, "requires", stored->requires_version);
    hl_json_close(j, '}');
    hl_free(modelfile);
    return HL_OK;
}

hl_status hl_ollama_read_name(const json_t *body, const char **ret, hl_err *err) {
    *ret = NULL;
    hl_status status = hl_field_text(body, "model", ret, err);
    if (status == HL_OK && !*ret) status = hl_field_text(body, "name", ret, err);
    if (status == HL_OK && (!*ret || !**ret)) status = hl_fail(err, HL_E_ARG, "model is required");
    return status;
}

hl_status hl_api_show(hl_exchange *x, hl_err *err) {
    json_t     *body = NULL;
    const char *name = NULL;
    hl_source  *source = NULL;
    hl_model   *model = NULL;
    hl_status   status = hl_exchange_read_json(x, &body, err);
    if (status == HL_OK) status = hl_ollama_read_name(body, &name, err);
    if (status == HL_OK) status = hl_host_find_stored(x->server->host, name, HL_OPEN_FOR_SHOW, &source, err);
    if (status == HL_OK) status = hl_host_open_model(x->server->host, source, true, &model, err);
    if (status == HL_OK) status = write_show(x, source, model, err);
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

hl_status hl_api_delete(hl_exchange *x, hl_err *err) {
    json_t     *body = NULL;
    const char *name = NULL;
    hl_status   status = hl_exchange_read_json(x, &body, err);
    if (status == HL_OK) status = hl_ollama_read_name(body, &name, err);
    if (status == HL_OK) status = hl_host_remove(x->server->host, name, NULL, NULL, err);
    json_decref(body);
    return status;
}

hl_status hl_api_not_yet(hl_exchange *x, hl_err *err) {
    return hl_fail(err, HL_E_NOT_YET, "%s: this build cannot do that yet", x->route->path);
}
