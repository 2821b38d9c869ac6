/* SPDX-License-Identifier: MIT
 *
 * kept_responses.c - what was answered by /v1/responses, by its id: read, its input, delete, cancel.
 *
 * from: OpenAI's API reference (August 2026)
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/api/response_items.h"
#include "server/completion.h"
#include "server/server_priv.h"

enum { LEAST_ITEMS = 1, MOST_ITEMS = 100, SOME_ITEMS = 20 };

static hl_status find(hl_exchange *x, hl_store **ret_store, hl_kept_response **ret, char id[128],
                      hl_err *err) {
    (void)snprintf(id, 128, "%.*s", (int)(x->rest.len < 127 ? x->rest.len : 127), x->rest.ptr);
    hl_status status = hl_host_store(x->server->host, ret_store, err);
    if (status == HL_OK) status = hl_store_find_response(*ret_store, id, x->keeper, ret, err);
    if (status == HL_E_NOT_FOUND) x->problem = "response_not_found";
    return status;
}

hl_status hl_api_response(hl_exchange *x, hl_err *err) {
    hl_store         *store = NULL;
    hl_kept_response *r = NULL;
    char              id[128];
    const char       *stream = hl_exchange_query(x, "stream");
    if (stream && strcmp(stream, "true") == 0)
        return hl_fail(err, HL_E_UNSUPPORTED,
                       "stream: the events of an answer are not kept, only the answer");
    const hl_status status = find(x, &store, &r, id, err);
    if (status == HL_OK) hl_str_add_view(&x->out.text, r->response_json);
    hl_kept_response_free(r);
    return status;
}

hl_status hl_api_response_delete(hl_exchange *x, hl_err *err) {
    hl_store         *store = NULL;
    hl_kept_response *r = NULL;
    char              id[128];
    hl_status         status = find(x, &store, &r, id, err);
    if (status == HL_OK) status = hl_store_drop_response(store, id, x->keeper, err);
    hl_kept_response_free(r);
    if (status != HL_OK) return status;
    hl_json_open(&x->out, NULL, '{');
    hl_json_add_text(&x->out, "id", id);
    hl_json_add_text(&x->out, "object", "response.deleted");
    hl_json_add_bool(&x->out, "deleted", true);
    hl_json_close(&x->out, '}');
    return HL_OK;
}

/* An answer that is under way ends as far as it came; whoever asked for it is told. */
hl_status hl_api_response_cancel(hl_exchange *x, hl_err *err) {
    hl_store         *store = NULL;
    hl_kept_response *r = NULL;
    hl_json_out      *j = &x->out;
    char              id[128], of[40];
    const hl_view     tag = {x->rest.ptr + 5, x->rest.len > 5 ? x->rest.len - 5 : 0};
    (void)snprintf(of, sizeof of, "req_%.*s", (int)(tag.len < 30 ? tag.len : 30), tag.ptr);
    hl_exchange *running =
        hl_view_has_prefix(x->rest, "resp_") ? hl_exchange_hold(x->server, hl_view_of(of)) : NULL;
    if (running && strcmp(running->route->name, "responses") != 0) {
        hl_exchange_let_go(x->server);
        running = NULL;
    }
    if (!running) {
        const hl_status status = find(x, &store, &r, id, err);
        hl_kept_response_free(r);
        return status == HL_OK
                   ? hl_fail(err, HL_E_ARG, "response '%.100s' is over: it cannot be cancelled", id)
                   : status;
    }
    hl_exchange_cancel(running);
    hl_exchange_let_go(x->server);
    hl_json_open(j, NULL, '{');
    hl_json_add_view(j, "id", x->rest);
    hl_json_add_text(j, "object", "response");
    hl_json_add_text(j, "status", "cancelled");
    hl_json_open(j, "output", '[');
    hl_json_close(j, ']');
    hl_json_close(j, '}');
    return HL_OK;
}

/* ---- /input_items ---- */

typedef struct page {
    size_t      n_most;
    bool        is_ascending;
    const char *after; /* NULL: from the beginning */
} page;

static hl_status read_page(const hl_exchange *x, page *ret, hl_err *err) {
    const char *limit = hl_exchange_query(x, "limit"), *order = hl_exchange_query(x, "order");
    char       *end = NULL;
    const long  n = limit ? strtol(limit, &end, 10) : SOME_ITEMS;
    if (limit && (end == limit || *end || n < LEAST_ITEMS || n > MOST_ITEMS))
        return hl_fail(err, HL_E_ARG, "limit: found '%.40s', expected %d..%d", limit, LEAST_ITEMS,
                       MOST_ITEMS);
    if (order && strcmp(order, "asc") != 0 && strcmp(order, "desc") != 0)
        return hl_fail(err, HL_E_ARG, "order: found '%.40s', expected asc or desc", order);
    *ret = (page){.n_most = (size_t)n,
                  .is_ascending = order && strcmp(order, "asc") == 0,
                  .after = hl_exchange_query(x, "after")};
    return HL_OK;
}

/* Item i of the list in the order that was asked for. */
static const json_t *item_at(const json_t *items, const page *p, size_t i) {
    return json_array_get(items, p->is_ascending ? i : json_array_size(items) - 1 - i);
}

static hl_status find_first(const json_t *items, const page *p, size_t *ret, hl_err *err) {
    *ret = 0;
    if (!p->after) return HL_OK;
    for (size_t i = 0; i < json_array_size(items); i++) {
        const char *id = hl_json_text(item_at(items, p, i), "id");
        if (id && strcmp(id, p->after) == 0) return *ret = i + 1, HL_OK;
    }
    return hl_fail(err, HL_E_ARG, "after: '%.80s' is no item of this response", p->after);
}

static void write_items(const json_t *items, const page *p, size_t first, hl_json_out *j) {
    size_t end = json_array_size(items);
    if (end - first > p->n_most) end = first + p->n_most;
    hl_json_open(j, NULL, '{');
    hl_json_add_text(j, "object", "list");
    hl_json_open(j, "data", '[');
    for (size_t i = first; i < end; i++) {
        hl_json_add_raw(j, NULL, "");
        hl_json_format(item_at(items, p, i), false, &j->text);
    }
    hl_json_close(j, ']');
    hl_json_add_text(j, "first_id", end > first ? hl_json_text(item_at(items, p, first), "id") : NULL);
    hl_json_add_text(j, "last_id", end > first ? hl_json_text(item_at(items, p, end - 1), "id") : NULL);
    hl_json_add_bool(j, "has_more", end < json_array_size(items));
    hl_json_close(j, '}');
}

hl_status hl_api_response_input(hl_exchange *x, hl_err *err) {
    hl_store         *store = NULL;
    hl_kept_response *r = NULL;
    json_t           *items = NULL;
    page              p = {0};
    size_t            first = 0;
    char              id[128];
    hl_status         status = read_page(x, &p, err);
    if (status == HL_OK) status = find(x, &store, &r, id, err);
    if (status == HL_OK) status = hl_json_parse_any(r->input_json, "kept input", &items, err);
    if (status == HL_OK) status = find_first(items, &p, &first, err);
    if (status == HL_OK) write_items(items, &p, first, &x->out);
    json_decref(items);
    hl_kept_response_free(r);
    return status;
}
