/* SPDX-License-Identifier: MIT
 *
 * anthropic.c - POST /v1/messages and /v1/messages/count_tokens.
 *
 * Requests become the messages that templates know: blocks of text are joined, tool_use is a call,
 * tool_result a message of the role tool, thinking is the assistant's reasoning. Answers are content blocks,
 * each opened and closed before the next.
 * from: Anthropic's API reference and the types of its clients (August 2026)
 */
#include <inttypes.h>
#include <string.h>

#include "core/base/mem.h"
#include "server/api/errors.h"
#include "server/api/format_fields.h"
#include "server/completion.h"
#include "server/server_priv.h"
#include "server/tool_calls.h"

enum { NO_BLOCK, TEXT_BLOCK, THINKING_BLOCK, CALL_BLOCK };

/* Clients keep a block of thinking only with a signature; nobody checks it here. */
#define SIGNATURE "aHlwZXJsYW1h"

/* ---- The dialect ---- */

static void begin_event(hl_json_out *j, const char *type) {
    hl_sse_begin(j, type);
    hl_json_open(j, NULL, '{');
    hl_json_add_text(j, "type", type);
}

static void end_event(hl_json_out *j) {
    hl_json_close(j, '}');
    hl_sse_end(j);
}

/* Tokens that came from the cache stand apart, and are no part of input_tokens. */
static void add_usage(hl_json_out *j, int64_t prompt, int64_t cached, int64_t answer) {
    hl_json_open(j, "usage", '{');
    hl_json_add_int(j, "input_tokens", prompt - cached);
    hl_json_add_int(j, "cache_creation_input_tokens", 0);
    hl_json_add_int(j, "cache_read_input_tokens", cached);
    hl_json_add_int(j, "output_tokens", answer);
    hl_json_close(j, '}');
}

static void open_message(hl_completion *c, hl_json_out *j, const char *key) {
    char id[48];
    (void)snprintf(id, sizeof id, "msg_%s", c->x->id + 4);
    hl_json_open(j, key, '{');
    hl_json_add_text(j, "id", id);
    hl_json_add_text(j, "type", "message");
    hl_json_add_text(j, "role", "assistant");
    hl_json_add_text(j, "model", c->model);
}

static void write_begin(hl_completion *c, hl_json_out *j) {
    begin_event(j, "message_start");
    open_message(c, j, "message");
    hl_json_open(j, "content", '[');
    hl_json_close(j, ']');
    hl_json_add_text(j, "stop_reason", NULL);
    hl_json_add_text(j, "stop_sequence", NULL);
    add_usage(j, c->prompt_tokens, 0, 0);
    hl_json_close(j, '}');
    end_event(j);
    begin_event(j, "ping");
    end_event(j);
}

static void close_block(hl_completion *c, hl_json_out *j) {
    if (c->block_kind == THINKING_BLOCK) {
        begin_event(j, "content_block_delta");
        hl_json_add_int(j, "index", c->block);
        hl_json_open(j, "delta", '{');
        hl_json_add_text(j, "type", "signature_delta");
        hl_json_add_text(j, "signature", SIGNATURE);
        hl_json_close(j, '}');
        end_event(j);
    }
    if (c->block_kind == NO_BLOCK) return;
    begin_event(j, "content_block_stop");
    hl_json_add_int(j, "index", c->block++);
    end_event(j);
    c->block_kind = NO_BLOCK;
}

static void open_block(hl_completion *c, int kind, hl_json_out *j) {
    if (c->block_kind == kind) return;
    close_block(c, j);
    c->block_kind = kind;
    begin_event(j, "content_block_start");
    hl_json_add_int(j, "index", c->block);
    hl_json_open(j, "content_block", '{');
    hl_json_add_text(j, "type", kind == THINKING_BLOCK ? "thinking" : "text");
    hl_json_add_text(j, kind == THINKING_BLOCK ? "thinking" : "text", "");
    if (kind == THINKING_BLOCK) hl_json_add_text(j, "signature", "");
    hl_json_close(j, '}');
    end_event(j);
}

static void write_token(hl_completion *c, hl_choice *k, const hl_token_event *ev, hl_json_out *j) {
    (void)k;
    open_block(c, ev->is_thinking ? THINKING_BLOCK : TEXT_BLOCK, j);
    begin_event(j, "content_block_delta");
    hl_json_add_int(j, "index", c->block);
    hl_json_open(j, "delta", '{');
    hl_json_add_text(j, "type", ev->is_thinking ? "thinking_delta" : "text_delta");
    hl_json_add_view(j, ev->is_thinking ? "thinking" : "text", ev->text);
    hl_json_close(j, '}');
    end_event(j);
}

