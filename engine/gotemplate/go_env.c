/* SPDX-License-Identifier: MIT
 *
 * go_env.c - what Ollama's templates see of messages and tools.
 *
 * Messages of one role that follow one another are one message, their texts with an empty line between; but
 * what the second has beyond its text (calls, thinking) would be lost, so that such a message stays one of
 * its own. Shapes of OpenAI's API are taken too: content in parts, arguments as text, `reasoning_content`,
 * `name` of a tool.
 */
#include <string.h>

#include "core/base/str.h"
#include "core/data/json.h"
#include "engine/gotemplate/go_run.h"

/* Fields of structs, by their place in go_types.c. */
enum { MSG_ROLE, MSG_CONTENT, MSG_THINKING, MSG_IMAGES, MSG_CALLS, MSG_TOOL_NAME, MSG_CALL_ID };
enum { CALL_ID, CALL_FUNCTION };
enum { FN_INDEX, FN_NAME, FN_ARGUMENTS };
enum { TOOL_TYPE, TOOL_ITEMS, TOOL_FUNCTION };
enum { TFN_NAME, TFN_DESCRIPTION, TFN_PARAMETERS };
enum { PAR_TYPE, PAR_DEFS, PAR_ITEMS, PAR_REQUIRED, PAR_PROPERTIES };
enum { PROP_ANY_OF, PROP_TYPE, PROP_ITEMS, PROP_DESCRIPTION, PROP_ENUM, PROP_PROPERTIES, PROP_REQUIRED };

/* ---- Reading JSON ---- */

typedef struct path { /* where in the request, for errors: messages[3].tool_calls[0].function */
    const struct path *up;
    const char        *name;
    size_t             i; /* SIZE_MAX: no index */
} path;

static void write_path(const path *p, hl_str *to) {
    if (!p) return;
    write_path(p->up, to);
    hl_str_add_format(to, "%s%s", p->up && to->len ? "." : "", p->name);
    if (p->i != SIZE_MAX) hl_str_add_format(to, "[%zu]", p->i);
}

static bool fail_shape(hl_go_run *r, const path *p, const char *key, const char *expected) {
    hl_str s;
    if (r->status != HL_OK) return false;
    hl_str_init(&s, 200);
    write_path(p, &s);
    r->status =
        hl_fail(r->err, HL_E_FORMAT, "%s%s%s: expected %s", hl_str_text(&s), *key ? "." : "", key, expected);
    hl_str_done(&s);
    return false;
}

static const json_t *get(const json_t *o, const char *key) {
    const json_t *v = json_object_get(o, key);
    return json_is_null(v) ? NULL : v;
}

/* A string; *ret stays as it is when there is none. */
static bool read_text(hl_go_run *r, const path *p, const json_t *o, const char *key, hl_go_value *ret) {
    const json_t *v = get(o, key);
    if (!v) return true;
    hl_go_value text;
    if (!hl_go_from_json(r, v, &text)) return false;
    if (hl_go_kind_of(text) != HL_GO_STRING) return fail_shape(r, p, key, "a string");
    *ret = text;
    return true;
}

static bool new_struct(hl_go_run *r, const hl_go_type *type, hl_go_value **ret_fields, hl_go_value *ret) {
    hl_go_value *fields = hl_go_get(r, type->n_fields, sizeof *fields);
    if (!fields) return false;
    for (size_t i = 0; i < type->n_fields; i++) {
        fields[i] = hl_go_zero(type->fields[i].type);
        fields[i].is_outside = true;
    }
    *ret_fields = fields;
    *ret = (hl_go_value){.type = type, .is_outside = true, .u.fields = fields};
    return true;
}

static bool new_list(hl_go_run *r, const hl_go_type *type, size_t n, hl_go_value **ret_items,
                     hl_go_value *ret) {
    hl_go_list *list = hl_go_get(r, 1, sizeof *list);
    *ret_items = list ? hl_go_get(r, n, sizeof **ret_items) : NULL;
    if (!*ret_items) return false;
    *list = (hl_go_list){n, *ret_items};
    *ret = (hl_go_value){.type = type, .is_outside = true, .u.list = list};
    return true;
}

