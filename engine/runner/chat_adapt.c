/* SPDX-License-Identifier: MIT
 *
 * chat_adapt.c - check messages, then bring them into the shape that a template can show.
 */
#include "engine/runner/chat_adapt.h"

#include <string.h>

#include "core/base/mem.h"
#include "core/base/str.h"
#include "engine/runner/chat_json.h"
#include "engine/template/template.h"

enum { MAX_TEXT_BYTES = 256 << 20, MAX_WORD = 40 };

static hl_status no_memory(hl_err *err) { return hl_fail(err, HL_E_NOMEM, "messages: no memory"); }

static bool is_text(const json_t *j) { return hl_chat_json_is_text(j); }

static bool is(const json_t *j, const char *word) {
    return is_text(j) && hl_view_is((hl_view){json_string_value(j), json_string_length(j)}, word);
}

static bool has_role(const json_t *message, const char *role) {
    return is(json_object_get(message, "role"), role);
}

/* ---- check ------------------------------------------------------------------------------------ */

/* Parts of type text under the names that OpenAI's interfaces have for them. */
static bool is_text_part(const json_t *type) {
    return !type || is(type, "text") || is(type, "input_text") || is(type, "output_text");
}

static hl_status check_part(const json_t *part, size_t i, size_t k, hl_err *err) {
    if (is_text(part)) return HL_OK;
    const json_t *type = json_object_get(part, "type");
    if (!json_is_object(part))
        return hl_fail(err, HL_E_FORMAT, "messages[%zu].content[%zu]: expected an object, found %s", i, k,
                       hl_chat_json_kind(part));
    if (type && !is_text(type))
        return hl_fail(err, HL_E_FORMAT, "messages[%zu].content[%zu].type: expected a string, found %s", i, k,
                       hl_chat_json_kind(type));
    if (!is_text_part(type))
        return hl_fail(err, HL_E_UNSUPPORTED,
                       "messages[%zu].content[%zu]: parts of type '%.*s' are not supported, expected text", i,
                       k, MAX_WORD, json_string_value(type));
    if (!is_text(json_object_get(part, "text")))
        return hl_fail(err, HL_E_FORMAT, "messages[%zu].content[%zu].text: expected a string, found %s", i, k,
                       hl_chat_json_kind(json_object_get(part, "text")));
    return HL_OK;
}

static hl_status check_content(const json_t *message, size_t i, hl_err *err) {
    const json_t *content = json_object_get(message, "content");
    hl_status     status = HL_OK;
    if (!content || is_text(content) || json_is_null(content)) return HL_OK;
    if (json_is_object(content) && has_role(message, "tool")) return HL_OK;
    if (!json_is_array(content))
        return hl_fail(err, HL_E_FORMAT,
                       "messages[%zu].content: expected a string, a list of parts or null, found %s", i,
                       hl_chat_json_kind(content));
    for (size_t k = 0; k < json_array_size(content) && status == HL_OK; k++)
        status = check_part(json_array_get(content, k), i, k, err);
    return status;
}

static hl_status check_calls(const json_t *calls, size_t i, hl_err *err) {
    if (!calls || json_is_null(calls)) return HL_OK;
    if (!json_is_array(calls))
        return hl_fail(err, HL_E_FORMAT, "messages[%zu].tool_calls: expected a list, found %s", i,
                       hl_chat_json_kind(calls));
    for (size_t k = 0; k < json_array_size(calls); k++) {
        const json_t *call = json_array_get(calls, k), *function = json_object_get(call, "function");
        if (!json_is_object(call))
            return hl_fail(err, HL_E_FORMAT, "messages[%zu].tool_calls[%zu]: expected an object, found %s", i,
                           k, hl_chat_json_kind(call));
        if (function && !json_is_object(function))
            return hl_fail(err, HL_E_FORMAT,
                           "messages[%zu].tool_calls[%zu].function: expected an object, found %s", i, k,
                           hl_chat_json_kind(function));
        if (function && !is_text(json_object_get(function, "name")))
            return hl_fail(err, HL_E_FORMAT,
                           "messages[%zu].tool_calls[%zu].function.name: expected a string, found %s", i, k,
                           hl_chat_json_kind(json_object_get(function, "name")));
    }
    return HL_OK;
}