/* A block for each call; its arguments come as pieces of JSON. */
static void write_call(hl_completion *c, hl_choice *k, const hl_token_event *ev, hl_json_out *j) {
    const hl_tool_call *call = &k->calls[k->n_calls - 1];
    if (ev->call == HL_CALL_BEGIN) {
        close_block(c, j);
        c->block_kind = CALL_BLOCK;
        begin_event(j, "content_block_start");
        hl_json_add_int(j, "index", c->block);
        hl_json_open(j, "content_block", '{');
        hl_json_add_text(j, "type", "tool_use");
        hl_json_add_text(j, "id", call->id);
        hl_json_add_view(j, "name", hl_str_view(&call->name));
        hl_json_add_raw(j, "input", "{}");
        hl_json_close(j, '}');
        end_event(j);
    } else if (ev->call == HL_CALL_ARGUMENTS) {
        begin_event(j, "content_block_delta");
        hl_json_add_int(j, "index", c->block);
        hl_json_open(j, "delta", '{');
        hl_json_add_text(j, "type", "input_json_delta");
        hl_json_add_view(j, "partial_json", ev->text);
        hl_json_close(j, '}');
        end_event(j);
    } else {
        close_block(c, j);
    }
}

static void add_reason(const hl_completion *c, hl_json_out *j) {
    const hl_reason reason = hl_completion_reason(&c->choices[0]);
    const char     *sequence = hl_completion_stop(c, &c->choices[0]);
    hl_json_add_text(j, "stop_reason",
                     reason == HL_REASON_LENGTH
                         ? "max_tokens" /* also when somebody ended it: there is more */
                     : reason == HL_REASON_CALLS ? "tool_use"
                     : sequence                  ? "stop_sequence"
                                                 : "end_turn");
    hl_json_add_text(j, "stop_sequence", sequence);
}

static void write_finish(hl_completion *c, hl_json_out *j) {
    const hl_usage *u = &c->choices[0].usage;
    close_block(c, j);
    begin_event(j, "message_delta");
    hl_json_open(j, "delta", '{');
    add_reason(c, j);
    hl_json_close(j, '}');
    add_usage(j, u->prompt_tokens, u->cached_tokens, u->answer_tokens);
    end_event(j);
    begin_event(j, "message_stop");
    end_event(j);
}

static void write_failure(hl_completion *c, hl_status status, const hl_err *err, hl_json_out *j) {
    hl_sse_begin(j, "error");
    hl_error_write(c->x, status, err, j);
    hl_sse_end(j);
}

/* One block, as what was said has it. A call that was cut off is none: its input must be whole. */
static void add_part(const hl_choice *k, const hl_part *p, hl_json_out *j) {
    const hl_str       *from = p->kind == HL_PART_THINKING ? &k->thought : &k->said;
    const hl_tool_call *call = p->kind == HL_PART_CALL ? &k->calls[p->begin] : NULL;
    if (call && (!call->is_over || call->is_cut)) return;
    hl_json_open(j, NULL, '{');
    if (call) {
        hl_json_add_text(j, "type", "tool_use");
        hl_json_add_text(j, "id", call->id);
        hl_json_add_view(j, "name", hl_str_view(&call->name));
        hl_add_arguments(j, "input", call);
    } else {
        const char *type = p->kind == HL_PART_THINKING ? "thinking" : "text";
        hl_json_add_text(j, "type", type);
        hl_json_add_view(j, type, (hl_view){from->ptr + p->begin, p->end - p->begin});
        if (p->kind == HL_PART_THINKING) hl_json_add_text(j, "signature", SIGNATURE);
    }
    hl_json_close(j, '}');
}

static void write_whole(hl_completion *c, hl_json_out *j) {
    const hl_choice *k = &c->choices[0];
    open_message(c, j, NULL);
    hl_json_open(j, "content", '[');
    for (size_t i = 0; i < k->n_parts; i++) add_part(k, &k->parts[i], j);
    hl_json_close(j, ']');
    add_reason(c, j);
    add_usage(j, k->usage.prompt_tokens, k->usage.cached_tokens, k->usage.answer_tokens);
    hl_json_close(j, '}');
}

static const hl_dialect dialect = {.stream_type = "text/event-stream",
                                   .ping = "event: ping\ndata: {\"type\":\"ping\"}\n\n",
                                   .call_prefix = "toolu_",
                                   .begin = write_begin,
                                   .token = write_token,
                                   .call = write_call,
                                   .finish = write_finish,
                                   .fail = write_failure,
                                   .whole = write_whole};

/* ---- Requests: blocks become messages ---- */

