/* SPDX-License-Identifier: MIT
 *
 * upstream_kind.c - GET /models, and what `owned_by` says there.
 *
 * from: llama-server, vLLM, SGLang (their sources, August 2026), Ollama 0.33
 */
#include "host/remote/upstream_kind.h"

#include <stdio.h>
#include <string.h>

#include "core/data/json.h"
#include "core/net/http_client.h"

enum { MAX_LIST_BYTES = 4 << 20, LIST_MS = 10000, MAX_URL_BYTES = 2048, OWNER_BYTES = 64 };

/* Those that take continue_final_message, or go on from such a message in any case ("library": Ollama and
 * hyperlama). */
static bool is_known(const char *owner) {
    static const char *const owners[] = {"llamacpp", "vllm", "sglang", "library"};
    for (size_t i = 0; i < sizeof owners / sizeof *owners; i++)
        if (strcmp(owner, owners[i]) == 0) return true;
    return false;
}

/* Of the model, or of the first one there. */
static void find_owner(const json_t *list, const char *model, char ret[OWNER_BYTES]) {
    const json_t *data = json_object_get(list, "data"), *one = json_array_get(data, 0);
    for (size_t i = 0; i < json_array_size(data); i++) {
        const char *id = hl_json_text(json_array_get(data, i), "id");
        if (id && strcmp(id, model) == 0) one = json_array_get(data, i);
    }
    const char *owner = hl_json_text(one, "owned_by");
    (void)snprintf(ret, OWNER_BYTES, "%s", owner ? owner : "");
}

static hl_status ask_owner(const hl_upstreams *u, const hl_upstream *s, char ret[OWNER_BYTES], hl_err *err) {
    char    url[MAX_URL_BYTES];
    hl_str  body;
    json_t *json = NULL;
    int     code = 0;
    if (snprintf(url, sizeof url, "%s/models", s->url) >= (int)sizeof url)
        return hl_fail(err, HL_E_LIMIT, "a remote model's URL has more than %d bytes", (int)sizeof url);
    const hl_http_call call = {.method = "GET",
                               .url = url,
                               .key = s->key,
                               .ca_file = s->ca_file,
                               .headers = (const char *const *)s->headers,
                               .n_headers = s->n_headers,
                               .connect_ms = u->connect_ms,
                               .total_ms = LIST_MS};
    hl_str_init(&body, MAX_LIST_BYTES);
    const hl_status status = hl_http_ask(&call, &body, &code, err);
    const bool      is_list = status == HL_OK && code == 200 &&
                         hl_json_parse_any(hl_str_view(&body), "list of models", &json, NULL) == HL_OK;
    if (is_list) find_owner(json, s->model, ret);
    json_decref(json);
    hl_str_done(&body);
    return status;
}

hl_status hl_upstream_check_continues(hl_upstreams *u, size_t i, hl_err *err) {
    hl_upstream *s = &u->each[i];
    char         owner[OWNER_BYTES] = "";
    (void)pthread_mutex_lock(&u->lock);
    const bool is_yes = s->continues;
    (void)pthread_mutex_unlock(&u->lock);
    if (is_yes) return HL_OK;
    const hl_status status = ask_owner(u, s, owner, err);
    if (status != HL_OK) return status;
    if (!is_known(owner))
        return hl_fail(
            err, HL_E_UNSUPPORTED,
            "the last message is the assistant's, and %s (owned_by '%s') is not known to go on from "
            "such a one: llama-server, vLLM, SGLang, Ollama and hyperlama do",
            s->url, owner);
    (void)pthread_mutex_lock(&u->lock);
    s->continues = true;
    (void)pthread_mutex_unlock(&u->lock);
    return HL_OK;
}
