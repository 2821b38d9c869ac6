/* SPDX-License-Identifier: MIT
 *
 * openai_fields.c - what is only checked and handed back, what drafts, and what is refused by name.
 *
 * from: OpenAI's API reference (August 2026)
 */
#include "server/api/openai_fields.h"

#include <string.h>

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

/* ---- what is not done ---- */

hl_status hl_openai_refuse_fields(const hl_completion *c, hl_err *err) {
    const json_t *modalities = NULL, *functions = NULL, *audio = NULL, *v;
    size_t        i;
    hl_status     status = hl_field_list(c->body, "modalities", &modalities, err);
    if (status == HL_OK) status = hl_field_list(c->body, "functions", &functions, err);
    if (status == HL_OK) status = hl_field_object(c->body, "audio", &audio, err);
    if (status != HL_OK) return status;
    json_array_foreach(modalities, i, v) {
        if (!json_is_string(v) || strcmp(json_string_value(v), "text") != 0)
            return hl_fail(err, HL_E_UNSUPPORTED, "modalities[%zu]: this build answers in text only", i);
    }
    if (audio) return hl_fail(err, HL_E_UNSUPPORTED, "audio: this build answers in text only");
    if (json_array_size(functions) > 0)
        return hl_fail(err, HL_E_UNSUPPORTED, "functions: long deprecated; use tools");
    return HL_OK;
}