typedef struct translation {
    json_t   *messages; /* the result */
    hl_str    text;     /* of the message that is being put together */
    hl_str    thought;
    json_t   *calls; /* tool calls of it */
    hl_status status;
    hl_err   *err;
} translation;

static void no_memory(translation *t) {
    if (t->status == HL_OK) t->status = hl_fail(t->err, HL_E_NOMEM, "server: no memory");
}

static json_t *text_value(const hl_str *s) { return json_stringn(s->len ? s->ptr : "", s->len); }

static void flush_message(translation *t, const char *role) {
    if (t->text.len == 0 && t->thought.len == 0 && json_array_size(t->calls) == 0) return;
    json_t *m = json_object();
    bool    ok = json_object_set_new(m, "role", json_string(role)) == 0 &&
              json_object_set_new(m, "content", text_value(&t->text)) == 0;
    if (t->thought.len > 0) {
        ok = ok && json_object_set_new(m, "reasoning_content", text_value(&t->thought)) == 0;
    }
    if (json_array_size(t->calls) > 0) ok = ok && json_object_set(m, "tool_calls", t->calls) == 0;
    ok = json_array_append_new(t->messages, m) == 0 && ok;
    if (!ok || t->text.failed || t->thought.failed) no_memory(t);
    hl_str_clear(&t->text);
    hl_str_clear(&t->thought);
    json_decref(t->calls);
    t->calls = json_array();
}

static void fail_block(translation *t, const char *where, const char *what) {
    if (t->status == HL_OK) t->status = hl_fail(t->err, HL_E_ARG, "%s: %s", where, what);
}

/* The text of a string or a list of text blocks. */
static void add_text(translation *t, hl_str *to, const json_t *content, const char *where) {
    size_t        i;
    const json_t *block;
    if (json_is_string(content)) {
        hl_str_add(to, json_string_value(content), json_string_length(content));
        return;
    }
    if (content && !json_is_null(content) && !json_is_array(content)) {
        fail_block(t, where, "expected a text or a list of blocks");
        return;
    }
    json_array_foreach(content, i, block) {
        const char   *type = hl_json_text(block, "type");
        const json_t *text = json_object_get(block, "text");
        if (!json_is_string(text) || (type && strcmp(type, "text") != 0)) {
            if (t->status == HL_OK)
                t->status =
                    hl_fail(t->err, HL_E_UNSUPPORTED, "%s[%zu]: type '%.40s': this build reads texts only",
                            where, i, type ? type : "?");
            return;
        }
        /* changes with each request, and would keep every prefix from being found again */
        if (strncmp(json_string_value(text), "x-anthropic-billing-header:", 27) == 0) continue;
        if (to->len > 0 && i > 0) hl_str_add_char(to, '\n');
        hl_str_add(to, json_string_value(text), json_string_length(text));
    }
}

static void add_result(translation *t, const json_t *block) {
    hl_str text;
    hl_str_init(&text, SIZE_MAX);
    if (json_is_true(json_object_get(block, "is_error"))) hl_str_add_text(&text, "Error: ");
    add_text(t, &text, json_object_get(block, "content"), "tool_result.content");
    const char *id = hl_json_text(block, "tool_use_id");
    json_t     *m = json_object();
    if (json_object_set_new(m, "role", json_string("tool")) != 0 ||
        json_object_set_new(m, "content", text_value(&text)) != 0 ||
        (id && json_object_set_new(m, "tool_call_id", json_string(id)) != 0) || text.failed)
        no_memory(t);
    if (json_array_append_new(t->messages, m) != 0) no_memory(t);
    hl_str_done(&text);
}

static void add_call(translation *t, const json_t *block, const char *where) {
    const char *id = hl_json_text(block, "id"), *name = hl_json_text(block, "name");
    if (!name || !*name) fail_block(t, where, "tool_use without a name");
    const json_t *input = json_object_get(block, "input");
    json_t       *arguments = json_is_object(input) ? json_deep_copy(input) : json_object();
    if (json_array_append_new(t->calls,
                              json_pack("{s:s, s:s, s:{s:s, s:o}}", "id", id ? id : "", "type", "function",
                                        "function", "name", name ? name : "", "arguments", arguments)) != 0)
        no_memory(t);
}

static void add_words(translation *t, hl_str *to, const json_t *text, const char *where) {
    if (!json_is_string(text)) fail_block(t, where, "a block without its text");
    hl_str_add(to, json_is_string(text) ? json_string_value(text) : "", json_string_length(text));
}

