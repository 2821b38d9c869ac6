/* SPDX-License-Identifier: MIT
 *
 * openai.c - POST /v1/chat/completions and /v1/completions.
 *
 * from: OpenAI's API reference and the types of its clients (August 2026): one chunk with the role, deltas,
 * one chunk with the reason of the end for each choice, usage on demand in a chunk without choices, [DONE]
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/mem.h"
#include "server/api/best_of.h"
#include "server/api/errors.h"
#include "server/api/format_fields.h"
#include "server/api/ollama_common.h"
#include "server/api/openai_fields.h"
#include "server/api/text_logprobs.h"
#include "server/server_priv.h"
#include "server/tool_calls.h"

enum { MAX_CHOICES = 128, MOST_BIAS = 100 };

/* ---- The dialect ---- */

static void open_object(hl_completion *c, hl_json_out *j, const char *object) {
    char id[48];
    (void)snprintf(id, sizeof id, "%s-%s", c->is_chat ? "chatcmpl" : "cmpl", c->x->id + 4);
    hl_json_open(j, NULL, '{');
    hl_json_add_text(j, "id", id);
    hl_json_add_text(j, "object", object);
    hl_json_add_int(j, "created", c->created_s);
    hl_json_add_text(j, "model", c->model);
    hl_json_add_text(j, "system_fingerprint", "fp_hyperlama");
}

static int64_t index_of(const hl_completion *c, const hl_choice *k) { return k - c->choices; }

/* The old way of calling: `functions` and `function_call`, one call an answer. */
static bool has_functions(const hl_completion *c) {
    return json_array_size(json_object_get(c->body, "functions")) > 0;
}

/* The clients know of no word for an answer that somebody ended: length is the one that says that there is
 * more. */
static const char *finish_reason(const hl_completion *c, const hl_choice *k) {
    switch (hl_completion_reason(k)) {
    case HL_REASON_LENGTH: return "length";
    case HL_REASON_CALLS: return has_functions(c) ? "function_call" : "tool_calls";
    default: return "stop";
    }
}

/* vLLM's field: the stop string that came. Ours, too: who ended it. */
static void add_stop_reason(const hl_completion *c, const hl_choice *k, hl_json_out *j) {
    const char *stop = hl_completion_stop(c, k);
    const bool  is_cut = k->usage.end == HL_END_CANCEL || k->usage.end == HL_END_TIMEOUT;
    if (is_cut) hl_json_add_text(j, "stop_reason", hl_end_word(k->usage.end));
    if (stop && k->usage.end == HL_END_STOP) hl_json_add_text(j, "stop_reason", stop);
}

static void add_usage(const hl_completion *c, hl_json_out *j) {
    int64_t prompt = 0, cached = 0, answer = 0, thinking = 0, accepted = 0, rejected = 0;
    for (size_t i = 0; i < c->n_choices; i++) {
        const hl_usage *u = &c->choices[i].usage;
        /* n answers to one prompt: it counts once */
        if (c->n_each == 0 ? i == 0 : i % c->n_each == 0) {
            prompt += u->prompt_tokens;
            cached += u->cached_tokens;
        }
        answer += u->answer_tokens;
        thinking += c->choices[i].n_thinking_tokens;
        accepted += u->accepted_tokens;
        rejected += u->drafted_tokens - u->accepted_tokens;
    }
    hl_json_open(j, "usage", '{');
    hl_json_add_int(j, "prompt_tokens", prompt);
    hl_json_add_int(j, "completion_tokens", answer);
    hl_json_add_int(j, "total_tokens", prompt + answer);
    hl_json_open(j, "prompt_tokens_details", '{');
    hl_json_add_int(j, "cached_tokens", cached);
    hl_add_break(c, &c->choices[0], j, "cache_break");
    hl_json_close(j, '}');
    hl_json_open(j, "completion_tokens_details", '{');
    hl_json_add_int(j, "reasoning_tokens", thinking);
    hl_json_add_int(j, "accepted_prediction_tokens", accepted);
    hl_json_add_int(j, "rejected_prediction_tokens", rejected);
    hl_json_close(j, '}');
    hl_json_close(j, '}');
}