/* An array of strings; *ret stays as it is when there is none. */
static bool read_texts(hl_go_run *r, const path *p, const json_t *o, const char *key, hl_go_value *ret) {
    const json_t *v = get(o, key);
    hl_go_value  *items = NULL;
    if (!v) return true;
    if (!json_is_array(v)) return fail_shape(r, p, key, "an array of strings");
    if (!new_list(r, &hl_go_type_strings, json_array_size(v), &items, ret)) return false;
    for (size_t i = 0; i < json_array_size(v); i++) {
        if (!hl_go_from_json(r, json_array_get(v, i), &items[i])) return false;
        if (hl_go_kind_of(items[i]) != HL_GO_STRING) return fail_shape(r, p, key, "an array of strings");
    }
    return true;
}

/* ---- Text of messages ---- */

/* The texts of parts, an empty line between. */
static bool read_parts(hl_go_run *r, const path *p, const json_t *parts, hl_go_value *ret) {
    const size_t mark = hl_go_begin(r);
    size_t       n_joined = 0;
    for (size_t i = 0; i < json_array_size(parts); i++) {
        const json_t *part = json_array_get(parts, i);
        hl_go_value   text = hl_go_zero(&hl_go_type_string);
        if (!json_is_object(part))
            return fail_shape(r, p, "content", "an array of objects with `type` and `text`");
        if (!get(part, "text")) continue; /* images and others have no text */
        if (!read_text(r, p, part, "text", &text)) return false;
        if (n_joined++) hl_tainted_add(&r->scratch, hl_view_of("\n\n"), true);
        if (!hl_go_add_piece(r, &r->scratch, text, 0, hl_go_len(text))) return false;
    }
    return hl_go_end(r, mark, ret);
}

static bool read_content(hl_go_run *r, const path *p, const json_t *m, hl_go_value *ret) {
    const json_t *v = get(m, "content");
    if (json_is_array(v)) return read_parts(r, p, v, ret);
    if (!v) return true;
    if (!hl_go_from_json(r, v, ret)) return false;
    return hl_go_kind_of(*ret) == HL_GO_STRING ||
           fail_shape(r, p, "content", "a string or an array of parts");
}

/* ---- Calls ---- */

/* What 64 bits or a double do not hold: go_json.c reads it by its digits. */
static json_t *make_number(hl_view digits) {
    hl_str  s;
    json_t *ret = NULL;
    hl_str_init(&s, digits.len + 1);
    hl_str_add_char(&s, (char)HL_GO_NUMBER_MARK);
    hl_str_add_view(&s, digits);
    if (!s.failed) ret = json_stringn_nocheck(hl_str_text(&s), s.len);
    hl_str_done(&s);
    return ret;
}

/* *ret stays NULL for what is no JSON, or more of it than a request may hold. */
static bool parse_arguments(hl_go_run *r, hl_view text, json_t **ret) {
    static const hl_json_rules rules = {.max_bytes = HL_GO_MAX_ARENA_BYTES,
                                        .max_values = 4 << 20,
                                        .max_depth = 64, /* as in messages */
                                        .allows_nul = true,
                                        .number = make_number};
    hl_err                     why = {0};
    const hl_status            status = hl_json_read(text, "arguments", &rules, ret, &why);
    if (status == HL_OK || status == HL_E_FORMAT || status == HL_E_LIMIT) return true;
    if (r->status == HL_OK) r->status = hl_fail(r->err, status, "%s", why.text);
    return false;
}

/* Arguments as an object, or as the text of one; what a model wrote that is neither stays as it is. */
static bool read_arguments(hl_go_run *r, const json_t *v, hl_go_value *ret) {
    if (!v || (json_is_string(v) && json_string_length(v) == 0)) return true;
    if (json_is_string(v)) {
        json_t *o = NULL;
        if (!parse_arguments(r, (hl_view){json_string_value(v), json_string_length(v)}, &o)) return false;
        if (o && !r->parsed) r->parsed = json_array();
        if (o && json_array_append_new(r->parsed, o) != 0) return hl_go_fail_memory(r);
        if (json_is_object(o)) v = o; /* it lives as long as the rendering */
    }
    if (json_is_object(v)) return hl_go_map_from_json(r, v, &hl_go_type_call_arguments, ret);
    return hl_go_from_json(r, v, ret);
}

