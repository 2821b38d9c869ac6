/* SPDX-License-Identifier: MIT
 *
 * format_fields.c - fields of requests that say what the answer must look like.
 */
#include "server/api/format_fields.h"

#include <string.h>

static hl_status set_view(hl_completion *c, hl_format_kind kind, hl_view text, const char *path,
                          hl_err *err) {
    if (c->request.format.kind != HL_FORMAT_NONE)
        return hl_fail(err, HL_E_ARG, "%s: the request has another format already, expected one", path);
    c->request.format = (hl_format){kind, text};
    return HL_OK;
}

/* A value of the body, as JSON text. */
static hl_status set_json(hl_completion *c, hl_format_kind kind, const json_t *v, const char *path,
                          hl_err *err) {
    hl_json_format(v, false, &c->format);
    const hl_status status = hl_str_check(&c->format, path, err);
    return status == HL_OK ? set_view(c, kind, hl_str_view(&c->format), path, err) : status;
}

static hl_status set_schema(hl_completion *c, const json_t *v, const char *path, hl_err *err) {
    if (!json_is_object(v) && !json_is_boolean(v))
        return hl_fail(err, HL_E_ARG, "%s: expected a JSON schema", path);
    return set_json(c, HL_FORMAT_SCHEMA, v, path, err);
}

static hl_status set_text(hl_completion *c, hl_format_kind kind, const json_t *v, const char *path,
                          hl_err *err) {
    if (!json_is_string(v)) return hl_fail(err, HL_E_ARG, "%s: expected a text", path);
    return set_view(c, kind, (hl_view){json_string_value(v), json_string_length(v)}, path, err);
}

/* A schema, or its text, as some clients send it. */
static hl_status set_schema_or_text(hl_completion *c, const json_t *v, const char *path, hl_err *err) {
    return json_is_string(v) ? set_text(c, HL_FORMAT_SCHEMA, v, path, err) : set_schema(c, v, path, err);
}

hl_status hl_format_take_ollama(hl_completion *c, hl_err *err) {
    const json_t *v = json_object_get(c->body, "format");
    if (!v || json_is_null(v) || (json_is_string(v) && json_string_length(v) == 0)) return HL_OK;
    if (json_is_object(v)) return set_schema(c, v, "format", err);
    if (json_is_string(v) && strcmp(json_string_value(v), "json") == 0)
        return set_view(c, HL_FORMAT_JSON, (hl_view){0}, "format", err);
    return hl_fail(err, HL_E_ARG, "format: expected \"json\" or a JSON schema");
}

hl_status hl_format_take_openai(hl_completion *c, const json_t *format, const char *path, hl_err *err) {
    char        where[80];
    const char *type = "text";
    hl_status   status = hl_field_text(format, "type", &type, err);
    if (status != HL_OK || !format || strcmp(type, "text") == 0) return status;
    const json_t *inner = json_object_get(format, "json_schema"); /* not in /v1/responses */
    const json_t *schema = json_object_get(inner ? inner : format, "schema");
    if (strcmp(type, "json_object") == 0 && (!schema || json_is_null(schema)))
        return set_view(c, HL_FORMAT_JSON, (hl_view){0}, path, err);
    if (strcmp(type, "json_object") != 0 && strcmp(type, "json_schema") != 0)
        return hl_fail(err, HL_E_ARG, "%s.type: found '%.40s', expected text, json_object or json_schema",
                       path, type);
    (void)snprintf(where, sizeof where, "%s%s.schema", path, inner ? ".json_schema" : "");
    return set_schema(c, schema, where, err);
}

hl_status hl_format_take_anthropic(hl_completion *c, hl_err *err) {
    const json_t            *config = NULL, *formats[2] = {NULL, NULL};
    static const char *const paths[] = {"output_format", "output_config.format"};
    hl_status                status = hl_field_object(c->body, "output_config", &config, err);
    if (status == HL_OK) status = hl_field_object(c->body, "output_format", &formats[0], err);
    if (status == HL_OK) status = hl_field_object(config, "format", &formats[1], err);
    for (int i = 0; i < 2 && status == HL_OK; i++) {
        const char *type = "json_schema";
        if (!formats[i]) continue;
        status = hl_field_text(formats[i], "type", &type, err);
        if (status == HL_OK && strcmp(type, "json_schema") != 0)
            status = hl_fail(err, HL_E_ARG, "%s.type: found '%.40s', expected json_schema", paths[i], type);
        if (status == HL_OK) status = set_schema(c, json_object_get(formats[i], "schema"), paths[i], err);
    }
    return status;
}

/* One field of vLLM's: NULL and null are none. */
static hl_status take_one(hl_completion *c, const char *word, const json_t *v, const char *path,
                          hl_err *err) {
    if (!v || json_is_null(v)) return HL_OK;
    if (strcmp(word, "json") == 0) return set_schema_or_text(c, v, path, err);
    if (strcmp(word, "regex") == 0) return set_text(c, HL_FORMAT_REGEX, v, path, err);
    if (strcmp(word, "grammar") == 0) return set_text(c, HL_FORMAT_GBNF, v, path, err);
    if (strcmp(word, "choice") == 0)
        return json_is_array(v) ? set_json(c, HL_FORMAT_CHOICE, v, path, err)
                                : hl_fail(err, HL_E_ARG, "%s: expected a list of texts", path);
    if (strcmp(word, "json_object") == 0)
        return json_is_true(v) ? set_view(c, HL_FORMAT_JSON, (hl_view){0}, path, err) : HL_OK;
    return hl_fail(err, HL_E_ARG, "%s: this server knows json, regex, choice, grammar and json_object", path);
}

hl_status hl_format_take_local(hl_completion *c, hl_err *err) {
    static const char *const words[] = {"json",    "regex",       "choice",
                                        "grammar", "json_object", "structural_tag"};
    const json_t            *outputs = NULL;
    char                     path[60];
    hl_status                status = hl_field_object(c->body, "structured_outputs", &outputs, err);
    for (size_t i = 0; i < sizeof words / sizeof *words && status == HL_OK; i++) {
        (void)snprintf(path, sizeof path, "structured_outputs.%s", words[i]);
        status = take_one(c, words[i], json_object_get(outputs, words[i]), path, err);
        (void)snprintf(path, sizeof path, "guided_%s", words[i]);
        if (status == HL_OK) status = take_one(c, words[i], json_object_get(c->body, path), path, err);
    }
    const json_t *grammar = json_object_get(c->body, "grammar"),
                 *schema = json_object_get(c->body, "json_schema");
    const bool has_grammar =
        grammar && !json_is_null(grammar) && !(json_is_string(grammar) && json_string_length(grammar) == 0);
    if (status == HL_OK && has_grammar) status = set_text(c, HL_FORMAT_GBNF, grammar, "grammar", err);
    if (status == HL_OK && schema && !json_is_null(schema))
        status = set_schema_or_text(c, schema, "json_schema", err);
    return status;
}

hl_status hl_format_take_own(hl_completion *c, hl_err *err) {
    const char    *name = NULL;
    hl_format_kind kind = HL_FORMAT_NONE;
    hl_view        text = {0};
    hl_status      status = hl_field_text(c->body, "format_kind", &name, err);
    if (status == HL_OK) status = hl_field_view(c->body, "format_text", &text, err);
    if (status != HL_OK || !name) return status;
    if (!hl_format_find(name, &kind)) return hl_fail(err, HL_E_ARG, "format_kind: '%.40s' is unknown", name);
    return set_view(c, kind, text, "format_kind", err);
}