static void add_logprobs(hl_completion *c, hl_choice *k, hl_json_out *j) {
    if (!c->is_chat) {
        hl_text_logprobs_write(c, k, j);
        return;
    }
    if (k->logprobs.len == 0) {
        hl_json_add_text(j, "logprobs", NULL);
        return;
    }
    hl_json_open(j, "logprobs", '{');
    hl_json_open(j, "content", '[');
    hl_json_add_raw(j, NULL, hl_str_text(&k->logprobs));
    hl_json_close(j, ']');
    hl_json_close(j, '}');
    hl_str_clear(&k->logprobs);
}

static void begin_chunk(hl_completion *c, hl_choice *k, hl_json_out *j) {
    hl_sse_begin(j, NULL);
    open_object(c, j, c->is_chat ? "chat.completion.chunk" : "text_completion");
    hl_json_open(j, "choices", '[');
    hl_json_open(j, NULL, '{');
    hl_json_add_int(j, "index", index_of(c, k));
}

static void end_chunk(hl_completion *c, hl_choice *k, const char *reason, hl_json_out *j) {
    add_logprobs(c, k, j);
    hl_json_add_text(j, "finish_reason", reason);
    if (reason) add_stop_reason(c, k, j);
    hl_json_close(j, '}');
    hl_json_close(j, ']');
    if (c->wants_usage) hl_json_add_text(j, "usage", NULL);
    hl_json_close(j, '}');
    hl_sse_end(j);
}

static void write_begin(hl_completion *c, hl_json_out *j) {
    for (size_t i = 0; c->is_chat && i < c->n_choices; i++) {
        begin_chunk(c, &c->choices[i], j);
        hl_json_open(j, "delta", '{');
        hl_json_add_text(j, "role", "assistant");
        hl_json_add_text(j, "content", "");
        hl_json_close(j, '}');
        end_chunk(c, &c->choices[i], NULL, j);
    }
    for (size_t i = 0; c->does_echo && i < c->n_choices; i++) {
        begin_chunk(c, &c->choices[i], j);
        hl_json_add_view(j, "text", c->choices[i].prompt);
        end_chunk(c, &c->choices[i], NULL, j);
    }
}

static void write_token(hl_completion *c, hl_choice *k, const hl_token_event *ev, hl_json_out *j) {
    begin_chunk(c, k, j);
    if (c->is_chat) {
        hl_json_open(j, "delta", '{');
        hl_json_add_view(j, ev->is_thinking ? "reasoning_content" : "content", ev->text);
        if (ev->is_thinking) hl_json_add_view(j, "reasoning", ev->text);
        hl_json_close(j, '}');
    } else {
        hl_json_add_view(j, "text", ev->text);
    }
    end_chunk(c, k, NULL, j);
}

/* Id, type and name come once, arguments in pieces behind them. */
static void write_call(hl_completion *c, hl_choice *k, const hl_token_event *ev, hl_json_out *j) {
    const hl_tool_call *call = &k->calls[k->n_calls - 1];
    const bool          begins = ev->call == HL_CALL_BEGIN, is_old = has_functions(c);
    if (ev->call == HL_CALL_END) return;
    begin_chunk(c, k, j);
    hl_json_open(j, "delta", '{');
    if (!is_old) {
        hl_json_open(j, "tool_calls", '[');
        hl_json_open(j, NULL, '{');
        hl_json_add_int(j, "index", (int64_t)k->n_calls - 1);
        if (begins) hl_json_add_text(j, "id", call->id);
        if (begins) hl_json_add_text(j, "type", "function");
    }
    hl_json_open(j, is_old ? "function_call" : "function", '{');
    if (begins) hl_json_add_view(j, "name", hl_str_view(&call->name));
    hl_json_add_view(j, "arguments", begins ? (hl_view){"", 0} : ev->text);
    hl_json_close(j, '}');
    if (!is_old) {
        hl_json_close(j, '}');
        hl_json_close(j, ']');
    }
    hl_json_close(j, '}');
    end_chunk(c, k, NULL, j);
}

static void write_end(hl_completion *c, hl_choice *k, hl_json_out *j) {
    begin_chunk(c, k, j);
    if (c->is_chat) {
        hl_json_open(j, "delta", '{');
        hl_json_close(j, '}');
    } else {
        hl_json_add_text(j, "text", "");
    }
    end_chunk(c, k, finish_reason(c, k), j);
}

static void write_finish(hl_completion *c, hl_json_out *j) {
    if (c->wants_usage) {
        hl_sse_begin(j, NULL);
        open_object(c, j, c->is_chat ? "chat.completion.chunk" : "text_completion");
        hl_json_open(j, "choices", '[');
        hl_json_close(j, ']');
        add_usage(c, j);
        hl_json_close(j, '}');
        hl_sse_end(j);
    }
    hl_str_add_text(&j->text, "data: [DONE]\n\n");
}

