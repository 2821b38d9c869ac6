/* SPDX-License-Identifier: MIT
 *
 * ollama_generate.c - POST /api/generate and /api/chat: NDJSON, one object a line.
 *
 * from: Ollama 0.33 (api/types.go, server/routes.go): field names, defaults, reasons; metrics in nanoseconds
 */
#include <string.h>

#include "core/base/clock.h"
#include "core/base/mem.h"
#include "server/api/errors.h"
#include "server/api/ollama_common.h"
#include "server/server_priv.h"
#include "server/tool_calls.h"

/* ---- The dialect ---- */

static void open_line(hl_completion *c, hl_json_out *j) {
    char time[40];
    hl_time_format(hl_clock_wall_ms(), time);
    j->needs_comma = false;
    hl_json_open(j, NULL, '{');
    hl_json_add_text(j, "model", c->model);
    hl_json_add_text(j, "created_at", time);
}

/* Whole calls, from the first of them on: those that were cut off are none. */
static void add_calls(const hl_choice *k, size_t first, hl_json_out *j) {
    bool any = false;
    for (size_t i = first; k && i < k->n_calls; i++) {
        const hl_tool_call *call = &k->calls[i];
        if (!call->is_over || call->is_cut) continue;
        if (!any) hl_json_open(j, "tool_calls", '[');
        any = true;
        hl_json_open(j, NULL, '{');
        hl_json_add_text(j, "id", call->id);
        hl_json_open(j, "function", '{');
        hl_json_add_int(j, "index", (int64_t)i);
        hl_json_add_view(j, "name", hl_str_view(&call->name));
        hl_add_arguments(j, "arguments", call);
        hl_json_close(j, '}');
        hl_json_close(j, '}');
    }
    if (any) hl_json_close(j, ']');
}

static void add_words(hl_completion *c, hl_json_out *j, hl_view said, hl_view thought, const hl_choice *calls,
                      size_t first) {
    if (c->is_chat) {
        hl_json_open(j, "message", '{');
        hl_json_add_text(j, "role", "assistant");
        hl_json_add_view(j, "content", said);
        if (thought.len > 0) hl_json_add_view(j, "thinking", thought);
        add_calls(calls, first, j);
        hl_json_close(j, '}');
    } else {
        hl_json_add_view(j, "response", said);
        if (thought.len > 0) hl_json_add_view(j, "thinking", thought);
    }
}

static void add_logprobs(hl_choice *k, hl_json_out *j) {
    if (k->logprobs.len == 0) return;
    hl_json_open(j, "logprobs", '[');
    hl_json_add_raw(j, NULL, hl_str_text(&k->logprobs));
    hl_json_close(j, ']');
    hl_str_clear(&k->logprobs);
}

static void write_token(hl_completion *c, hl_choice *k, const hl_token_event *ev, hl_json_out *j) {
    const hl_view none = {0};
    open_line(c, j);
    add_words(c, j, ev->is_thinking ? none : ev->text, ev->is_thinking ? ev->text : none, NULL, 0);
    hl_json_add_bool(j, "done", false);
    add_logprobs(k, j);
    hl_json_close(j, '}');
    hl_str_add_char(&j->text, '\n');
}

/* A call is a line of its own, when it is whole. */
static void write_call(hl_completion *c, hl_choice *k, const hl_token_event *ev, hl_json_out *j) {
    if (ev->call != HL_CALL_END || ev->is_cut) return;
    open_line(c, j);
    add_words(c, j, (hl_view){0}, (hl_view){0}, k, k->n_calls - 1);
    hl_json_add_bool(j, "done", false);
    hl_json_close(j, '}');
    hl_str_add_char(&j->text, '\n');
}

static void add_end(hl_completion *c, hl_choice *k, hl_json_out *j) {
    const hl_usage *u = &k->usage;
    hl_json_add_bool(j, "done", true);
    hl_json_add_text(j, "done_reason",
                     u->end == HL_END_STOP && hl_completion_reason(k) == HL_REASON_LENGTH
                         ? "length"
                         : hl_end_word(u->end));
    hl_json_add_int(j, "total_duration", hl_completion_total_ns(c));
    hl_json_add_int(j, "load_duration", c->load_ns);
    hl_json_add_int(j, "prompt_eval_count", u->prompt_tokens);
    hl_json_add_int(j, "prompt_eval_duration", u->prompt_ns);
    hl_json_add_int(j, "eval_count", u->answer_tokens);
    hl_json_add_int(j, "eval_duration", u->answer_ns);
    hl_json_add_int(j, "prompt_cached_count", u->cached_tokens);
    hl_add_break(c, k, j, "prompt_cache_break");
    if (c->prompt_ids.n > 0) {
        hl_json_open(j, "context", '[');
        for (size_t i = 0; i < c->prompt_ids.n; i++) hl_json_add_int(j, NULL, c->prompt_ids.ids[i]);
        for (size_t i = 0; i < k->ids.n; i++) hl_json_add_int(j, NULL, k->ids.ids[i]);
        hl_json_close(j, ']');
    }
    if (c->n_left_out > 0) hl_json_add_int(j, "messages_left_out", (int64_t)c->n_left_out);
}

