/* SPDX-License-Identifier: MIT
 *
 * openai_request.c - messages, options and texts as a server of OpenAI's protocol wants them.
 *
 * from: OpenAI's API reference (August 2026); top_k, min_p, repeat_penalty and chat_template_kwargs as
 * llama-server and vLLM call them. They are sent only where somebody asked for them, since a service
 * may refuse what it does not know.
 */
#include "host/remote/openai_request.h"

#include <math.h>
#include <string.h>

#include "core/base/mem.h"
#include "host/options.h"

enum { MAX_DIMS = 1 << 20 };

static hl_status fail_memory(hl_err *err) { return hl_fail(err, HL_E_NOMEM, "request: no memory"); }

/* ---- What is asked ---- */

static hl_status check_request(const hl_request *r, hl_err *err) {
    const struct {
        bool        is_there;
        const char *what;
    } unknown[] = {
        {r->n_prefix_ids > 0, "a prompt of token ids"},
        {r->template_text != NULL, "a template of its own"},
        {r->answer_prefix.len > 0, "the answer's beginning"},
        {r->think_tokens > 0, "a budget of reasoning"},
        {r->want_prompt_logprobs, "log probabilities of the prompt"},
        {r->sampling.n_bias > 0, "a bias of tokens"},
        {r->sampling.n_dry_breakers > 0, "breakers of repetitions"},
        {r->sampling.constraint != NULL, "a constraint"},
        {r->format.kind > HL_FORMAT_SCHEMA, "a grammar, an expression or a choice"},
    };
    if (r->max_tokens < -1)
        return hl_fail(err, HL_E_ARG, "max_tokens is %d, expected -1 or more", (int)r->max_tokens);
    for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++)
        if (unknown[i].is_there)
            return hl_fail(err, HL_E_UNSUPPORTED, "a remote model is not asked with %s", unknown[i].what);
    if (!r->messages_json && !hl_utf8_is_valid(r->prompt.ptr ? r->prompt.ptr : "", r->prompt.len))
        return hl_fail(err, HL_E_UNSUPPORTED,
                       "the prompt is no UTF-8, and a remote model is sent nothing else");
    return HL_OK;
}

/* Arguments as a text, the type, and an id that the result's message can name. */
static bool adapt_call(json_t *call, size_t i_message, size_t i_call) {
    json_t *function = json_object_get(call, "function"), *arguments = json_object_get(function, "arguments");
    if (json_is_object(arguments)) {
        hl_str text;
        hl_str_init(&text, SIZE_MAX);
        hl_json_format(arguments, false, &text);
        const bool ok = !text.failed && json_object_set_new(function, "arguments",
                                                            json_stringn(hl_str_text(&text), text.len)) == 0;
        hl_str_done(&text);
        if (!ok) return false;
    }
    if (!json_object_get(call, "type") && json_object_set_new(call, "type", json_string("function")) != 0)
        return false;
    if (json_is_string(json_object_get(call, "id"))) return true;
    return json_object_set_new(call, "id", json_sprintf("call_%zu_%zu", i_message, i_call)) == 0;
}

/* The id of the n-th call of the last message that has calls. NULL: it has none so many. */
static json_t *find_call_id(const json_t *messages, size_t before, size_t n) {
    for (size_t i = before; i-- > 0;) {
        const json_t *calls = json_object_get(json_array_get(messages, i), "tool_calls");
        if (json_array_size(calls) > 0) return json_object_get(json_array_get(calls, n), "id");
    }
    return NULL;
}

static bool rename_key(json_t *o, const char *from, const char *to) {
    json_t *v = json_object_get(o, from);
    if (!v) return true;
    if (!json_object_get(o, to) && json_object_set(o, to, v) != 0) return false;
    return json_object_del(o, from) == 0;
}