hl_status hl_chat_check(const json_t *messages, hl_err *err) {
    hl_status status = HL_OK;
    if (!json_is_array(messages))
        return hl_fail(err, HL_E_FORMAT, "messages: expected a list, found %s", hl_chat_json_kind(messages));
    for (size_t i = 0; i < json_array_size(messages) && status == HL_OK; i++) {
        const json_t *m = json_array_get(messages, i), *role = json_object_get(m, "role");
        if (!json_is_object(m))
            return hl_fail(err, HL_E_FORMAT, "messages[%zu]: expected an object, found %s", i,
                           hl_chat_json_kind(m));
        if (!is_text(role))
            return hl_fail(err, HL_E_FORMAT, "messages[%zu].role: expected a string, found %s", i,
                           hl_chat_json_kind(role));
        status = check_content(m, i, err);
        if (status == HL_OK) status = check_calls(json_object_get(m, "tool_calls"), i, err);
    }
    return status;
}

/* ---- texts ------------------------------------------------------------------------------------ */

static json_t *new_text(const hl_str *s) {
    return s->failed ? NULL : json_stringn_nocheck(hl_str_text(s), s->len);
}

static void add_text(hl_str *s, const json_t *text) {
    hl_str_add(s, json_string_value(text), json_string_length(text));
}

static const json_t *part_text(const json_t *part) {
    return json_is_string(part) ? part : json_object_get(part, "text");
}

json_t *hl_chat_content_text(const json_t *content) {
    hl_str s;
    if (is_text(content)) return json_incref((json_t *)(uintptr_t)content);
    hl_str_init(&s, MAX_TEXT_BYTES);
    for (size_t k = 0; json_is_array(content) && k < json_array_size(content); k++) {
        if (k > 0) hl_str_add_char(&s, '\n');
        add_text(&s, part_text(json_array_get(content, k)));
    }
    json_t *text = new_text(&s);
    hl_str_done(&s);
    return text;
}

/* Put `value` there in place of what stands there, if anything. Takes the reference. */
static hl_status put(json_t *object, const char *key, json_t *value, hl_err *err) {
    return value && json_object_set_new_nocheck(object, key, value) == 0 ? HL_OK : no_memory(err);
}

/* One text behind the other, an empty line between them where neither is empty. New; NULL without memory. */
static json_t *join(const json_t *text, const json_t *more) {
    hl_str s;
    hl_str_init(&s, MAX_TEXT_BYTES);
    add_text(&s, text);
    if (json_string_length(text) && json_string_length(more)) hl_str_add_text(&s, "\n\n");
    add_text(&s, more);
    json_t *joined = new_text(&s);
    hl_str_done(&s);
    return joined;
}

/* ---- one message ------------------------------------------------------------------------------ */

/* Templates write marks of these: '<|' + role + '|>'. Any other role is a word from outside. */
static hl_status trust_role(json_t *message, hl_err *err) {
    static const char *const roles[] = {"system",    "user",     "assistant", "tool",
                                        "developer", "function", "ipython",   "observation"};
    const json_t            *role = json_object_get(message, "role");
    for (size_t i = 0; i < sizeof roles / sizeof *roles; i++) {
        if (is(role, roles[i])) return put(message, "role", hl_template_word(hl_view_of(roles[i])), err);
    }
    return HL_OK;
}

static json_t *new_part(const json_t *text) { return json_pack("{s:s, s:O}", "type", "text", "text", text); }

hl_status hl_chat_adapt_shape(json_t *message, bool as_parts, hl_err *err) {
    const json_t *content = json_object_get(message, "content");
    hl_status     status = trust_role(message, err);
    if (status == HL_OK && as_parts && is_text(content))
        status = put(message, "content", json_pack("[o]", new_part(content)), err);
    return status;
}

/* Parts under the names that templates know. */
static hl_status name_parts(json_t *content, hl_err *err) {
    hl_status status = HL_OK;
    for (size_t k = 0; k < json_array_size(content) && status == HL_OK; k++) {
        json_t *part = json_array_get(content, k);
        if (json_is_object(part) && !is(json_object_get(part, "type"), "text"))
            status = put(part, "type", json_string("text"), err);
        else if (json_is_string(part) && json_array_set_new(content, k, new_part(part)) != 0)
            status = no_memory(err);
    }
    return status;
}

static hl_status adapt_content(json_t *message, const hl_chat_caps *caps, hl_err *err) {
    json_t   *content = json_object_get(message, "content");
    hl_status status = json_is_array(content) ? name_parts(content, err) : HL_OK;
    if (status != HL_OK || !caps->is_known) return status;
    if (json_is_array(content) && !caps->text_parts)
        return put(message, "content", hl_chat_content_text(content), err);
    if (!has_role(message, "assistant") || (content && !json_is_null(content))) return HL_OK;
    if (content ? caps->null_content : caps->no_content) return HL_OK;
    return put(message, "content", !content && caps->null_content ? json_null() : json_string(""), err);
}