static void write_end(hl_completion *c, hl_choice *k, hl_json_out *j) {
    open_line(c, j);
    add_words(c, j, (hl_view){0}, (hl_view){0}, NULL, 0);
    add_end(c, k, j);
    add_logprobs(k, j);
    hl_json_close(j, '}');
    hl_str_add_char(&j->text, '\n');
}

static void write_failure(hl_completion *c, hl_status status, const hl_err *err, hl_json_out *j) {
    j->needs_comma = false;
    hl_error_write(c->x, status, err, j);
    hl_str_add_char(&j->text, '\n');
}

static void write_whole(hl_completion *c, hl_json_out *j) {
    hl_choice *k = &c->choices[0];
    open_line(c, j);
    add_words(c, j, hl_str_view(&k->said), hl_str_view(&k->thought), k, 0);
    add_end(c, k, j);
    add_logprobs(k, j);
    hl_json_close(j, '}');
}

static const hl_dialect dialect = {.stream_type = "application/x-ndjson",
                                   .token = write_token,
                                   .call = write_call,
                                   .end = write_end,
                                   .fail = write_failure,
                                   .whole = write_whole,
                                   .logprob = hl_add_logprob};

/* ---- Requests ---- */

/* Nothing to answer: the model is loaded, or is to go. */
static hl_status answer_without(hl_completion *c, hl_err *err) {
    hl_json_out *j = &c->x->out;
    const bool   goes = c->keep_ms == 0;
    if (goes) {
        (void)hl_host_unload(c->x->server->host, c->source, NULL);
        hl_pins_sweep(c->x->server, NULL);
    } else {
        const hl_status status = hl_completion_load(c, err);
        if (status != HL_OK) return status;
    }
    open_line(c, j);
    add_words(c, j, (hl_view){0}, (hl_view){0}, NULL, 0);
    hl_json_add_bool(j, "done", true);
    hl_json_add_text(j, "done_reason", goes ? "unload" : "load");
    hl_json_add_int(j, "total_duration", hl_completion_total_ns(c));
    hl_json_add_int(j, "load_duration", c->load_ns);
    hl_json_close(j, '}');
    if (c->is_stream) {
        hl_str_add_char(&j->text, '\n');
        c->x->content_type = dialect.stream_type;
    }
    return HL_OK;
}

static hl_status open_completion(hl_exchange *x, bool is_chat, hl_completion **ret, hl_err *err) {
    json_t   *body = NULL;
    hl_status status = hl_exchange_read_json(x, &body, err);
    if (status == HL_OK) status = hl_completion_new(x, &dialect, body, ret, err);
    if (status != HL_OK) return status;
    (*ret)->is_chat = is_chat;
    status = hl_completion_open(*ret, err);
    return status == HL_OK ? hl_ollama_take_common(*ret, err) : status;
}

static bool add_turn(json_t *messages, const char *role, hl_view text) {
    json_t    *m = json_object();
    const bool ok = json_object_set_new(m, "role", json_string(role)) == 0 &&
                    json_object_set_new(m, "content", json_stringn(text.len ? text.ptr : "", text.len)) == 0;
    return json_array_append_new(messages, m) == 0 && ok;
}

static hl_status start_generate(hl_completion *c, hl_view prompt, hl_view system, hl_err *err) {
    json_t   *messages = json_array();
    hl_status status = HL_OK;
    if ((system.len > 0 && !add_turn(messages, "system", system)) || !add_turn(messages, "user", prompt))
        status = hl_fail(err, HL_E_NOMEM, "server: no memory");
    if (status == HL_OK) status = hl_completion_set_messages(c, messages, false, err);
    json_decref(messages);
    return status == HL_OK ? hl_completion_start(c, 1, err) : status;
}