static bool read_call(hl_go_run *r, const path *p, const json_t *j, hl_go_value *ret) {
    const json_t *f = get(j, "function");
    const path    in_function = {p, "function", SIZE_MAX};
    hl_go_value  *call = NULL, *function = NULL;
    if (!json_is_object(j)) return fail_shape(r, p, "", "an object");
    if (!json_is_object(f)) return fail_shape(r, p, "function", "an object");
    if (!new_struct(r, &hl_go_type_call, &call, ret)) return false;
    if (!new_struct(r, &hl_go_type_call_function, &function, &call[CALL_FUNCTION])) return false;
    if (json_is_integer(get(f, "index"))) {
        function[FN_INDEX].u.i = json_integer_value(get(f, "index"));
        function[FN_INDEX].is_outside = true;
    }
    return read_text(r, p, j, "id", &call[CALL_ID]) &&
           read_text(r, &in_function, f, "name", &function[FN_NAME]) &&
           read_arguments(r, get(f, "arguments"), &function[FN_ARGUMENTS]);
}

static bool read_calls(hl_go_run *r, const path *p, const json_t *m, hl_go_value *ret) {
    const json_t *v = get(m, "tool_calls");
    hl_go_value  *items = NULL;
    if (!v) return true;
    if (!json_is_array(v)) return fail_shape(r, p, "tool_calls", "an array");
    if (json_array_size(v) == 0) return true;
    if (!new_list(r, &hl_go_type_calls, json_array_size(v), &items, ret)) return false;
    for (size_t i = 0; i < json_array_size(v); i++) {
        const path at = {p, "tool_calls", i};
        if (!read_call(r, &at, json_array_get(v, i), &items[i])) return false;
    }
    return true;
}

/* ---- Messages ---- */

/* Images count, their bytes are not seen. */
static bool read_images(hl_go_run *r, const path *p, const json_t *m, hl_go_value *ret) {
    const json_t *v = get(m, "images");
    hl_go_value  *items = NULL;
    if (!v) return true;
    if (!json_is_array(v)) return fail_shape(r, p, "images", "an array");
    if (json_array_size(v) == 0) return true;
    if (!new_list(r, &hl_go_type_images, json_array_size(v), &items, ret)) return false;
    for (size_t i = 0; i < json_array_size(v); i++) items[i] = hl_go_zero(&hl_go_type_image);
    return true;
}

/* The role in lower case. One that every template knows is the template's own word: "<|{{ .Role }}|>" is a
 * marker. */
static bool read_role(hl_go_run *r, const path *p, const json_t *m, hl_go_value *ret) {
    static const char *const known[] = {"system", "user", "assistant", "tool"};
    const json_t            *v = json_object_get(m, "role");
    hl_go_value              given;
    if (!hl_go_from_json(r, v, &given)) return false;
    if (!json_is_string(v) || hl_go_kind_of(given) != HL_GO_STRING)
        return fail_shape(r, p, "role", "a string");
    const hl_view s = hl_go_view(given);
    char         *lower = hl_go_get(r, s.len + 1, 1);
    if (!lower) return false;
    for (size_t i = 0; i < s.len; i++)
        lower[i] = (char)(s.ptr[i] >= 'A' && s.ptr[i] <= 'Z' ? s.ptr[i] + 32 : s.ptr[i]);
    hl_view role = {lower, s.len};
    if (hl_view_is(role, "developer")) role = hl_view_of("system");
    bool is_known = !given.is_outside;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        is_known = is_known || hl_view_is(role, known[i]);
    return hl_go_new_string(r, role, !is_known, ret);
}

static const char *first_key(const json_t *o, const char *const *keys, size_t n) {
    for (size_t i = 0; i + 1 < n; i++)
        if (get(o, keys[i])) return keys[i];
    return keys[n - 1];
}

/* A tool's answer may say which call it answers and not which tool: look for that call in what was before. */
static bool find_tool_name(hl_go_run *r, const json_t *messages, size_t i, hl_view id, hl_go_value *ret) {
    while (id.len && i-- > 0) {
        const json_t *calls = get(json_array_get(messages, i), "tool_calls");
        for (size_t k = 0; k < json_array_size(calls); k++) {
            const json_t *call = json_array_get(calls, k),
                         *name = json_object_get(get(call, "function"), "name");
            const json_t *have = json_object_get(call, "id");
            const hl_view have_id = {json_string_value(have), json_string_length(have)};
            hl_go_value   found;
            if (!json_is_string(have) || !hl_view_eq(have_id, id) || !hl_go_from_json(r, name, &found))
                continue;
            if (hl_go_kind_of(found) == HL_GO_STRING) return *ret = found, true;
        }
        if (!hl_go_steps(r, 1 + json_array_size(calls))) return false;
    }
    return true;
}