/* Of our own forms (docs/formats/messages.md), which are Ollama's and OpenAI's, to OpenAI's alone. */
static hl_status adapt_messages(json_t *messages, hl_err *err) {
    size_t  n_results = 0, i = 0, k = 0;
    json_t *m = NULL, *call = NULL;
    json_array_foreach(messages, i, m) {
        const char *role = hl_json_text(m, "role");
        bool        ok = rename_key(m, "thinking", "reasoning_content");
        const bool  is_result = role && strcmp(role, "tool") == 0;
        json_array_foreach(json_object_get(m, "tool_calls"), k, call) ok = ok && adapt_call(call, i, k);
        if (is_result && !json_object_get(m, "tool_call_id")) {
            json_t *id = find_call_id(messages, i, n_results);
            if (id) ok = ok && json_object_set(m, "tool_call_id", id) == 0;
        }
        if (is_result) ok = ok && rename_key(m, "tool_name", "name");
        n_results = is_result ? n_results + 1 : 0;
        if (!ok) return fail_memory(err);
    }
    return HL_OK;
}

static hl_status add_messages(const hl_request *r, hl_json_out *j, hl_err *err) {
    static const hl_json_rules rules = {
        .max_bytes = 256u << 20, .max_values = 4u << 20, .max_depth = 64, .allows_nul = true};
    json_t   *messages = NULL;
    hl_str    text;
    hl_status status = hl_json_read(hl_view_of(r->messages_json), "messages", &rules, &messages, err);
    hl_str_init(&text, SIZE_MAX);
    if (status == HL_OK) status = adapt_messages(messages, err);
    if (status == HL_OK) hl_json_format(messages, false, &text);
    json_decref(messages);
    if (status == HL_OK) status = hl_str_check(&text, "messages", err);
    if (status == HL_OK) hl_json_add_raw(j, "messages", hl_str_text(&text));
    hl_str_done(&text);
    return status;
}

static void add_prompt(const hl_request *r, bool is_text, hl_json_out *j) {
    const hl_view prompt = r->prompt.ptr ? r->prompt : hl_view_of("");
    if (is_text) {
        hl_json_add_view(j, "prompt", prompt);
        if (r->suffix.len > 0) hl_json_add_view(j, "suffix", r->suffix);
        return;
    }
    hl_json_open(j, "messages", '[');
    hl_json_open(j, NULL, '{');
    hl_json_add_text(j, "role", "user");
    hl_json_add_view(j, "content", prompt);
    hl_json_close(j, '}');
    hl_json_close(j, ']');
}

/* Our defaults are not the server's: only what somebody asked for goes there. */
static void add_sampling(const hl_request *r, hl_json_out *j) {
    const hl_sampler_params *p = &r->sampling;
    hl_sampler_params        usual;
    hl_sampler_params_init(&usual);
#define IS_ASKED(name) (((r->sampling_set >> HL_OPT_##name) & 1) || p->name != usual.name)
    if (IS_ASKED(temperature)) hl_json_add_f32(j, "temperature", p->temperature);
    if (IS_ASKED(top_p)) hl_json_add_f32(j, "top_p", p->top_p);
    if (p->seed >= 0) hl_json_add_int(j, "seed", p->seed);
    if (IS_ASKED(presence_penalty)) hl_json_add_f32(j, "presence_penalty", p->presence_penalty);
    if (IS_ASKED(frequency_penalty)) hl_json_add_f32(j, "frequency_penalty", p->frequency_penalty);
    if (IS_ASKED(top_k)) hl_json_add_int(j, "top_k", p->top_k);
    if (IS_ASKED(min_p)) hl_json_add_f32(j, "min_p", p->min_p);
    if (IS_ASKED(repeat_penalty)) {
        hl_json_add_f32(j, "repeat_penalty", p->repeat_penalty);
        hl_json_add_f32(j, "repetition_penalty", p->repeat_penalty);
    }
#undef IS_ASKED
}

static void add_think(hl_think think, hl_json_out *j) {
    const char *level = hl_think_level(think);
    if (think == HL_THINK_DEFAULT) return;
    if (level) hl_json_add_text(j, "reasoning_effort", think == HL_THINK_MAX ? "high" : level);
    hl_json_open(j, "chat_template_kwargs", '{');
    hl_json_add_bool(j, "enable_thinking", think != HL_THINK_OFF);
    hl_json_close(j, '}');
}