static hl_status refuse_images(const hl_completion *c, hl_err *err) {
    const json_t   *images = NULL;
    const hl_status status = hl_field_list(c->body, "images", &images, err);
    if (json_array_size(images) > 0)
        return hl_fail(err, HL_E_UNSUPPORTED, "images: this build reads texts only");
    return status;
}

/* The tokens of a conversation as an earlier answer gave them: the new turn is rendered behind them. */
static hl_status take_context(hl_completion *c, bool is_raw, hl_err *err) {
    const json_t   *context = NULL;
    const hl_status status = hl_field_list(c->body, "context", &context, err);
    if (status != HL_OK) return status;
    if (is_raw && json_array_size(context) > 0)
        return hl_fail(err, HL_E_ARG, "raw mode does not support template, system, or context");
    c->wants_tokens = !is_raw;
    return hl_completion_read_ids(context, "context", &c->context, err);
}

hl_status hl_api_ollama_generate(hl_exchange *x, hl_err *err) {
    hl_completion *c = NULL;
    hl_view        prompt = {0}, suffix = {0}, system = {0};
    const char *template = NULL;
    bool      raw = false;
    hl_status status = open_completion(x, false, &c, err);
    if (status == HL_OK) status = hl_field_view(c->body, "prompt", &prompt, err);
    if (status == HL_OK) status = hl_field_view(c->body, "suffix", &suffix, err);
    if (status == HL_OK) status = hl_field_view(c->body, "system", &system, err);
    if (status == HL_OK) status = hl_field_text(c->body, "template", &template, err);
    if (status == HL_OK) status = hl_field_bool(c->body, "raw", &raw, err);
    if (status == HL_OK) status = refuse_images(c, err);
    if (status == HL_OK) status = take_context(c, raw, err);
    if (status != HL_OK) return status;
    if (raw && (system.ptr || template))
        return hl_fail(err, HL_E_ARG, "raw mode does not support template, system, or context");
    if (prompt.len == 0 && suffix.len == 0) return answer_without(c, err);
    status = hl_completion_load(c, err);
    if (status != HL_OK) return status;
    c->request.template_text = template && *template ? template : NULL;
    c->request.raw = raw;
    c->request.prompt = prompt;
    c->request.suffix = suffix;
    const bool is_text = raw || c->request.suffix.len > 0;
    if (!is_text) return start_generate(c, prompt, system, err);
    status = hl_completion_prepare(c, 1, err);
    if (status == HL_OK) c->choices[0].prompt = c->request.prompt;
    return status == HL_OK ? hl_completion_start(c, 1, err) : status;
}

/* Roles in small letters, as Ollama takes them; images are not read here. */
static hl_status check_messages(const json_t *messages, hl_err *err) {
    size_t  i;
    json_t *m;
    json_array_foreach(messages, i, m) {
        if (!json_is_object(m)) return hl_fail(err, HL_E_ARG, "messages[%zu]: expected an object", i);
        if (json_array_size(json_object_get(m, "images")) > 0)
            return hl_fail(err, HL_E_UNSUPPORTED, "messages[%zu].images: this build reads texts only", i);
        if (!json_object_get(m, "content"))
            if (json_object_set_new(m, "content", json_string("")) != 0)
                return hl_fail(err, HL_E_NOMEM, "server: no memory");
        json_t *name = json_object_get(m, "tool_name"); /* of a result: what others call name */
        if (name && !json_object_get(m, "name") && json_object_set(m, "name", name) != 0)
            return hl_fail(err, HL_E_NOMEM, "server: no memory");
    }
    return HL_OK;
}

hl_status hl_api_ollama_chat(hl_exchange *x, hl_err *err) {
    hl_completion *c = NULL;
    const json_t  *messages = NULL, *tools = NULL;
    bool           truncate = true;
    hl_status      status = open_completion(x, true, &c, err);
    if (status == HL_OK) status = hl_field_list(c->body, "messages", &messages, err);
    if (status == HL_OK) status = hl_field_list(c->body, "tools", &tools, err);
    if (status == HL_OK) status = hl_field_bool(c->body, "truncate", &truncate, err);
    if (status == HL_OK) status = check_messages(messages, err);
    if (status != HL_OK) return status;
    if (json_array_size(messages) == 0) return answer_without(c, err);
    hl_completion_go_on(c, messages);
    status = hl_completion_set_tools(c, tools, err);
    if (status == HL_OK) status = hl_completion_load(c, err);
    if (status == HL_OK) status = hl_completion_set_messages(c, messages, truncate, err);
    return status == HL_OK ? hl_completion_start(c, 1, err) : status;
}