static bool read_message(hl_go_run *r, const path *p, const json_t *messages, size_t i, hl_go_value *ret) {
    static const char *const thinking[] = {"thinking", "reasoning_content", "reasoning"};
    static const char *const tool_name[] = {"tool_name", "name"};
    const json_t            *m = json_array_get(messages, i);
    hl_go_value             *f = NULL;
    if (!json_is_object(m)) return fail_shape(r, p, "", "an object");
    if (!new_struct(r, &hl_go_type_message, &f, ret)) return false;
    if (!read_role(r, p, m, &f[MSG_ROLE]) || !read_content(r, p, m, &f[MSG_CONTENT]) ||
        !read_text(r, p, m, first_key(m, thinking, 3), &f[MSG_THINKING]) ||
        !read_images(r, p, m, &f[MSG_IMAGES]) || !read_calls(r, p, m, &f[MSG_CALLS]) ||
        !read_text(r, p, m, "tool_call_id", &f[MSG_CALL_ID]))
        return false;
    if (!hl_view_is(hl_go_view(f[MSG_ROLE]), "tool")) return true;
    return read_text(r, p, m, first_key(m, tool_name, 2), &f[MSG_TOOL_NAME]) &&
           (hl_go_len(f[MSG_TOOL_NAME]) > 0 ||
            find_tool_name(r, messages, i, hl_go_view(f[MSG_CALL_ID]), &f[MSG_TOOL_NAME]));
}

static bool joins(const hl_go_value *before, const hl_go_value *f) {
    return hl_view_eq(hl_go_view(before[MSG_ROLE]), hl_go_view(f[MSG_ROLE])) &&
           !hl_view_is(hl_go_view(f[MSG_ROLE]), "tool") && hl_go_is_nil(f[MSG_CALLS]) &&
           hl_go_is_nil(f[MSG_IMAGES]) && hl_go_len(f[MSG_THINKING]) == 0;
}

static bool is_system(const hl_go_value *message) {
    return hl_view_is(hl_go_view(message->u.fields[MSG_ROLE]), "system");
}

/* The contents of some messages as one text; only of system messages when `of_system`. */
static bool join_contents(hl_go_run *r, const hl_go_value *messages, size_t n, bool of_system,
                          hl_go_value *ret) {
    const size_t mark = hl_go_begin(r);
    size_t       n_joined = 0;
    for (size_t i = 0; i < n; i++) {
        const hl_go_value text = messages[i].u.fields[MSG_CONTENT];
        if (of_system && !is_system(&messages[i])) continue;
        if (n_joined++) hl_tainted_add(&r->scratch, hl_view_of("\n\n"), true);
        if (!hl_go_add_piece(r, &r->scratch, text, 0, hl_go_len(text))) return false;
    }
    return hl_go_end(r, mark, ret);
}

static bool read_list(hl_go_run *r, const json_t *messages, hl_go_value **ret, size_t *ret_n) {
    const size_t n = json_array_size(messages);
    hl_go_value *list = hl_go_get(r, n, sizeof *list);
    if (!list) return false;
    for (size_t i = 0; i < n; i++) {
        const path at = {NULL, "messages", i};
        if (!hl_go_steps(r, 1) || !read_message(r, &at, messages, i, &list[i])) return false;
    }
    *ret = list;
    *ret_n = n;
    return true;
}

static bool read_messages(hl_go_run *r, const json_t *messages, hl_go_env *env) {
    hl_go_value *list = NULL, *pointers = NULL;
    size_t       n = 0;
    if (!read_list(r, messages, &list, &n) || !join_contents(r, list, n, true, &env->system)) return false;
    if (!new_list(r, &hl_go_type_messages, n, &pointers, &env->messages)) return false;
    if (n == 0) env->messages = hl_go_zero(&hl_go_type_messages);
    for (size_t i = 0, end; i < n; i = end) {
        hl_go_value *f = (hl_go_value *)(uintptr_t)list[i].u.fields;
        for (end = i + 1; end < n && joins(f, list[end].u.fields);) end++;
        if (end > i + 1 && !join_contents(r, list + i, end - i, false, &f[MSG_CONTENT])) return false;
        list[env->n] = list[i];
        pointers[env->n] =
            (hl_go_value){.type = &hl_go_type_message_pointer, .is_outside = true, .u.to = &list[env->n]};
        env->n++;
    }
    if (n > 0) ((hl_go_list *)(uintptr_t)env->messages.u.list)->n = env->n;
    env->list = list;
    return true;
}

/* ---- Tools ---- */

static bool read_property(hl_go_run *r, const path *p, const json_t *j, hl_go_value *ret);