/* What every server of this kind knows: any object, or a schema. */
static hl_status add_format(const hl_format *f, hl_json_out *j, hl_err *err) {
    json_t   *schema = NULL;
    hl_status status = HL_OK;
    if (f->kind == HL_FORMAT_NONE) return HL_OK;
    if (f->kind == HL_FORMAT_SCHEMA) status = hl_json_parse(f->text, "schema", &schema, err);
    if (status != HL_OK) return status;
    hl_json_open(j, "response_format", '{');
    hl_json_add_text(j, "type", f->kind == HL_FORMAT_JSON ? "json_object" : "json_schema");
    if (schema) {
        hl_json_open(j, "json_schema", '{');
        hl_json_add_text(j, "name", "answer");
        hl_json_add_bool(j, "strict", true);
        hl_json_add_raw(j, "schema", "");
        hl_json_format(schema, false, &j->text);
        hl_json_close(j, '}');
    }
    hl_json_close(j, '}');
    json_decref(schema);
    return HL_OK;
}

/* What may be called, and whether it must be. */
static void add_tools(const hl_request *r, hl_json_out *j) {
    static const char *const words[] = {
        [HL_TOOL_CHOICE_NONE] = "none", [HL_TOOL_CHOICE_REQUIRED] = "required"};
    hl_json_add_raw(j, "tools", r->tools_json);
    if (r->one_tool_call) hl_json_add_bool(j, "parallel_tool_calls", false);
    if (r->tool_choice == HL_TOOL_CHOICE_NONE || r->tool_choice == HL_TOOL_CHOICE_REQUIRED)
        hl_json_add_text(j, "tool_choice", words[r->tool_choice]);
    if (r->tool_choice != HL_TOOL_CHOICE_NAMED) return;
    hl_json_open(j, "tool_choice", '{');
    hl_json_add_text(j, "type", "function");
    hl_json_open(j, "function", '{');
    hl_json_add_text(j, "name", r->tool_name);
    hl_json_close(j, '}');
    hl_json_close(j, '}');
}

/* Chats say whether and how many beside the chosen ones, plain text the number alone. One at least: to
 * llama-server none means no log probabilities at all. */
static void add_logprobs(const hl_request *r, bool is_text, hl_json_out *j) {
    const int32_t n = r->n_top > 0 ? r->n_top : 1;
    if (!r->want_logprobs && r->n_top == 0) return;
    if (!is_text) hl_json_add_bool(j, "logprobs", true);
    hl_json_add_int(j, is_text ? "logprobs" : "top_logprobs", n);
}

/* vLLM's words, which llama-server and SGLang have, too. */
static void add_continuation(const hl_request *r, hl_json_out *j) {
    if (!r->messages_json || !r->continues_last) return;
    hl_json_add_bool(j, "add_generation_prompt", false);
    hl_json_add_bool(j, "continue_final_message", true);
}

hl_status hl_openai_write_request(const hl_request *r, hl_json_out *j, const char **ret_path, hl_err *err) {
    const bool is_text = !r->messages_json && (r->raw || r->suffix.len > 0);
    hl_status  status = check_request(r, err);
    if (status == HL_OK && r->messages_json)
        status = add_messages(r, j, err);
    else if (status == HL_OK)
        add_prompt(r, is_text, j);
    if (status != HL_OK) return status;
    if (r->tools_json) add_tools(r, j);
    status = add_format(&r->format, j, err);
    if (status != HL_OK) return status;
    add_sampling(r, j);
    add_think(r->think, j);
    add_logprobs(r, is_text, j);
    add_continuation(r, j);
    if (r->max_tokens >= 0) hl_json_add_int(j, "max_tokens", r->max_tokens);
    if (r->n_stops > 0) hl_json_open(j, "stop", '[');
    for (size_t i = 0; i < r->n_stops; i++) hl_json_add_text(j, NULL, r->stops[i]);
    if (r->n_stops > 0) hl_json_close(j, ']');
    hl_json_add_bool(j, "stream", true);
    hl_json_open(j, "stream_options", '{');
    hl_json_add_bool(j, "include_usage", true);
    hl_json_close(j, '}');
    hl_json_close(j, '}');
    *ret_path = is_text ? "/completions" : "/chat/completions";
    return hl_str_check(&j->text, "request", err);
}

