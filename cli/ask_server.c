/* SPDX-License-Identifier: MIT
 *
 * ask_server.c - a request to the server, and what its errors mean here.
 */
#include "cli/ask_server.h"

#include <string.h>

#include "core/data/json.h"
#include "core/net/http_client.h"

enum { MAX_ANSWER_BYTES = 64 << 20 };

static hl_status status_of(int code) {
    static const hl_status known[] = {HL_E_NOT_FOUND, HL_E_AUTH,    HL_E_LIMIT,
                                      HL_E_BUSY,      HL_E_NOT_YET, HL_E_ARG};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (hl_status_http(known[i]) == code) return known[i];
    return HL_E_NET;
}

hl_status hl_ask_server(const hl_app *app, const char *method, const char *path, const char *body,
                        json_t **ret_answer, hl_err *err) {
    const char *address = hl_config_text(app->config, HL_SETTING_server_host);
    char        base[400], url[500];
    hl_err      why = {0};
    hl_str      answer;
    int         code = 0;
    json_t     *json = NULL;
    hl_status   status = hl_http_base_url(address, base, sizeof base, err);
    if (status != HL_OK) return status;
    (void)snprintf(url, sizeof url, "%s%s", base, path);
    const hl_http_call call = {.method = method,
                               .url = url,
                               .unix_path = hl_http_unix_path(address),
                               .ca_file = hl_env_get(app->envp, "SSL_CERT_FILE"),
                               .body = hl_view_of(body),
                               .key = hl_app_key(app)};
    hl_str_init(&answer, MAX_ANSWER_BYTES);
    status = hl_http_ask(&call, &answer, &code, &why);
    if (status == HL_E_NET)
        status = hl_fail(err, HL_E_NET, "no server answers at %s: start one with `hyperlama serve` (%s)",
                         base, why.text);
    else if (status != HL_OK && err)
        *err = why;
    if (status == HL_OK && answer.len > 0)
        status = hl_json_parse(hl_str_view(&answer), "the server's answer", &json, err);
    if (status == HL_OK && code >= 400) {
        const char *text = hl_json_text(json, "error");
        status = hl_fail(err, status_of(code), "%s%s", text ? text : "the server refused",
                         code == 401 ? "; commands show the key in HYPERLAMA_API_KEY" : "");
    }
    hl_str_done(&answer);
    if (status == HL_OK)
        *ret_answer = json;
    else
        json_decref(json);
    return status;
}
