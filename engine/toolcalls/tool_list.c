/* SPDX-License-Identifier: MIT
 *
 * tool_list.c - look up names in lists of tools, and types in their schemas.
 *
 * Only what decides how a text becomes a value is read of a schema; what it does not say is allowed.
 */
#include "engine/toolcalls/tool_list.h"

#include <string.h>
#include <strings.h>

#include "core/data/json.h"
#include "engine/toolcalls/loose_json.h"

enum { MAX_SCHEMA_DEPTH = 8 };

static hl_view view_of(const json_t *text) {
    return (hl_view){json_string_value(text), json_string_length(text)};
}

const json_t *hl_tool_function(const json_t *tool) {
    const json_t *function = json_object_get(tool, "function");
    return json_is_object(function) ? function : tool;
}

hl_view hl_tool_name(const json_t *function) {
    const json_t *name = json_object_get(function, "name");
    return json_is_string(name) ? view_of(name) : (hl_view){"", 0};
}

static const json_t *find_exact(const json_t *tools, hl_view name) {
    size_t        i;
    const json_t *tool;
    json_array_foreach(tools, i, tool) {
        const json_t *f = hl_tool_function(tool);
        if (name.len > 0 && hl_view_eq(hl_tool_name(f), name)) return f;
    }
    return NULL;
}

const json_t *hl_tool_find(const json_t *tools, hl_view name) {
    static const char prefix[] = "functions.", suffix[] = ".call";
    const size_t      n_prefix = sizeof prefix - 1, n_suffix = sizeof suffix - 1;
    const json_t     *f = find_exact(tools, name);
    if (!f && hl_view_has_prefix(name, prefix))
        f = find_exact(tools, (hl_view){name.ptr + n_prefix, name.len - n_prefix});
    if (!f && name.len > n_suffix && memcmp(name.ptr + name.len - n_suffix, suffix, n_suffix) == 0)
        f = find_exact(tools, (hl_view){name.ptr, name.len - n_suffix});
    return f;
}

/* ---- schemas ---------------------------------------------------------------------------------- */

const json_t *hl_tool_schema(const json_t *function) {
    const json_t *schema = json_object_get(function, "parameters");
    return schema ? schema : json_object_get(function, "input_schema");
}

static const json_t *get(const json_t *object, hl_view key) {
    return key.len > 0 ? json_object_getn(object, key.ptr, key.len) : NULL;
}

static unsigned type_named(const json_t *name) {
    static const struct {
        const char *name;
        unsigned    types;
    } known[] = {{"string", HL_VALUE_STRING},   {"number", HL_VALUE_NUMBER}, {"integer", HL_VALUE_NUMBER},
                 {"boolean", HL_VALUE_BOOLEAN}, {"null", HL_VALUE_NULL},     {"array", HL_VALUE_LIST},
                 {"object", HL_VALUE_OBJECT}};
    for (size_t i = 0; json_is_string(name) && i < sizeof known / sizeof *known; i++)
        if (strcasecmp(json_string_value(name), known[i].name) == 0) return known[i].types;
    return HL_VALUE_ANY;
}

static unsigned type_of_value(const json_t *v) {
    switch (json_typeof(v)) {
    case JSON_OBJECT: return HL_VALUE_OBJECT;
    case JSON_ARRAY: return HL_VALUE_LIST;
    case JSON_STRING: return HL_VALUE_STRING;
    case JSON_INTEGER:
    case JSON_REAL: return HL_VALUE_NUMBER;
    case JSON_NULL: return HL_VALUE_NULL;
    default: return HL_VALUE_BOOLEAN;
    }
}

/* "#/$defs/NAME" and "#/definitions/NAME", in the function's own schema. */
static const json_t *resolve(const json_t *root, const json_t *ref) {
    static const char *const places[] = {"$defs", "definitions"};
    for (size_t i = 0; json_is_string(ref) && i < 2; i++) {
        char prefix[32];
        (void)snprintf(prefix, sizeof prefix, "#/%s/", places[i]);
        if (hl_view_has_prefix(view_of(ref), prefix))
            return json_object_get(json_object_get(root, places[i]), json_string_value(ref) + strlen(prefix));
    }
    return NULL;
}