/* ---- Vectors ---- */

hl_status hl_openai_write_embed(const hl_embed_request *r, hl_json_out *j, hl_err *err) {
    if (r->pooling != HL_POOLING_DEFAULT)
        return hl_fail(err, HL_E_UNSUPPORTED, "a remote model is not asked for a kind of pooling");
    hl_json_open(j, "input", '[');
    for (size_t i = 0; i < r->n_inputs; i++) {
        const hl_embed_input *in = &r->inputs[i];
        if (!in->tokens) {
            hl_json_add_view(j, NULL, in->text);
            continue;
        }
        hl_json_open(j, NULL, '[');
        for (size_t k = 0; k < in->n_tokens; k++) hl_json_add_int(j, NULL, in->tokens[k]);
        hl_json_close(j, ']');
    }
    hl_json_close(j, ']');
    if (r->dimensions > 0) hl_json_add_int(j, "dimensions", r->dimensions);
    hl_json_close(j, '}');
    return hl_str_check(&j->text, "request", err);
}

static hl_status read_vector(const json_t *list, size_t n_dims, bool keeps_length, float *ret, hl_err *err) {
    double sum = 0;
    if (json_array_size(list) != n_dims)
        return hl_fail(err, HL_E_NET, "the server's vectors have different lengths");
    for (size_t i = 0; i < n_dims; i++) {
        const json_t *x = json_array_get(list, i);
        const double  v = json_number_value(x);
        if (!json_is_number(x) || !isfinite((float)v))
            return hl_fail(err, HL_E_NET, "the server's vectors hold what is no number");
        ret[i] = (float)v;
        sum += v * v;
    }
    for (size_t i = 0; i < n_dims && !keeps_length && sum > 0; i++) ret[i] = (float)(ret[i] / sqrt(sum));
    return HL_OK;
}

static hl_status read_vectors(const hl_embed_request *r, const json_t *data, hl_embeddings *ret,
                              hl_err *err) {
    const size_t n = json_array_size(data);
    size_t       i = 0;
    json_t      *row = NULL;
    json_array_foreach((json_t *)(uintptr_t)data, i, row) {
        const int64_t index = hl_json_int(row, "index", (int64_t)i);
        if (index < 0 || (size_t)index >= n || ret->n_tokens[index] != 0)
            return hl_fail(err, HL_E_NET, "the server's vectors have no order");
        ret->n_tokens[index] = 1; /* until all are there */
        const hl_status status = read_vector(json_object_get(row, "embedding"), ret->n_dims, r->keeps_length,
                                             ret->values + (size_t)index * ret->n_dims, err);
        if (status != HL_OK) return status;
    }
    return HL_OK;
}

hl_status hl_openai_read_embed(const hl_embed_request *r, const json_t *answer, hl_embeddings *ret,
                               hl_err *err) {
    const json_t *data = json_object_get(answer, "data");
    const size_t  n = json_array_size(data);
    const size_t  n_dims = json_array_size(json_object_get(json_array_get(data, 0), "embedding"));
    if (n != r->n_inputs || n_dims == 0 || n_dims > MAX_DIMS)
        return hl_fail(err, HL_E_NET,
                       "the server answers with %zu vectors of %zu numbers, expected %zu vectors", n, n_dims,
                       r->n_inputs);
    ret->values = hl_new(n * n_dims, sizeof *ret->values);
    ret->n_tokens = hl_new(n, sizeof *ret->n_tokens);
    ret->n_rows = ret->n_inputs = n;
    ret->n_dims = n_dims;
    if (!ret->values || !ret->n_tokens) return fail_memory(err);
    const hl_status status = read_vectors(r, data, ret, err);
    if (status != HL_OK) return status;
    ret->sum_tokens = hl_json_int(json_object_get(answer, "usage"), "prompt_tokens", 0);
    memset(ret->n_tokens, 0, n * sizeof *ret->n_tokens); /* of each, nobody says */
    if (n == 1 && ret->sum_tokens > 0 && ret->sum_tokens <= INT32_MAX)
        ret->n_tokens[0] = (int32_t)ret->sum_tokens;
    return HL_OK;
}