static void write_failure(hl_completion *c, hl_status status, const hl_err *err, hl_json_out *j) {
    hl_sse_begin(j, NULL);
    hl_error_write(c->x, status, err, j);
    hl_sse_end(j);
}

static void add_function(const hl_tool_call *call, hl_json_out *j, const char *key) {
    hl_json_open(j, key, '{');
    hl_json_add_view(j, "name", hl_str_view(&call->name));
    hl_json_add_view(j, "arguments", hl_str_view(&call->arguments));
    hl_json_close(j, '}');
}

static void add_calls(const hl_completion *c, const hl_choice *k, hl_json_out *j) {
    if (k->n_calls == 0) return; /* an empty list sends some agents the wrong way */
    if (has_functions(c)) {
        add_function(&k->calls[0], j, "function_call");
        return;
    }
    hl_json_open(j, "tool_calls", '[');
    for (size_t i = 0; i < k->n_calls; i++) {
        hl_json_open(j, NULL, '{');
        hl_json_add_text(j, "id", k->calls[i].id);
        hl_json_add_text(j, "type", "function");
        add_function(&k->calls[i], j, "function");
        hl_json_close(j, '}');
    }
    hl_json_close(j, ']');
}

static void add_choice(hl_completion *c, hl_choice *k, int64_t index, hl_json_out *j) {
    hl_json_open(j, NULL, '{');
    hl_json_add_int(j, "index", index);
    if (c->is_chat) {
        hl_json_open(j, "message", '{');
        hl_json_add_text(j, "role", "assistant");
        if (k->said.len == 0 && k->n_calls > 0)
            hl_json_add_text(j, "content", NULL);
        else
            hl_json_add_view(j, "content", hl_str_view(&k->said));
        if (k->thought.len > 0) {
            hl_json_add_view(j, "reasoning_content", hl_str_view(&k->thought));
            hl_json_add_view(j, "reasoning", hl_str_view(&k->thought));
        }
        add_calls(c, k, j);
        hl_json_add_text(j, "refusal", NULL);
        hl_json_close(j, '}');
    } else {
        hl_str text;
        hl_str_init(&text, SIZE_MAX);
        if (c->does_echo) hl_str_add_view(&text, k->prompt);
        hl_str_add_view(&text, hl_str_view(&k->said));
        hl_json_add_view(j, "text", hl_str_view(&text));
        if (text.failed) j->text.failed = j->text.lacks_memory = true;
        hl_str_done(&text);
    }
    add_logprobs(c, k, j);
    hl_json_add_text(j, "finish_reason", finish_reason(c, k));
    add_stop_reason(c, k, j);
    hl_json_close(j, '}');
}

static void add_best(hl_completion *c, hl_json_out *j) {
    int64_t index = 0;
    for (size_t first = 0; first < c->n_choices; first += c->n_each) {
        hl_best_of_weigh(c, c->choices + first, c->n_each);
        for (size_t i = 0; i < c->n_best; i++)
            add_choice(c, hl_best_of_choose(c, c->choices + first, c->n_each), index++, j);
    }
}

static void write_whole(hl_completion *c, hl_json_out *j) {
    open_object(c, j, c->is_chat ? "chat.completion" : "text_completion");
    hl_json_open(j, "choices", '[');
    if (c->n_best > 0) add_best(c, j);
    for (size_t i = 0; c->n_best == 0 && i < c->n_choices; i++) add_choice(c, &c->choices[i], (int64_t)i, j);
    hl_json_close(j, ']');
    add_usage(c, j);
    hl_openai_echo(c, j);
    hl_json_close(j, '}');
}

static const hl_dialect dialect = {.stream_type = "text/event-stream",
                                   .ping = ": ping\n\n",
                                   .begin = write_begin,
                                   .token = write_token,
                                   .call = write_call,
                                   .end = write_end,
                                   .finish = write_finish,
                                   .fail = write_failure,
                                   .whole = write_whole,
                                   .logprob = hl_add_logprob};

static const hl_dialect text_dialect = {.stream_type = "text/event-stream",
                                        .ping = ": ping\n\n",
                                        .begin = write_begin,
                                        .token = write_token,
                                        .end = write_end,
                                        .finish = write_finish,
                                        .fail = write_failure,
                                        .whole = write_whole,
                                        .logprob = hl_text_logprobs_add,
                                        .done = hl_text_logprobs_done};