static void add_block(translation *t, const json_t *block, const char *role, size_t at) {
    const char *type = hl_json_text(block, "type");
    char        where[48];
    (void)snprintf(where, sizeof where, "messages[%zu].content", at);
    if (!type) type = "?";
    if (strcmp(type, "text") == 0) {
        if (t->text.len > 0) hl_str_add_char(&t->text, '\n');
        add_words(t, &t->text, json_object_get(block, "text"), where);
    } else if (strcmp(type, "thinking") == 0) {
        add_words(t, &t->thought, json_object_get(block, "thinking"), where);
    } else if (strcmp(type, "tool_use") == 0) {
        add_call(t, block, where);
    } else if (strcmp(type, "tool_result") == 0) {
        flush_message(t, role);
        add_result(t, block);
    } else if (strcmp(type, "redacted_thinking") != 0 && t->status == HL_OK) {
        t->status = hl_fail(t->err, HL_E_UNSUPPORTED,
                            "messages[%zu].content: type '%.40s': this build reads texts only", at, type);
    }
}

static void add_message(translation *t, const json_t *m, size_t at) {
    const char   *role = hl_json_text(m, "role");
    const json_t *content = json_object_get(m, "content"), *block;
    size_t        i;
    if (!role) {
        t->status = hl_fail(t->err, HL_E_ARG, "messages[%zu].role: expected user or assistant", at);
        return;
    }
    if (json_is_string(content))
        hl_str_add(&t->text, json_string_value(content), json_string_length(content));
    else if (!json_is_array(content))
        t->status =
            hl_fail(t->err, HL_E_ARG, "messages[%zu].content: expected a text or a list of blocks", at);
    json_array_foreach(content, i, block) if (t->status == HL_OK) add_block(t, block, role, at);
    flush_message(t, role);
}

static hl_status translate(const json_t *body, json_t **ret, hl_err *err) {
    translation   t = {.messages = json_array(), .calls = json_array(), .err = err};
    const json_t *messages = NULL, *m;
    size_t        i;
    hl_str_init(&t.text, SIZE_MAX);
    hl_str_init(&t.thought, SIZE_MAX);
    t.status = hl_field_list(body, "messages", &messages, err);
    if (t.status == HL_OK && json_array_size(messages) == 0)
        t.status = hl_fail(err, HL_E_ARG, "messages: expected at least one");
    if (t.status == HL_OK) add_text(&t, &t.text, json_object_get(body, "system"), "system");
    if (t.status == HL_OK) flush_message(&t, "system");
    json_array_foreach(messages, i, m) if (t.status == HL_OK) add_message(&t, m, i);
    if (!t.messages || !t.calls) no_memory(&t);
    hl_str_done(&t.text);
    hl_str_done(&t.thought);
    json_decref(t.calls);
    if (t.status == HL_OK)
        *ret = t.messages;
    else
        json_decref(t.messages);
    return t.status;
}

/* {name, description, input_schema} as templates know tools; those that the server would have to run have no
 * schema and are left out. */
static hl_status translate_tools(const json_t *body, json_t **ret, hl_err *err) {
    const json_t *tools = NULL, *tool;
    size_t        i;
    json_t       *list = json_array();
    hl_status     status = hl_field_list(body, "tools", &tools, err);
    json_array_foreach(tools, i, tool) {
        const char *name = hl_json_text(tool, "name"), *description = hl_json_text(tool, "description");
        const char *type = hl_json_text(tool, "type");
        json_t     *schema = json_object_get(tool, "input_schema");
        const bool  is_ours = !type || strcmp(type, "custom") == 0;
        if (status == HL_OK && is_ours && (!name || !json_is_object(schema)))
            status = hl_fail(err, HL_E_ARG, "tools[%zu]: expected a name and an input_schema, an object", i);
        if (status != HL_OK || !name || !json_is_object(schema)) continue;
        json_t *f = json_pack("{s:s, s:{s:s, s:s, s:O}}", "type", "function", "function", "name", name,
                              "description", description ? description : "", "parameters", schema);
        if (json_array_append_new(list, f) != 0) status = hl_fail(err, HL_E_NOMEM, "server: no memory");
    }
    if (status == HL_OK)
        *ret = list;
    else
        json_decref(list);
    return status;
}

/* With none they are shown all the same: what the prompt begins with stays what it was. */
static hl_status take_tools(hl_completion *c, hl_err *err) {
    const json_t *choice = NULL;
    json_t       *tools = NULL, *left = NULL;
    bool          is_single = false;
    hl_status     status = hl_field_object(c->body, "tool_choice", &choice, err);
    if (status == HL_OK) status = hl_field_bool(choice, "disable_parallel_tool_use", &is_single, err);
    if (status == HL_OK) status = translate_tools(c->body, &tools, err);
    if (status == HL_OK) status = hl_tools_choose(c, tools, choice, &left, err);
    if (status == HL_OK) status = hl_completion_set_tools(c, left, err);
    c->request.one_tool_call = is_single;
    json_decref(left);
    json_decref(tools);
    return status;
}

