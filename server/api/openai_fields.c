/* SPDX-License-Identifier: MIT
 *
 * openai_fields.c - what is only checked and handed back, what drafts, and what is refused by name.
 *
 * from: OpenAI's API reference (August 2026)
 */
#include "server/api/openai_fields.h"

#include <string.h>

#include "server/tool_calls.h"

enum { MAX_PAIRS = 16, MAX_KEY_BYTES = 64, MAX_VALUE_BYTES = 512 };

static hl_status check_metadata(const hl_completion *c, hl_err *err) {
    const json_t *metadata = NULL, *v;
    const char   *key;
    hl_status     status = hl_field_object(c->body, "metadata", &metadata, err);
    if (status != HL_OK) return status;
    if (json_object_size(metadata) > MAX_PAIRS)
        return hl_fail(err, HL_E_ARG, "metadata: %zu pairs, expected at most %d", json_object_size(metadata),
                       MAX_PAIRS);
    json_object_foreach((json_t *)(uintptr_t)metadata, key, v) {
        if (!json_is_string(v) || json_string_length(v) > MAX_VALUE_BYTES || strlen(key) > MAX_KEY_BYTES)
            return hl_fail(err, HL_E_ARG,
                           "metadata.%.64s: expected a key of at most %d and a text of at most %d bytes", key,
                           MAX_KEY_BYTES, MAX_VALUE_BYTES);
    }
    return HL_OK;
}

hl_status hl_openai_check_echoed(const hl_completion *c, hl_err *err) {
    static const char *const texts[] = {"user",         "safety_identifier",      "prompt_cache_key",
                                        "service_tier", "prompt_cache_retention", "verbosity"};
    hl_view                  word = {0};
    bool                     is_on = false;
    hl_status                status = hl_field_bool(c->body, "parallel_tool_calls", &is_on, err);
    if (status == HL_OK) status = hl_field_bool(c->body, "store", &is_on, err);
    for (size_t i = 0; i < sizeof texts / sizeof *texts && status == HL_OK; i++)
        status = hl_field_view(c->body, texts[i], &word, err);
    return status == HL_OK ? check_metadata(c, err) : status;
}

void hl_openai_echo(const hl_completion *c, hl_json_out *j) {
    const json_t *metadata = json_object_get(c->body, "metadata");
    if (!json_is_object(metadata)) return;
    hl_json_add_raw(j, "metadata", "");
    hl_json_format(metadata, false, &j->text);
}

/* ---- prediction ---- */

static hl_status add_parts(hl_completion *c, const json_t *parts, hl_err *err) {
    size_t        i;
    const json_t *part;
    json_array_foreach(parts, i, part) {
        const json_t *text = json_object_get(part, "text");
        if (!json_is_string(text))
            return hl_fail(err, HL_E_ARG, "prediction.content[%zu]: expected a part with a text", i);
        hl_str_add(&c->prediction, json_string_value(text), json_string_length(text));
    }
    return hl_str_check(&c->prediction, "prediction", err);
}

hl_status hl_openai_take_prediction(hl_completion *c, hl_err *err) {
    const json_t *prediction = NULL;
    const char   *type = "content";
    hl_status     status = hl_field_object(c->body, "prediction", &prediction, err);
    if (status == HL_OK) status = hl_field_text(prediction, "type", &type, err);
    if (status != HL_OK || !prediction) return status;
    const json_t *content = json_object_get(prediction, "content");
    if (strcmp(type, "content") != 0)
        return hl_fail(err, HL_E_UNSUPPORTED, "prediction.type: found '%.40s', expected content", type);
    if (json_is_string(content))
        hl_str_add(&c->prediction, json_string_value(content), json_string_length(content));
    else if (!json_is_array(content))
        return hl_fail(err, HL_E_ARG, "prediction.content: expected a text or a list of parts");
    status = add_parts(c, content, err);
    c->request.prediction = hl_str_view(&c->prediction);
    return status;
}

/* ---- tools ---- */

static hl_status no_memory(hl_err *err) { return hl_fail(err, HL_E_NOMEM, "server: no memory"); }

/* [{name, description, parameters}] as tools. NULL: no memory */
static json_t *wrap_functions(const json_t *functions) {
    json_t *tools = json_array(), *f;
    size_t  i;
    json_array_foreach(functions, i, f) {
        if (json_array_append_new(tools, json_pack("{s:s, s:O}", "type", "function", "function", f)) == 0)
            continue;
        json_decref(tools);
        return NULL;
    }
    return tools;
}

