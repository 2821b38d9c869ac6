/* SPDX-License-Identifier: MIT
 *
 * models.c - GET /v1/models and /v1/models/{id}: one shape that OpenAI's and Anthropic's clients both read.
 *
 * from: the API references of both (August 2026)
 */
#include "server/server_priv.h"

#include "server/completion.h"

/* in     id  as clients ask for it */
static void add_model(hl_json_out *j, const char *id, const hl_store_entry *e) {
    char time[40];
    hl_time_format(e->modified_ms, time);
    hl_json_open(j, NULL, '{');
    hl_json_add_text(j, "id", id);
    hl_json_add_text(j, "object", "model");
    hl_json_add_text(j, "type", "model");
    hl_json_add_text(j, "display_name", id);
    hl_json_add_int(j, "created", e->modified_ms / 1000);
    hl_json_add_text(j, "created_at", time);
    hl_json_add_text(j, "owned_by", "library");
    hl_json_close(j, '}');
}

/* Presets and aliases, as far as what they stand for is here: a client that lets people choose from this list
 * offers them, too. /api/tags has only what is stored, since its clients copy and delete by it. */
static const char *add_own_names(const hl_exchange *x, hl_json_out *j) {
    const char *last = NULL, *name = NULL;
    for (size_t i = 0; (name = hl_host_own_name(x->server->host, i)) != NULL; i++) {
        hl_source *source = NULL;
        if (hl_host_find_stored(x->server->host, name, HL_OPEN_FOR_SHOW, &source, NULL) != HL_OK) continue;
        add_model(j, name, &source->stored->entry);
        hl_source_free(source);
        last = name;
    }
    return last;
}

hl_status hl_api_models(hl_exchange *x, hl_err *err) {
    hl_store      *store = NULL;
    hl_store_list *list = NULL;
    hl_json_out   *j = &x->out;
    hl_status      status = hl_host_store(x->server->host, &store, err);
    if (status == HL_OK) status = hl_store_list_models(store, NULL, &list, err);
    if (status != HL_OK) return status;
    hl_json_open(j, NULL, '{');
    hl_json_add_text(j, "object", "list");
    hl_json_open(j, "data", '[');
    for (size_t i = 0; i < list->n; i++) add_model(j, list->entries[i].text, &list->entries[i]);
    const char *last = add_own_names(x, j);
    if (!last && list->n > 0) last = list->entries[list->n - 1].text;
    hl_json_close(j, ']');
    hl_json_add_bool(j, "has_more", false);
    hl_json_add_text(j, "first_id", list->n > 0 ? list->entries[0].text : NULL);
    hl_json_add_text(j, "last_id", last);
    hl_json_close(j, '}');
    hl_store_list_free(list);
    return HL_OK;
}

hl_status hl_api_model(hl_exchange *x, hl_err *err) {
    hl_source      *source = NULL;
    const hl_status status =
        hl_host_find_stored(x->server->host, x->rest.ptr, HL_OPEN_FOR_SHOW, &source, err);
    /* a stored one by its whole name, another as it was asked for */
    if (status == HL_OK) {
        const bool is_own = hl_host_has_own_name(x->server->host, x->rest.ptr);
        add_model(&x->out, is_own ? x->rest.ptr : source->label, &source->stored->entry);
    }
    hl_source_free(source);
    return status;
}
