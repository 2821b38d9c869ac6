/* SPDX-License-Identifier: MIT
 *
 * json.c - jansson with our errors.
 *
 * Duplicate keys are let through (the last one counts), as other readers of the same files do.
 * Strings with NUL characters are refused unless the caller says that it keeps lengths.
 */
#include "core/data/json.h"

#include "core/base/file.h"
#include "core/base/mem.h"

void hl_json_use_mem(void) { json_set_alloc_funcs(hl_alloc, hl_free); }

enum { MAX_BYTES = 1 << 30, MAX_VALUES = 16 << 20, MAX_DEPTH = 256 };

hl_status hl_json_parse(hl_view text, const char *what, json_t **ret, hl_err *err) {
    static const hl_json_rules rules = {
        .max_bytes = MAX_BYTES, .max_values = MAX_VALUES, .max_depth = MAX_DEPTH, .is_strict = true};
    return hl_json_read(text, what, &rules, ret, err);
}

hl_status hl_json_parse_any(hl_view text, const char *what, json_t **ret, hl_err *err) {
    static const hl_json_rules rules = {.max_bytes = MAX_BYTES,
                                        .max_values = MAX_VALUES,
                                        .max_depth = MAX_DEPTH,
                                        .is_strict = true,
                                        .allows_nul = true};
    return hl_json_read(text, what, &rules, ret, err);
}

static int add_piece(const char *bytes, size_t n, void *user) {
    hl_str *s = user;
    hl_str_add(s, bytes, n);
    return s->failed ? -1 : 0;
}

void hl_json_format(const json_t *value, bool indent, hl_str *s) {
    const size_t flags = JSON_ENCODE_ANY | (indent ? JSON_INDENT(2) : JSON_COMPACT);
    if (json_dump_callback(value, add_piece, s, flags) != 0 && !s->failed) s->failed = s->lacks_memory = true;
}

const char *hl_json_text(const json_t *object, const char *key) {
    return json_string_value(json_object_get(object, key));
}

int64_t hl_json_int(const json_t *object, const char *key, int64_t otherwise) {
    const json_t *v = json_object_get(object, key);
    return json_is_integer(v) ? json_integer_value(v) : otherwise;
}

bool hl_json_bool(const json_t *object, const char *key, bool otherwise) {
    const json_t *v = json_object_get(object, key);
    return json_is_boolean(v) ? json_is_true(v) : otherwise;
}