hl_status hl_openai_take_tools(hl_completion *c, hl_err *err) {
    const json_t *tools = NULL, *functions = NULL;
    json_t       *wrapped = NULL, *left = NULL, *named = NULL;
    bool          is_parallel = true;
    hl_status     status = hl_field_list(c->body, "tools", &tools, err);
    if (status == HL_OK) status = hl_field_list(c->body, "functions", &functions, err);
    if (status == HL_OK) status = hl_field_bool(c->body, "parallel_tool_calls", &is_parallel, err);
    if (status != HL_OK) return status;
    if (json_array_size(tools) > 0 && json_array_size(functions) > 0)
        return hl_fail(err, HL_E_ARG,
                       "functions: are what tools were called before; expected one of the two");
    const bool    is_old = json_array_size(functions) > 0;
    const json_t *choice = json_object_get(c->body, is_old ? "function_call" : "tool_choice");
    if (is_old) tools = wrapped = wrap_functions(functions);
    if (is_old && !wrapped) status = no_memory(err);
    if (is_old && json_is_object(choice)) /* {"name"}: the same, without a type */
        choice = named =
            json_pack("{s:s, s:O*}", "type", "function", "name", json_object_get(choice, "name"));
    if (status == HL_OK) status = hl_tools_choose(c, tools, choice, &left, err);
    c->request.one_tool_call = is_old || !is_parallel;
    if (status == HL_OK && c->request.tool_choice != HL_TOOL_CHOICE_NONE)
        status = hl_completion_set_tools(c, left, err);
    json_decref(left);
    json_decref(wrapped);
    json_decref(named);
    return status;
}

/* An assistant's function_call, as the call that it is. */
static hl_status renew_call(json_t *m, hl_err *err) {
    const json_t *call = json_object_get(m, "function_call");
    if (!json_is_object(call)) return HL_OK;
    json_t *calls = json_pack("[{s:s, s:s, s:O}]", "id", "call_0", "type", "function", "function", call);
    if (!calls || json_object_set_new(m, "tool_calls", calls) != 0) return no_memory(err);
    (void)json_object_del(m, "function_call");
    return HL_OK;
}

/* Arguments are a JSON object; some send none, or an empty text. */
static hl_status fill_arguments(json_t *calls, hl_err *err) {
    size_t        i;
    const json_t *call;
    json_array_foreach(calls, i, call) {
        json_t       *f = json_object_get(call, "function");
        const json_t *arguments = json_object_get(f, "arguments");
        const bool    is_empty = !arguments || json_is_null(arguments) ||
                              (json_is_string(arguments) && json_string_length(arguments) == 0);
        if (json_is_object(f) && is_empty && json_object_set_new(f, "arguments", json_string("{}")) != 0)
            return no_memory(err);
    }
    return HL_OK;
}

hl_status hl_openai_read_messages(const json_t *messages, json_t **ret, hl_err *err) {
    json_t   *list = json_deep_copy(messages), *m;
    hl_status status = list ? HL_OK : no_memory(err);
    size_t    i;
    json_array_foreach(list, i, m) {
        const char *role = hl_json_text(m, "role");
        if (status == HL_OK) status = renew_call(m, err);
        if (status == HL_OK) status = fill_arguments(json_object_get(m, "tool_calls"), err);
        if (status == HL_OK && role && strcmp(role, "function") == 0 &&
            (json_object_set_new(m, "role", json_string("tool")) != 0 ||
             json_object_set_new(m, "tool_call_id", json_string("call_0")) != 0))
            status = no_memory(err);
    }
    if (status == HL_OK)
        *ret = list;
    else
        json_decref(list);
    return status;
}

/* ---- what is not done ---- */

hl_status hl_openai_refuse_fields(const hl_completion *c, hl_err *err) {
    const json_t *modalities = NULL, *audio = NULL, *v;
    size_t        i;
    hl_status     status = hl_field_list(c->body, "modalities", &modalities, err);
    if (status == HL_OK) status = hl_field_object(c->body, "audio", &audio, err);
    if (status != HL_OK) return status;
    json_array_foreach(modalities, i, v) {
        if (!json_is_string(v) || strcmp(json_string_value(v), "text") != 0)
            return hl_fail(err, HL_E_UNSUPPORTED, "modalities[%zu]: this build answers in text only", i);
    }
    if (audio) return hl_fail(err, HL_E_UNSUPPORTED, "audio: this build answers in text only");
    return HL_OK;
}
