/* SPDX-License-Identifier: MIT
 *
 * chat_json.c - the rules by which clients' JSON is read.
 */
#include "engine/runner/chat_json.h"

#include "core/data/json.h"
#include "engine/template/template.h"

hl_status hl_chat_json_read(hl_view text, const char *what, json_t **ret, hl_err *err) {
    static const hl_json_rules rules = {.max_bytes = HL_CHAT_JSON_MAX_BYTES,
                                        .max_values = HL_CHAT_JSON_MAX_VALUES,
                                        .max_depth = HL_CHAT_JSON_MAX_DEPTH,
                                        .allows_nul = true,
                                        .refuses_doubles = true,
                                        .number = hl_template_number};
    return hl_json_read(text, what, &rules, ret, err);
}

bool hl_chat_json_is_text(const json_t *value) {
    return json_is_string(value) && (unsigned char)json_string_value(value)[0] != 0xFF;
}

const char *hl_chat_json_kind(const json_t *value) {
    if (!value) return "nothing";
    switch (json_typeof(value)) {
    case JSON_OBJECT: return "an object";
    case JSON_ARRAY: return "a list";
    case JSON_STRING: return hl_chat_json_is_text(value) ? "a string" : "a number";
    case JSON_INTEGER:
    case JSON_REAL: return "a number";
    case JSON_TRUE:
    case JSON_FALSE: return "true or false";
    default: return "null";
    }
}