/* The schemas of an object's members; *ret stays as it is when there are none. */
static bool read_properties(hl_go_run *r, const path *p, const json_t *o, const hl_go_type *type,
                            hl_go_value *ret) {
    json_t      *v = (json_t *)(uintptr_t)get(o, "properties");
    const path   in_properties = {p, "properties", SIZE_MAX};
    size_t       n = 0;
    hl_go_entry *entries = NULL;
    if (!v) return true;
    if (!json_is_object(v)) return fail_shape(r, p, "properties", "an object");
    entries = hl_go_get(r, json_object_size(v), sizeof *entries);
    if (!entries) return false;
    for (void *it = json_object_iter(v); it; it = json_object_iter_next(v, it), n++) {
        const path at = {&in_properties, json_object_iter_key(it), SIZE_MAX};
        entries[n].key = (hl_view){json_object_iter_key(it), json_object_iter_key_len(it)};
        if (!read_property(r, &at, json_object_iter_value(it), &entries[n].value)) return false;
    }
    return hl_go_new_map(r, type, entries, n, ret);
}

/* A type, or several: "string", ["string", "null"]. */
static bool read_type(hl_go_run *r, const path *p, const json_t *o, hl_go_value *ret) {
    const json_t *v = get(o, "type");
    hl_go_value  *items = NULL;
    if (!v || json_is_array(v)) {
        if (!read_texts(r, p, o, "type", ret)) return false;
        ret->type = &hl_go_type_property_type;
        return true;
    }
    if (!new_list(r, &hl_go_type_property_type, 1, &items, ret) || !hl_go_from_json(r, v, items))
        return false;
    return hl_go_kind_of(*items) == HL_GO_STRING ||
           fail_shape(r, p, "type", "a string or an array of strings");
}

static bool read_any_of(hl_go_run *r, const path *p, const json_t *o, hl_go_value *ret) {
    const json_t *v = get(o, "anyOf");
    hl_go_value  *items = NULL;
    if (!v) return true;
    if (!json_is_array(v)) return fail_shape(r, p, "anyOf", "an array");
    if (!new_list(r, &hl_go_type_property_slice, json_array_size(v), &items, ret)) return false;
    for (size_t i = 0; i < json_array_size(v); i++) {
        const path at = {p, "anyOf", i};
        if (!read_property(r, &at, json_array_get(v, i), &items[i])) return false;
    }
    return true;
}

static bool read_inner_properties(hl_go_run *r, const path *p, const json_t *o, hl_go_value *ret) {
    hl_go_value *map = hl_go_get(r, 1, sizeof *map);
    if (map) *map = hl_go_zero(&hl_go_type_ordered);
    if (!map || !read_properties(r, p, o, &hl_go_type_ordered, map)) return false;
    if (map->u.map)
        *ret = (hl_go_value){.type = &hl_go_type_ordered_pointer, .is_outside = true, .u.to = map};
    return true;
}

static bool read_enum(hl_go_run *r, const path *p, const json_t *o, hl_go_value *ret) {
    const json_t *v = get(o, "enum");
    if (!v) return true;
    if (!json_is_array(v)) return fail_shape(r, p, "enum", "an array");
    return hl_go_from_json(r, v, ret);
}

static bool read_property(hl_go_run *r, const path *p, const json_t *j, hl_go_value *ret) {
    hl_go_value *f = NULL;
    if (!json_is_object(j)) return fail_shape(r, p, "", "an object");
    if (!hl_go_enter(r) || !new_struct(r, &hl_go_type_property, &f, ret)) return false;
    const bool ok = read_any_of(r, p, j, &f[PROP_ANY_OF]) && read_type(r, p, j, &f[PROP_TYPE]) &&
                    hl_go_from_json(r, get(j, "items"), &f[PROP_ITEMS]) &&
                    read_text(r, p, j, "description", &f[PROP_DESCRIPTION]) &&
                    read_enum(r, p, j, &f[PROP_ENUM]) &&
                    read_inner_properties(r, p, j, &f[PROP_PROPERTIES]) &&
                    read_texts(r, p, j, "required", &f[PROP_REQUIRED]);
    hl_go_leave(r);
    return ok;
}

