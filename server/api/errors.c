/* SPDX-License-Identifier: MIT
 *
 * errors.c - errors in the shapes that clients of each dialect read.
 *
 * from: OpenAI's and Anthropic's API references and the clients' sources (August 2026): the types decide
 * which exception a client raises; "maximum context length" and "prompt is too long: N tokens > M maximum"
 * are what agents look for before they shorten a conversation.
 */
#include <inttypes.h>

#include "core/base/str.h"
#include "server/api/errors.h"

static const char *openai_type(unsigned code) {
    switch (code) {
    case 403: return "permission_error";
    case 429: return "rate_limit_error";
    case 404: return "not_found_error";
    default: return code >= 500 ? "server_error" : "invalid_request_error";
    }
}

static const char *anthropic_type(unsigned code) {
    switch (code) {
    case 401: return "authentication_error";
    case 403: return "permission_error";
    case 404: return "not_found_error";
    case 409: return "conflict_error";
    case 413: return "request_too_large";
    case 429: return "rate_limit_error";
    case 503:
    case 529: return "overloaded_error";
    default: return code >= 500 ? "api_error" : "invalid_request_error";
    }
}

static void add_openai(const hl_exchange *x, hl_status status, unsigned code, const char *text,
                       hl_json_out *j) {
    char        buf[200];
    const char *name = NULL;
    if (status == HL_E_NOT_FOUND && x->route) name = "model_not_found";
    if (code == 401) name = "invalid_api_key";
    if (x->problem) name = x->problem;
    if (status == HL_E_FULL && x->overflow_ctx > 0) {
        name = "context_length_exceeded";
        (void)snprintf(buf, sizeof buf,
                       "This model's maximum context length is %" PRId32
                       " tokens. However, you requested %" PRId32 " tokens in the prompt.",
                       x->overflow_ctx, x->overflow_tokens);
        text = buf;
    }
    hl_json_open(j, NULL, '{');
    hl_json_open(j, "error", '{');
    hl_json_add_text(j, "message", text);
    hl_json_add_text(j, "type", openai_type(code));
    hl_json_add_text(j, "param", NULL);
    hl_json_add_text(j, "code", name);
    hl_json_close(j, '}');
    hl_json_close(j, '}');
}

static void add_anthropic(const hl_exchange *x, hl_status status, unsigned code, const char *text,
                          hl_json_out *j) {
    char buf[120];
    if (status == HL_E_FULL && x->overflow_ctx > 0) {
        (void)snprintf(buf, sizeof buf, "prompt is too long: %" PRId32 " tokens > %" PRId32 " maximum",
                       x->overflow_tokens, x->overflow_ctx);
        text = buf;
    }
    hl_json_open(j, NULL, '{');
    hl_json_add_text(j, "type", "error");
    hl_json_open(j, "error", '{');
    hl_json_add_text(j, "type", anthropic_type(code));
    hl_json_add_text(j, "message", text);
    hl_json_close(j, '}');
    hl_json_add_text(j, "request_id", x->id);
    hl_json_close(j, '}');
}

/* The HTTP status of a failed request: status.def's, but what the client asked for and cannot have is its
 * mistake (400), not the server's. */
static unsigned code_of(const hl_exchange *x, hl_status status) {
    if (status == HL_E_BUSY && x->refusal.code == 429) return 429; /* as the server that was asked */
    return status == HL_E_UNSUPPORTED ? 400 : (unsigned)hl_status_http(status);
}

static void write_error(const hl_exchange *x, unsigned code, hl_status status, const hl_err *err,
                        hl_json_out *j) {
    const char          *text = err && err->text[0] ? err->text : hl_status_text(status);
    const hl_api_dialect d = x->route ? x->route->dialect
                             : x->path && hl_view_has_prefix(hl_view_of(x->path), "/v1/messages")
                                 ? HL_API_anthropic
                             : x->path && hl_view_has_prefix(hl_view_of(x->path), "/v1/") ? HL_API_openai
                                                                                          : HL_API_ollama;
    if (d == HL_API_openai) {
        add_openai(x, status, code, text, j);
    } else if (d == HL_API_anthropic) {
        add_anthropic(x, status, code, text, j);
    } else {
        hl_json_open(j, NULL, '{');
        hl_json_add_text(j, "error", text);
        if (d == HL_API_own) hl_json_add_text(j, "status", hl_status_name(status));
        hl_json_close(j, '}');
    }
}

void hl_error_write(const hl_exchange *x, hl_status status, const hl_err *err, hl_json_out *j) {
    write_error(x, code_of(x, status), status, err, j);
}

void hl_exchange_fail_as(hl_exchange *x, unsigned code, hl_status status, const hl_err *err) {
    x->has_failed = true;
    x->code = code;
    x->content_type = NULL;
    hl_json_clear(&x->out);
    write_error(x, code, status, err, &x->out);
}

void hl_exchange_fail(hl_exchange *x, hl_status status, const hl_err *err) {
    hl_exchange_fail_as(x, code_of(x, status), status, err);
}