/* What `{{ value | tojson }}` says: JSON as models know it, and numbers keep their digits. */
static hl_status write_json(const json_t *value, json_t **ret, hl_err *err) {
    hl_template *t = NULL;
    hl_tainted   out;
    json_t      *context = json_pack("{s:O}", "value", value);
    hl_tainted_init(&out, MAX_TEXT_BYTES);
    hl_status status = context ? HL_OK : no_memory(err);
    if (status == HL_OK) status = hl_template_parse(hl_view_of("{{ value | tojson }}"), &t, err);
    if (status == HL_OK) status = hl_template_render(t, &(hl_template_input){.context = context}, &out, err);
    if (status == HL_OK && !(*ret = new_text(&out.text))) status = no_memory(err);
    hl_tainted_done(&out);
    hl_template_free(t);
    json_decref(context);
    return status;
}

/* Arguments of a call as an object or as JSON text, as the template has it. What a model wrote that is no
 * JSON object stays the text it is. */
static hl_status adapt_arguments(json_t *call, const hl_chat_caps *caps, hl_err *err) {
    json_t   *function = json_object_get(call, "function");
    json_t   *owner = function ? function : call;
    json_t   *arguments = json_object_get(owner, "arguments"), *other = NULL;
    hl_status status = HL_OK;
    if (is_text(arguments) && caps->object_arguments && !caps->text_arguments) {
        const hl_view text = {json_string_value(arguments), json_string_length(arguments)};
        hl_err        no_json;
        status = hl_chat_json_read(text, "arguments", &other, &no_json);
        if (status == HL_E_NOMEM || status == HL_E_CANCEL) {
            if (err) *err = no_json;
            return status;
        }
        if (status != HL_OK || !json_is_object(other)) {
            json_decref(other);
            return HL_OK;
        }
    } else if (json_is_object(arguments) && caps->text_arguments && !caps->object_arguments) {
        status = write_json(arguments, &other, err);
    }
    return status == HL_OK && other ? put(owner, "arguments", other, err) : status;
}

/* A template that shows no calls gets them as text, so that the results behind them answer something. */
static hl_status calls_to_text(json_t *message, json_t *calls, hl_err *err) {
    json_t   *said = hl_chat_content_text(json_object_get(message, "content"));
    hl_status status = said ? HL_OK : no_memory(err);
    for (size_t k = 0; k < json_array_size(calls) && status == HL_OK; k++) {
        const json_t *call = json_array_get(calls, k), *function = json_object_get(call, "function");
        json_t       *line = NULL;
        status = write_json(function ? function : call, &line, err);
        json_t *more = status == HL_OK ? join(said, line) : NULL;
        json_decref(line);
        if (status == HL_OK && !more) status = no_memory(err);
        if (!more) break;
        json_decref(said);
        said = more;
    }
    if (status == HL_OK) {
        (void)json_object_del(message, "tool_calls");
        return put(message, "content", said, err);
    }
    json_decref(said);
    return status;
}

static hl_status adapt_calls(json_t *message, const hl_chat_caps *caps, hl_err *err) {
    json_t   *calls = json_object_get(message, "tool_calls");
    hl_status status = HL_OK;
    if (!json_array_size(calls)) return HL_OK;
    for (size_t k = 0; k < json_array_size(calls) && status == HL_OK; k++)
        status = adapt_arguments(json_array_get(calls, k), caps, err);
    return status == HL_OK && !caps->tool_calls ? calls_to_text(message, calls, err) : status;
}

/* ---- texts that move to another turn ---------------------------------------------------------- */

static json_t *to_parts(const json_t *content) {
    if (json_is_array(content)) return json_copy((json_t *)(uintptr_t)content);
    json_t *text = hl_chat_content_text(content);
    json_t *list = text ? json_pack("[o]", new_part(text)) : NULL;
    json_decref(text);
    return list;
}

/* One content behind the other, an empty line between them. New; NULL without memory. */
static json_t *join_contents(const json_t *content, const json_t *more) {
    if (json_is_array(content) || json_is_array(more)) {
        json_t    *list = to_parts(content), *rest = to_parts(more), *line = json_string("\n\n");
        const bool ok = list && rest && line && json_array_append_new(list, new_part(line)) == 0 &&
                        json_array_extend(list, rest) == 0;
        json_decref(line);
        json_decref(rest);
        if (ok) return list;
        json_decref(list);
        return NULL;
    }
    json_t *text = hl_chat_content_text(content), *rest = hl_chat_content_text(more);
    json_t *joined = text && rest ? join(text, rest) : NULL;
    json_decref(text);
    json_decref(rest);
    return joined;
}