static hl_status take_thinking(hl_completion *c, hl_err *err) {
    const json_t *thinking = NULL, *config = NULL;
    const char   *type = "disabled", *effort = NULL;
    hl_status     status = hl_field_object(c->body, "thinking", &thinking, err);
    if (status == HL_OK) status = hl_field_text(thinking, "type", &type, err);
    if (status == HL_OK && thinking && !json_object_get(thinking, "type"))
        status = hl_fail(err, HL_E_ARG, "thinking.type: expected 'enabled', 'adaptive' or 'disabled'");
    if (status == HL_OK) status = hl_field_object(c->body, "output_config", &config, err);
    if (status == HL_OK) status = hl_field_text(config, "effort", &effort, err);
    c->request.think = strcmp(type, "disabled") == 0 ? HL_THINK_OFF
                       : effort                      ? hl_openai_think(effort)
                                                     : HL_THINK_ON;
    c->request.think_if_able = strcmp(type, "enabled") != 0; /* adaptive: the model decides */
    if (status == HL_OK && c->request.think != HL_THINK_OFF)
        status = hl_completion_set_budget(c, thinking, "budget_tokens", err);
    return status;
}

/* The assistant's last message is what the answer goes on from. */
static hl_status take_beginning(hl_completion *c, const json_t *messages, hl_err *err) {
    hl_completion_go_on(c, messages);
    if (!c->request.continues_last) return HL_OK;
    const json_t *content =
        json_object_get(json_array_get(messages, json_array_size(messages) - 1), "content");
    const size_t n = json_string_length(content);
    if (n > 0 && strchr(" \t\r\n", json_string_value(content)[n - 1]))
        return hl_fail(err, HL_E_ARG,
                       "messages: final assistant content cannot end with trailing whitespace");
    return HL_OK;
}

/* Model, messages and tools: what counting and answering share. */
static hl_status open_completion(hl_exchange *x, hl_completion **ret, hl_err *err) {
    json_t   *body = NULL, *messages = NULL;
    hl_status status = hl_exchange_read_json(x, &body, err);
    if (status == HL_OK) status = hl_completion_new(x, &dialect, body, ret, err);
    if (status != HL_OK) return status;
    hl_completion *c = *ret;
    c->is_chat = true;
    status = hl_completion_open(c, err);
    if (status == HL_OK) status = hl_completion_take_options(c, err);
    if (status == HL_OK)
        status = hl_completion_set(c, "num_predict", json_object_get(c->body, "max_tokens"), err);
    if (status == HL_OK) status = take_thinking(c, err);
    if (status == HL_OK) status = hl_format_take_anthropic(c, err);
    if (status == HL_OK) status = take_tools(c, err);
    if (status == HL_OK) status = translate(c->body, &messages, err);
    if (status == HL_OK) status = take_beginning(c, messages, err);
    if (status == HL_OK) status = hl_completion_load(c, err);
    if (status == HL_OK) status = hl_completion_set_messages(c, messages, false, err);
    json_decref(messages);
    return status;
}

hl_status hl_api_messages(hl_exchange *x, hl_err *err) {
    hl_completion *c = NULL;
    int64_t        max_tokens = 0;
    hl_status      status = open_completion(x, &c, err);
    if (status == HL_OK) status = hl_field_bool(c->body, "stream", &c->is_stream, err);
    if (status == HL_OK) status = hl_field_int(c->body, "max_tokens", 1, INT32_MAX, &max_tokens, err);
    if (status == HL_OK && max_tokens == 0) status = hl_fail(err, HL_E_ARG, "max_tokens: field required");
    return status == HL_OK ? hl_completion_start(c, 1, err) : status;
}

hl_status hl_api_count_tokens(hl_exchange *x, hl_err *err) {
    hl_completion *c = NULL;
    hl_status      status = open_completion(x, &c, err);
    const int32_t  n = status == HL_E_FULL ? x->overflow_tokens : status == HL_OK ? c->prompt_tokens : 0;
    if (status != HL_OK && status != HL_E_FULL) return status;
    if (n == 0)
        return hl_fail(err, HL_E_UNSUPPORTED, "a remote model does not count tokens before it answers");
    hl_json_open(&x->out, NULL, '{');
    hl_json_add_int(&x->out, "input_tokens", n);
    hl_json_close(&x->out, '}');
    return HL_OK;
}
