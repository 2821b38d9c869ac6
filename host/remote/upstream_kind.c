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

enum { MAX_LIST_BYTES = 4 << 20, LIST_MS = 30000, MAX_URL_BYTES = 2048, OWNER_BYTES = 64 };

/* Those that take continue_final_message, or go on from such a message in any case ("library": Ollama and
 * hyperlama). */
static bool is_known(const char *owner) {
    static const char *const owners[] = {"llamacpp", "vllm", "sglang", "library"};
    for (size_t i = 0; i < sizeof owners / sizeof *owners; i++)
        if (strcmp(owner, owners[i]) == 0) return true;
    return false;
}

/* Of the model, or of the first one there; "": it does not say. False: there is no model. */
static bool find_owner(const json_t *list, const char *model, char ret[OWNER_BYTES]) {
    const json_t *data = json_object_get(list, "data"), *one = json_array_get(data, 0);
    for (size_t i = 0; i < json_array_size(data); i++) {
        const char *id = hl_json_text(json_array_get(data, i), "id");
        if (id && strcmp(id, model) == 0) one = json_array_get(data, i);
    }
    const char *owner = hl_json_text(one, "owned_by");
    (void)snprintf(ret, OWNER_BYTES, "%s", owner ? owner : "");
    return json_is_object(one);
}

/* A server without such a list says as much as one that names nobody. */
static bool has_no_list(int code) { return code == 404 || code == 405 || code == 501; }

static hl_status read_owner(const hl_upstream *s, const hl_str *body, char ret[OWNER_BYTES], hl_err *err) {
    json_t   *json = NULL;
    hl_status status = hl_json_parse_any(hl_str_view(body), "list of models", &json, err);
    if (status == HL_E_FORMAT) status = hl_fail_within(err, HL_E_NET, "%s", s->url);
    if (status == HL_OK && !find_owner(json, s->model, ret))
        status =
            hl_fail(err, HL_E_NET, "%s: its list of models, which is to say who it is, has none", s->url);
    json_decref(json);
    return status;
}

/* *ret_code is touched where it refuses. */
static hl_status ask_owner(const hl_upstream *s, const hl_http_call *call, char ret[OWNER_BYTES],
                           hl_str *ret_refusal, int *ret_code, hl_err *err) {
    char         url[MAX_URL_BYTES];
    hl_str       body;
    hl_http_call get = *call;
    int          code = 0;
    if (snprintf(url, sizeof url, "%s/models", s->url) >= (int)sizeof url)
        return hl_fail(err, HL_E_LIMIT, "a remote model's URL has more than %d bytes", (int)sizeof url);
    get.method = "GET";
    get.url = url;
    get.body = (hl_view){0};
    get.on_body = NULL;
    get.total_ms = LIST_MS;
    hl_str_init(&body, MAX_LIST_BYTES);
    hl_status status = hl_http_ask(&get, &body, &code, err);
    if (status == HL_E_LIMIT)
        status = hl_fail(err, HL_E_NET, "%s: its list of models has more than %d bytes", s->url,
                         (int)MAX_LIST_BYTES);
    if (status == HL_OK && code < 300) {
        status = read_owner(s, &body, ret, err);
    } else if (status == HL_OK && !has_no_list(code)) {
        hl_str_add_view(ret_refusal, hl_str_view(&body));
        *ret_code = code;
    }
    hl_str_done(&body);
    return status;
}

hl_status hl_upstream_check_continues(hl_upstreams *u, size_t i, const hl_http_call *call,
                                      hl_str *ret_refusal, int *ret_code, hl_err *err) {
    hl_upstream *s = &u->each[i];
    char         owner[OWNER_BYTES] = "";
    int          code = 0;
    (void)pthread_mutex_lock(&u->lock);
    const bool is_yes = s->continues;
    (void)pthread_mutex_unlock(&u->lock);
    if (is_yes) return HL_OK;
    const hl_status status = ask_owner(s, call, owner, ret_refusal, &code, err);
    if (code > 0) *ret_code = code;
    if (status != HL_OK || code > 0) return status;
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