typedef struct mover {
    json_t *out;           /* the messages so far */
    json_t *waiting;       /* system text for the next user's turn; NULL: none */
    bool    last_is_moved; /* the last of `out` is a user's turn made of tool results */
} mover;

static json_t *last_of(const json_t *list) { return json_array_get(list, json_array_size(list) - 1); }

static hl_status add_to(json_t *message, const json_t *content, hl_err *err) {
    return put(message, "content", join_contents(json_object_get(message, "content"), content), err);
}

static hl_status wait_with(mover *w, const json_t *content, hl_err *err) {
    json_t *both =
        w->waiting ? join_contents(w->waiting, content) : json_incref((json_t *)(uintptr_t)content);
    json_decref(w->waiting);
    w->waiting = both;
    return both ? HL_OK : no_memory(err);
}

static hl_status move_system(mover *w, json_t *message, const hl_chat_caps *caps, hl_err *err) {
    const json_t *content = json_object_get(message, "content");
    json_t       *last = last_of(w->out);
    const bool    is_first = !last && !w->waiting;
    if (is_first ? caps->system : caps->system_later) /* has a place of its own */
        return json_array_append(w->out, message) == 0 ? HL_OK : no_memory(err);
    if (json_array_size(w->out) == 1 && has_role(last, "system")) return add_to(last, content, err);
    return content ? wait_with(w, content, err) : HL_OK;
}

/* A tool's result as what a user says. */
static hl_status move_result(json_t *message, hl_err *err) {
    json_t   *content = json_object_get(message, "content"), *text = NULL;
    hl_status status = put(message, "role", json_string("user"), err);
    if (status != HL_OK || !json_is_object(content)) return status;
    status = write_json(content, &text, err);
    return status == HL_OK ? put(message, "content", text, err) : status;
}

static hl_status move_turn(mover *w, json_t *message, const hl_chat_caps *caps, hl_err *err) {
    const bool is_result = has_role(message, "tool") && !caps->tool_results;
    hl_status  status = is_result ? move_result(message, err) : HL_OK;
    if (status == HL_OK && w->waiting && has_role(message, "user")) {
        json_t *content = join_contents(w->waiting, json_object_get(message, "content"));
        json_decref(w->waiting);
        w->waiting = NULL;
        status = put(message, "content", content, err);
    }
    if (status != HL_OK) return status;
    json_t *last = last_of(w->out); /* many templates want turns to alternate */
    if (has_role(message, "user") && has_role(last, "user") && (is_result || w->last_is_moved))
        status = add_to(last, json_object_get(message, "content"), err);
    else if (json_array_append(w->out, message) != 0)
        status = no_memory(err);
    w->last_is_moved = is_result;
    return status;
}

/* System text that no user's turn followed. */
static hl_status move_rest(mover *w, hl_err *err) {
    json_t *last = last_of(w->out);
    if (!w->waiting) return HL_OK;
    if (has_role(last, "user")) return add_to(last, w->waiting, err);
    json_t *turn = json_pack("{s:s, s:O}", "role", "user", "content", w->waiting);
    return turn && json_array_append_new(w->out, turn) == 0 ? HL_OK : no_memory(err);
}

static hl_status move_texts(json_t *messages, const hl_chat_caps *caps, hl_err *err) {
    mover     w = {.out = json_array()};
    hl_status status = w.out ? HL_OK : no_memory(err);
    for (size_t i = 0; i < json_array_size(messages) && status == HL_OK; i++) {
        json_t *m = json_array_get(messages, i);
        status = has_role(m, "system") ? move_system(&w, m, caps, err) : move_turn(&w, m, caps, err);
    }
    if (status == HL_OK) status = move_rest(&w, err);
    if (status == HL_OK && (json_array_clear(messages) != 0 || json_array_extend(messages, w.out) != 0))
        status = no_memory(err);
    json_decref(w.waiting);
    json_decref(w.out);
    return status;
}

hl_status hl_chat_adapt(json_t *messages, const hl_chat_caps *caps, hl_err *err) {
    hl_status status = HL_OK;
    for (size_t i = 0; i < json_array_size(messages) && status == HL_OK; i++) {
        json_t *m = json_array_get(messages, i);
        if (has_role(m, "developer") && !caps->developer) status = put(m, "role", json_string("system"), err);
        if (status == HL_OK) status = adapt_content(m, caps, err);
        if (status == HL_OK && caps->is_known) status = adapt_calls(m, caps, err);
    }
    if (status == HL_OK && caps->is_known) status = move_texts(messages, caps, err);
    for (size_t i = 0; i < json_array_size(messages) && status == HL_OK; i++)
        status =
            hl_chat_adapt_shape(json_array_get(messages, i), caps->is_known && caps->needs_text_parts, err);
    return status;
}