static bool read_parameters(hl_go_run *r, const path *p, const json_t *j, hl_go_value *ret) {
    hl_go_value *f = NULL;
    if (!new_struct(r, &hl_go_type_tool_parameters, &f, ret)) return false;
    if (!j) return true;
    if (!json_is_object(j)) return fail_shape(r, p, "", "an object");
    return read_text(r, p, j, "type", &f[PAR_TYPE]) && hl_go_from_json(r, get(j, "$defs"), &f[PAR_DEFS]) &&
           hl_go_from_json(r, get(j, "items"), &f[PAR_ITEMS]) &&
           read_texts(r, p, j, "required", &f[PAR_REQUIRED]) &&
           read_properties(r, p, j, &hl_go_type_tool_properties, &f[PAR_PROPERTIES]);
}

static bool read_tool(hl_go_run *r, const path *p, const json_t *j, hl_go_value *ret) {
    const json_t *function = get(j, "function");
    const path    in_function = {p, "function", SIZE_MAX},
               in_parameters = {&in_function, "parameters", SIZE_MAX};
    hl_go_value *tool = NULL, *f = NULL;
    if (!json_is_object(j)) return fail_shape(r, p, "", "an object");
    if (!json_is_object(function)) return fail_shape(r, p, "function", "an object");
    return new_struct(r, &hl_go_type_tool, &tool, ret) &&
           new_struct(r, &hl_go_type_tool_function, &f, &tool[TOOL_FUNCTION]) &&
           read_text(r, p, j, "type", &tool[TOOL_TYPE]) &&
           hl_go_from_json(r, get(j, "items"), &tool[TOOL_ITEMS]) &&
           read_text(r, &in_function, function, "name", &f[TFN_NAME]) &&
           read_text(r, &in_function, function, "description", &f[TFN_DESCRIPTION]) &&
           read_parameters(r, &in_parameters, get(function, "parameters"), &f[TFN_PARAMETERS]);
}

static bool read_tools(hl_go_run *r, const json_t *tools, hl_go_value *ret) {
    hl_go_value *items = NULL;
    *ret = hl_go_zero(&hl_go_type_tools);
    if (json_array_size(tools) == 0) return true;
    if (!new_list(r, &hl_go_type_tools, json_array_size(tools), &items, ret)) return false;
    for (size_t i = 0; i < json_array_size(tools); i++) {
        const path at = {NULL, "tools", i};
        if (!read_tool(r, &at, json_array_get(tools, i), &items[i])) return false;
    }
    return true;
}

bool hl_go_env_make(hl_go_run *r, const json_t *messages, const json_t *tools, hl_go_env *ret) {
    *ret = (hl_go_env){.system = hl_go_zero(&hl_go_type_string)};
    return read_messages(r, messages, ret) && read_tools(r, tools, &ret->tools);
}

hl_view hl_go_message_role(hl_go_value message) { return hl_go_view(message.u.fields[MSG_ROLE]); }

hl_go_value hl_go_message_content(hl_go_value message) { return message.u.fields[MSG_CONTENT]; }

/* ---- TypeScript ---- */

static const char *typescript_word(hl_view type) {
    static const char *const words[][2] = {{"string", "string"},  {"number", "number"},
                                           {"integer", "number"}, {"boolean", "boolean"},
                                           {"array", "any[]"},    {"object", "Record<string, any>"},
                                           {"null", "null"}};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (hl_view_is(type, words[i][0])) return words[i][1];
    return "any";
}

bool hl_go_typescript_type(hl_go_run *r, hl_tainted *to, hl_go_value property) {
    static const hl_go_value none = {.type = &hl_go_type_property_slice};
    const hl_go_value        any_of = property.u.fields ? property.u.fields[PROP_ANY_OF] : none;
    const hl_go_value        types = property.u.fields ? property.u.fields[PROP_TYPE] : none;
    const hl_go_value       *list = hl_go_len(any_of)  ? any_of.u.list->items
                                    : hl_go_len(types) ? types.u.list->items
                                                       : NULL;
    const size_t             n = hl_go_len(any_of) ? hl_go_len(any_of) : hl_go_len(types);
    if (!hl_go_enter(r)) return false;
    if (n == 0) hl_tainted_add(to, hl_view_of("any"), false);
    for (size_t i = 0; i < n; i++) {
        if (i) hl_tainted_add(to, hl_view_of(" | "), false);
        if (list[i].type != &hl_go_type_property)
            hl_tainted_add(to, hl_view_of(typescript_word(hl_go_view(list[i]))), false);
        else if (!hl_go_typescript_type(r, to, list[i]))
            return false;
    }
    hl_go_leave(r);
    return hl_go_check_text(r, to);
}