/* ---- Requests ---- */

static hl_status take_bias(hl_completion *c, hl_err *err) {
    const json_t *bias = NULL, *value;
    const char   *key;
    size_t        n = 0;
    hl_status     status = hl_field_object(c->body, "logit_bias", &bias, err);
    if (status != HL_OK || json_object_size(bias) == 0) return status;
    hl_logit_bias *list = hl_new(json_object_size(bias), sizeof *list);
    if (!list) return hl_fail(err, HL_E_NOMEM, "server: no memory");
    c->bias = list;
    json_object_foreach((json_t *)(uintptr_t)bias, key, value) {
        char      *end;
        const long id = strtol(key, &end, 10);
        if (end == key || *end || id < 0 || id > INT32_MAX || !json_is_number(value))
            return hl_fail(err, HL_E_ARG, "logit_bias: '%.40s': expected token ids with numbers of -100..100",
                           key);
        const double x = json_number_value(value);
        if (x < -MOST_BIAS || x > MOST_BIAS)
            return hl_fail(err, HL_E_ARG, "logit_bias: '%.40s': %g is out of range, expected -%d..%d", key, x,
                           MOST_BIAS, MOST_BIAS);
        list[n++] = (hl_logit_bias){.token = (int32_t)id, .bias = x == -MOST_BIAS ? -INFINITY : (float)x};
    }
    c->options.sampling.bias = list;
    c->options.sampling.n_bias = n;
    return HL_OK;
}

/* As Ollama takes the words: those that we have no level for become the nearest. */
hl_think hl_openai_think(const char *effort) {
    hl_think think = HL_THINK_ON;
    if (strcmp(effort, "none") == 0) return HL_THINK_OFF;
    if (strcmp(effort, "minimal") == 0) return HL_THINK_LOW;
    if (strcmp(effort, "xhigh") == 0 || strcmp(effort, "ultra") == 0) return HL_THINK_MAX;
    return hl_think_find(effort, &think) && hl_think_level(think) ? think : HL_THINK_ON;
}

/* reasoning_effort, reasoning.effort, chat_template_kwargs.enable_thinking, think: what clients use. */
static hl_status take_thinking(hl_completion *c, hl_err *err) {
    const json_t *reasoning = NULL, *kwargs = NULL;
    const char   *effort = NULL;
    bool          on = true;
    hl_status     status = hl_field_text(c->body, "reasoning_effort", &effort, err);
    if (status == HL_OK) status = hl_field_object(c->body, "reasoning", &reasoning, err);
    if (status == HL_OK && !effort) status = hl_field_text(reasoning, "effort", &effort, err);
    if (status == HL_OK) status = hl_field_object(c->body, "chat_template_kwargs", &kwargs, err);
    if (status != HL_OK) return status;
    if (effort) c->request.think = hl_openai_think(effort);
    const char *keys[] = {"enable_thinking", "thinking"};
    for (size_t i = 0; i < 2; i++) {
        if (!json_is_boolean(json_object_get(kwargs, keys[i]))) continue;
        on = json_is_true(json_object_get(kwargs, keys[i]));
        c->request.think = on ? HL_THINK_ON : HL_THINK_OFF;
    }
    status = hl_completion_set_budget(c, reasoning, "max_tokens", err);
    return status == HL_OK ? hl_completion_take_budget(c, err) : status;
}

static hl_status take_format(hl_completion *c, hl_err *err) {
    const json_t *format = NULL;
    hl_status     status = hl_field_object(c->body, "response_format", &format, err);
    if (status == HL_OK) status = hl_format_take_openai(c, format, "response_format", err);
    return status == HL_OK ? hl_format_take_local(c, err) : status;
}

