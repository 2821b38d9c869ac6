/* SPDX-License-Identifier: MIT
 *
 * own_runner.c - POST /v1/runner/load, count and answer: the runner of a model, for another hyperlama.
 *
 * The request is an hl_request as JSON: what stands in it is all that counts, and nothing that is stored with
 * the model is added but the template of a model whose file has none. The answer is a line for each event,
 * and its end has all that hl_usage has. host/remote/runner_server.c asks here.
 *
 *     model, options, think, keep_alive   as /api/chat has them
 *     messages | prompt, tools, raw, template, speculate ("auto", "off"), format_kind, format_text
 *     {"text"} {"thinking"} {"call", "id"} {"arguments"} {"call_end": was it cut} ...
 *     {"usage"} or {"error", "status"}
 */
#include <string.h>

#include "core/base/mem.h"
#include "server/api/errors.h"
#include "server/api/format_fields.h"
#include "server/api/ollama_common.h"
#include "server/server_priv.h"
#include "server/tool_calls.h"

/* ---- The dialect ---- */

static void write_token(hl_completion *c, hl_choice *k, const hl_token_event *ev, hl_json_out *j) {
    (void)c;
    (void)k;
    j->needs_comma = false;
    hl_json_open(j, NULL, '{');
    hl_json_add_view(j, ev->is_thinking ? "thinking" : "text", ev->text);
    hl_json_close(j, '}');
    hl_str_add_char(&j->text, '\n');
}

static void write_call(hl_completion *c, hl_choice *k, const hl_token_event *ev, hl_json_out *j) {
    (void)c;
    (void)k;
    j->needs_comma = false;
    hl_json_open(j, NULL, '{');
    if (ev->call == HL_CALL_END)
        hl_json_add_bool(j, "call_end", ev->is_cut);
    else
        hl_json_add_view(j, ev->call == HL_CALL_BEGIN ? "call" : "arguments", ev->text);
    if (ev->call_id.len > 0) hl_json_add_view(j, "id", ev->call_id);
    hl_json_close(j, '}');
    hl_str_add_char(&j->text, '\n');
}

static void write_end(hl_completion *c, hl_choice *k, hl_json_out *j) {
    const hl_usage *u = &k->usage;
    (void)c;
    j->needs_comma = false;
    hl_json_open(j, NULL, '{');
    hl_json_open(j, "usage", '{');
    hl_json_add_int(j, "end", u->end);
#define HL_USAGE_FIELD(name) hl_json_add_int(j, #name, u->name);
#include "host/remote/usage_fields.def"
#undef HL_USAGE_FIELD
    hl_json_close(j, '}');
    hl_json_close(j, '}');
    hl_str_add_char(&j->text, '\n');
}

static void write_failure(hl_completion *c, hl_status status, const hl_err *err, hl_json_out *j) {
    j->needs_comma = false;
    hl_error_write(c->x, status, err, j);
    hl_str_add_char(&j->text, '\n');
}

static const hl_dialect dialect = {.stream_type = "application/x-ndjson",
                                   .token = write_token,
                                   .call = write_call,
                                   .end = write_end,
                                   .fail = write_failure};

/* ---- Requests ---- */

static hl_status open_loaded(hl_exchange *x, hl_completion **ret, hl_err *err) {
    json_t   *body = NULL;
    hl_status status = hl_exchange_read_json(x, &body, err);
    if (status == HL_OK) status = hl_completion_new(x, &dialect, body, ret, err);
    if (status != HL_OK) return status;
    hl_completion *c = *ret;
    status = hl_completion_open(c, err);
    if (status == HL_OK) hl_options_unset(&c->options, HL_FROM_MODEL, HL_OPT_stop);
    if (status == HL_OK) status = hl_ollama_take_common(c, err);
    c->is_stream = true;
    return status == HL_OK ? hl_completion_load(c, err) : status;
}

static hl_status take_prompt(hl_completion *c, hl_err *err) {
    const json_t *messages = NULL, *tools = NULL;
    const char   *speculate = "auto";
    int64_t       set = c->request.sampling_set;
    hl_status     status = hl_field_list(c->body, "messages", &messages, err);
    if (status == HL_OK) status = hl_field_list(c->body, "tools", &tools, err);
    if (status == HL_OK) status = hl_completion_set_tools(c, tools, err);
    if (status == HL_OK) status = hl_field_view(c->body, "prompt", &c->request.prompt, err);
    if (status == HL_OK) status = hl_field_bool(c->body, "raw", &c->request.raw, err);
    if (status == HL_OK) status = hl_field_text(c->body, "template", &c->request.template_text, err);
    if (status == HL_OK) status = hl_field_text(c->body, "speculate", &speculate, err);
    if (status == HL_OK) status = hl_format_take_own(c, err);
    if (status == HL_OK) status = hl_field_int(c->body, "sampling_set", 0, UINT32_MAX, &set, err);
    if (status != HL_OK) return status;
    c->request.sampling_set = (uint32_t)set; /* options has them all */
    if (strcmp(speculate, "off") == 0) c->request.speculate = HL_SPECULATE_OFF;
    if (!messages && !c->request.prompt.ptr) return hl_fail(err, HL_E_ARG, "messages or prompt is required");
    if (!messages) return HL_OK;
    hl_json_format(messages, false, &c->messages);
    c->request.messages_json = hl_str_text(&c->messages);
    return hl_str_check(&c->messages, "messages", err);
}

hl_status hl_api_runner_load(hl_exchange *x, hl_err *err) {
    hl_completion  *c = NULL;
    hl_runner_info  info;
    hl_json_out    *j = &x->out;
    const hl_status status = open_loaded(x, &c, err);
    if (status != HL_OK) return status;
    hl_runner_get_info(hl_resident_runner(c->resident), &info);
    hl_json_open(j, NULL, '{');
    hl_json_add_int(j, "n_ctx", info.n_ctx);
    hl_json_add_int(j, "n_ctx_cap", info.n_ctx_cap);
    hl_json_add_int(j, "n_ctx_train", info.n_ctx_train);
    hl_json_add_bool(j, "has_template", info.has_template);
    hl_json_add_int(j, "load_ns", c->load_ns);
    hl_json_close(j, '}');
    return HL_OK;
}

hl_status hl_api_runner_count(hl_exchange *x, hl_err *err) {
    hl_completion *c = NULL;
    int32_t        n = 0;
    hl_status      status = open_loaded(x, &c, err);
    if (status == HL_OK) status = take_prompt(c, err);
    if (status == HL_OK) status = hl_runner_count(hl_resident_runner(c->resident), &c->request, &n, err);
    if (status != HL_OK) return status;
    hl_json_open(&x->out, NULL, '{');
    hl_json_add_int(&x->out, "tokens", n);
    hl_json_close(&x->out, '}');
    return HL_OK;
}

hl_status hl_api_runner_answer(hl_exchange *x, hl_err *err) {
    hl_completion *c = NULL;
    hl_status      status = open_loaded(x, &c, err);
    if (status == HL_OK) status = take_prompt(c, err);
    if (status == HL_OK) status = hl_completion_prepare(c, 1, err);
    if (status != HL_OK) return status;
    c->choices[0].prompt = c->request.prompt;
    return hl_completion_start(c, 1, err);
}