static unsigned types_of(const json_t *root, const json_t *schema, int depth) {
    static const char *const unions[] = {"anyOf", "oneOf", "allOf"};
    const json_t            *type = json_object_get(schema, "type"), *ref = json_object_get(schema, "$ref");
    const json_t *list = json_object_get(schema, "enum"), *one = json_object_get(schema, "const"), *v;
    unsigned      types = 0;
    size_t        i;
    if (!json_is_object(schema) || depth == MAX_SCHEMA_DEPTH) return HL_VALUE_ANY;
    if (json_is_string(type)) return type_named(type);
    json_array_foreach(type, i, v) types |= type_named(v);
    if (types) return types;
    if (ref) return types_of(root, resolve(root, ref), depth + 1);
    json_array_foreach(list, i, v) types |= type_of_value(v);
    if (one) types |= type_of_value(one);
    for (size_t k = 0; k < sizeof unions / sizeof *unions; k++)
        json_array_foreach(json_object_get(schema, unions[k]), i, v) types |= types_of(root, v, depth + 1);
    if (!types && json_object_get(schema, "properties")) types = HL_VALUE_OBJECT;
    return types ? types : HL_VALUE_ANY;
}

unsigned hl_tool_param_types(const json_t *function, hl_view key) {
    const json_t *schema = hl_tool_schema(function);
    return types_of(schema, get(json_object_get(schema, "properties"), key), 0);
}

const json_t *hl_tool_param_schema(const json_t *function, hl_view key) {
    const json_t *root = hl_tool_schema(function), *schema = get(json_object_get(root, "properties"), key);
    for (int i = 0; i < MAX_SCHEMA_DEPTH && json_object_get(schema, "$ref"); i++)
        schema = resolve(root, json_object_get(schema, "$ref"));
    return schema;
}

bool hl_tool_has_param(const json_t *function, hl_view key) {
    return get(json_object_get(hl_tool_schema(function), "properties"), key) != NULL;
}

const char *hl_tool_param_at(const json_t *function, size_t i) {
    json_t     *properties = json_object_get(hl_tool_schema(function), "properties");
    const char *key;
    json_t     *v;
    size_t      n = 0;
    json_object_foreach(properties, key, v) if (n++ == i) return key;
    return NULL;
}

/* ---- values ----------------------------------------------------------------------------------- */

static bool is_word(hl_view v, const char *word) {
    return v.len == strlen(word) && strncasecmp(v.ptr, word, v.len) == 0;
}

/* A list or an object as it stands there, if it is one: strictly where a string would do as well. */
static bool add_structure(hl_view v, unsigned types, hl_str *out) {
    json_t    *json = NULL;
    const bool wants = v.len > 0 && ((v.ptr[0] == '{' && (types & HL_VALUE_OBJECT)) ||
                                     (v.ptr[0] == '[' && (types & HL_VALUE_LIST)));
    if (!wants) return false;
    if (!(types & HL_VALUE_STRING)) return hl_loose_json_convert(v, out);
    const bool is_json = hl_json_parse_any(v, "value", &json, NULL) == HL_OK;
    json_decref(json);
    if (is_json) hl_str_add_view(out, v);
    return is_json;
}

void hl_tool_add_value(hl_view text, unsigned types, hl_str *out) {
    const hl_view v = hl_view_trim(text);
    if ((types & HL_VALUE_NULL) && (is_word(v, "null") || is_word(v, "none"))) {
        hl_str_add_text(out, "null");
    } else if ((types & HL_VALUE_BOOLEAN) && (is_word(v, "true") || is_word(v, "false"))) {
        hl_str_add_text(out, is_word(v, "true") ? "true" : "false");
    } else if ((types & HL_VALUE_NUMBER) && hl_is_json_number(v)) {
        hl_str_add_view(out, v);
    } else if (!add_structure(v, types, out)) {
        hl_str_add_char(out, '"');
        for (size_t i = 0; i < text.len; i++) hl_json_add_byte(out, text.ptr[i]);
        hl_str_add_char(out, '"');
    }
}