static hl_status open_completion(hl_exchange *x, bool is_chat, hl_completion **ret, int64_t *ret_n,
                                 hl_err *err) {
    json_t       *body = NULL;
    const json_t *stream_options = NULL;
    hl_status     status = hl_exchange_read_json(x, &body, err);
    if (status == HL_OK) status = hl_completion_new(x, is_chat ? &dialect : &text_dialect, body, ret, err);
    if (status != HL_OK) return status;
    hl_completion *c = *ret;
    c->is_chat = is_chat;
    *ret_n = 1;
    status = hl_completion_open(c, err);
    if (status == HL_OK) status = hl_field_bool(c->body, "stream", &c->is_stream, err);
    if (status == HL_OK) status = hl_field_object(c->body, "stream_options", &stream_options, err);
    if (status == HL_OK) status = hl_field_bool(stream_options, "include_usage", &c->wants_usage, err);
    if (status == HL_OK) status = hl_field_int(c->body, "n", 1, MAX_CHOICES, ret_n, err);
    if (status == HL_OK)
        status = hl_keep_alive_read(json_object_get(c->body, "keep_alive"), &c->keep_ms, err);
    if (status == HL_OK) status = hl_completion_take_options(c, err);
    if (status == HL_OK) status = take_bias(c, err);
    if (status == HL_OK) status = take_format(c, err);
    if (status == HL_OK) status = hl_openai_check_echoed(c, err);
    return status;
}

/* Content parts that are no text, and what else a template could not show. */
static hl_status check_message(const json_t *m, size_t i, hl_err *err) {
    const json_t *content = json_object_get(m, "content"), *part;
    size_t        k;
    if (!json_is_object(m)) return hl_fail(err, HL_E_ARG, "messages[%zu]: expected an object", i);
    json_array_foreach(content, k, part) {
        const char *type = hl_json_text(part, "type");
        if (type && strcmp(type, "text") != 0 && strcmp(type, "refusal") != 0 &&
            strcmp(type, "input_text") != 0)
            return hl_fail(err, HL_E_UNSUPPORTED,
                           "messages[%zu].content[%zu]: type '%.40s': this build reads texts only", i, k,
                           type);
    }
    return HL_OK;
}

/* As llama-server does it: the answer goes on from the assistant's last message, unless vLLM's fields forbid
 * it. */
static hl_status take_beginning(hl_completion *c, const json_t *messages, hl_err *err) {
    bool      begins_anew = false, goes_on = true;
    hl_status status = hl_field_bool(c->body, "add_generation_prompt", &begins_anew, err);
    if (status == HL_OK) status = hl_field_bool(c->body, "continue_final_message", &goes_on, err);
    if (status != HL_OK) return status;
    if (begins_anew && json_is_true(json_object_get(c->body, "continue_final_message")))
        return hl_fail(err, HL_E_ARG, "continue_final_message, add_generation_prompt: expected one of them");
    if (goes_on && !begins_anew) hl_completion_go_on(c, messages);
    return HL_OK;
}

hl_status hl_api_openai_chat(hl_exchange *x, hl_err *err) {
    hl_completion *c = NULL;
    const json_t  *messages = NULL, *m;
    json_t        *told = NULL;
    int64_t        n = 1, n_each = 1, n_top = 0;
    size_t         i;
    hl_status      status = open_completion(x, true, &c, &n, err);
    if (status == HL_OK) status = hl_field_list(c->body, "messages", &messages, err);
    if (status == HL_OK) status = hl_field_bool(c->body, "logprobs", &c->wants_logprobs, err);
    if (status == HL_OK) status = hl_field_int(c->body, "top_logprobs", 0, 20, &n_top, err);
    if (status == HL_OK) status = hl_best_of_take(c, n, MAX_CHOICES, &n_each, err);
    if (status == HL_OK) status = take_thinking(c, err);
    if (status == HL_OK) status = hl_openai_take_prediction(c, err);
    if (status == HL_OK) status = hl_openai_refuse_fields(c, err);
    if (status != HL_OK) return status;
    if (json_array_size(messages) == 0) return hl_fail(err, HL_E_ARG, "messages: expected at least one");
    if (n_top > 0 && !c->wants_logprobs)
        return hl_fail(err, HL_E_ARG, "top_logprobs: expected logprobs to be true with it");
    json_array_foreach(messages, i, m) if (status == HL_OK) status = check_message(m, i, err);
    c->request.want_logprobs |= c->wants_logprobs;
    c->request.n_top = (int32_t)n_top;
    if (status == HL_OK) status = hl_openai_take_tools(c, err);
    if (status == HL_OK) status = hl_openai_read_messages(messages, &told, err);
    if (status == HL_OK) status = take_beginning(c, told, err);
    if (status == HL_OK) status = hl_completion_load(c, err);
    if (status == HL_OK) status = hl_completion_set_messages(c, told, false, err);
    json_decref(told);
    c->n_each = (size_t)n_each;
    return status == HL_OK ? hl_completion_start(c, (size_t)n_each, err) : status;
}

/* ---- /v1/completions: plain text goes on ---- */

static hl_view view_of(const json_t *text) {
    return (hl_view){json_string_value(text), json_string_length(text)};
}

/* One prompt: a text, or a list of ids. */
static hl_status take_prompt(const json_t *p, const char *where, hl_choice *k, hl_err *err) {
    if (json_is_string(p)) {
        k->prompt = view_of(p);
        return HL_OK;
    }
    if (!json_is_array(p) || json_array_size(p) == 0)
        return hl_fail(err, HL_E_ARG, "%s: expected a text, or a list of ids", where);
    return hl_completion_read_ids(p, where, &k->prompt_ids, err);
}

/* A text, a list of ids, or a list of such prompts. */
static hl_status take_prompts(hl_completion *c, size_t n, hl_err *err) {
    const json_t *prompt = json_object_get(c->body, "prompt");
    const bool    is_list = json_is_array(prompt) && !json_is_number(json_array_get(prompt, 0));
    const size_t  n_prompts = is_list ? json_array_size(prompt) : 1;
    char          where[40] = "prompt";
    if (n_prompts == 0 || (!is_list && !json_is_string(prompt) && !json_is_array(prompt)))
        return hl_fail(err, HL_E_ARG, "prompt: expected a text, a list of ids, or a list of these");
    if (n_prompts > MAX_CHOICES / n)
        return hl_fail(err, HL_E_ARG, "prompt: %zu prompts with n = %zu: at most %d answers", n_prompts, n,
                       MAX_CHOICES);
    hl_status status = hl_completion_prepare(c, n_prompts * n, err);
    c->n_each = n;
    for (size_t i = 0; status == HL_OK && i < n_prompts * n; i++) {
        if (is_list) (void)snprintf(where, sizeof where, "prompt[%zu]", i / n);
        status = take_prompt(is_list ? json_array_get(prompt, i / n) : prompt, where, &c->choices[i], err);
    }
    return status;
}

/* What prompts of ids spell, for the echo. */
static hl_status spell_prompts(hl_completion *c, hl_err *err) {
    char      piece[256];
    hl_status status = HL_OK;
    for (size_t i = 0; status == HL_OK && i < c->n_choices; i++) {
        hl_choice *k = &c->choices[i];
        for (size_t t = 0; c->tokenizer && t < k->prompt_ids.n; t++) {
            const size_t n =
                hl_tokenizer_piece(c->tokenizer, k->prompt_ids.ids[t], true, piece, sizeof piece);
            hl_str_add(&k->prompt_text, piece, n < sizeof piece ? n : sizeof piece);
        }
        if (k->prompt_ids.n > 0) k->prompt = hl_str_view(&k->prompt_text);
        status = hl_str_check(&k->prompt_text, "prompt", err);
    }
    return status;
}

hl_status hl_api_openai_text(hl_exchange *x, hl_err *err) {
    hl_completion *c = NULL;
    int64_t        n = 1, n_each = 1, n_top = -1;
    const char    *suffix = NULL;
    hl_status      status = open_completion(x, false, &c, &n, err);
    if (status == HL_OK) status = hl_field_bool(c->body, "echo", &c->does_echo, err);
    if (status == HL_OK) status = hl_field_text(c->body, "suffix", &suffix, err);
    if (status == HL_OK) status = hl_field_int(c->body, "logprobs", 0, 20, &n_top, err);
    if (status == HL_OK) status = hl_best_of_take(c, n, MAX_CHOICES, &n_each, err);
    if (status == HL_OK) status = take_prompts(c, (size_t)n_each, err);
    if (status != HL_OK) return status;
    if (suffix && *suffix && c->choices[0].prompt_ids.n > 0)
        return hl_fail(err, HL_E_ARG, "suffix: expected a prompt of text in front of it");
    c->wants_logprobs = n_top >= 0;
    c->request.want_logprobs |= c->wants_logprobs;
    c->request.want_prompt_logprobs = c->does_echo && c->wants_logprobs;
    c->request.n_top = n_top > 0 ? (int32_t)n_top : 0;
    status = hl_completion_load(c, err);
    if (status == HL_OK && c->does_echo) status = spell_prompts(c, err);
    if (status != HL_OK) return status;
    c->request.suffix = suffix ? view_of(json_object_get(c->body, "suffix")) : (hl_view){0};
    c->request.raw = c->request.suffix.len == 0;
    return hl_completion_start(c, c->n_choices, err);
}
