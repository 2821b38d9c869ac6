/* SPDX-License-Identifier: MIT
 *
 * response_items.c - items of /v1/responses: read, looked up again, and turned into messages.
 */
#include "server/api/response_items.h"

#include <stdio.h>
#include <string.h>

#include "core/base/str.h"

enum { MAX_HISTORY = 1 << 16 };

static hl_status no_memory(hl_err *err) { return hl_fail(err, HL_E_NOMEM, "server: no memory"); }

static json_t *copy_text(const json_t *text) {
    return json_stringn(json_string_value(text), json_string_length(text));
}

/* ---- reading ---- */

static json_t *text_part(const char *type, const json_t *text) {
    json_t *part = json_pack("{s:s, s:o}", "type", type, "text", copy_text(text));
    if (part && strcmp(type, "output_text") == 0)
        (void)json_object_set_new(part, "annotations", json_array());
    return part;
}

/* Content as a list of parts of text. */
static hl_status read_content(const json_t *content, const char *type, const char *where, json_t **ret,
                              hl_err *err) {
    size_t        i;
    const json_t *part;
    json_t       *parts = json_array();
    hl_status     status = parts ? HL_OK : no_memory(err);
    if (status == HL_OK && json_is_string(content) &&
        json_array_append_new(parts, text_part(type, content)) != 0)
        status = no_memory(err);
    if (status == HL_OK && content && !json_is_null(content) && !json_is_string(content) &&
        !json_is_array(content))
        status = hl_fail(err, HL_E_ARG, "%s: expected a text or a list of parts", where);
    json_array_foreach(content, i, part) {
        if (status != HL_OK) break;
        const char   *kind = hl_json_text(part, "type");
        const json_t *text = json_object_get(part, kind && strcmp(kind, "refusal") == 0 ? "refusal" : "text");
        const bool    is_text = !kind || strcmp(kind, "text") == 0 || strcmp(kind, "input_text") == 0 ||
                             strcmp(kind, "output_text") == 0 || strcmp(kind, "refusal") == 0;
        if (!is_text)
            status = hl_fail(err, HL_E_UNSUPPORTED, "%s[%zu]: type '%.40s': this build reads texts only",
                             where, i, kind);
        else if (!json_is_string(text))
            status = hl_fail(err, HL_E_ARG, "%s[%zu]: expected a part with a text", where, i);
        else if (json_array_append_new(parts, text_part(type, text)) != 0)
            status = no_memory(err);
    }
    if (status == HL_OK)
        *ret = parts;
    else
        json_decref(parts);
    return status;
}

static bool is_role(const char *role) {
    static const char *const roles[] = {"user", "assistant", "system", "developer"};
    for (size_t i = 0; role && i < sizeof roles / sizeof *roles; i++)
        if (strcmp(role, roles[i]) == 0) return true;
    return false;
}

static hl_status read_message(const json_t *item, size_t at, json_t *to, hl_err *err) {
    const char *role = hl_json_text(item, "role");
    char        where[64];
    json_t     *parts = NULL;
    if (!is_role(role))
        return hl_fail(err, HL_E_ARG, "input[%zu].role: expected user, assistant, system or developer", at);
    (void)snprintf(where, sizeof where, "input[%zu].content", at);
    const char     *type = strcmp(role, "assistant") == 0 ? "output_text" : "input_text";
    const hl_status status = read_content(json_object_get(item, "content"), type, where, &parts, err);
    if (status != HL_OK) return status;
    return json_object_set_new(to, "content", parts) == 0 ? HL_OK : no_memory(err);
}

/* A call's arguments are a text; some send the object itself. */
static hl_status read_call(const json_t *item, size_t at, json_t *to, hl_err *err) {
    const json_t *arguments = json_object_get(item, "arguments");
    if (!hl_json_text(item, "name")) return hl_fail(err, HL_E_ARG, "input[%zu].name: expected a text", at);
    if (json_is_string(arguments)) return HL_OK;
    if (arguments && !json_is_object(arguments) && !json_is_null(arguments))
        return hl_fail(err, HL_E_ARG, "input[%zu].arguments: expected JSON as a text", at);
    hl_str s;
    hl_str_init(&s, SIZE_MAX);
    if (json_is_object(arguments))
        hl_json_format(arguments, false, &s);
    else
        hl_str_add_text(&s, "{}");
    const bool ok = !s.failed && json_object_set_new(to, "arguments", json_stringn(s.ptr, s.len)) == 0;
    hl_str_done(&s);
    return ok ? HL_OK : no_memory(err);
}

/* What a tool said: a text, or parts of text. */
static hl_status read_output(const json_t *item, size_t at, json_t *to, hl_err *err) {
    const json_t *output = json_object_get(item, "output");
    char          where[64];
    json_t       *parts = NULL;
    if (json_is_string(output)) return HL_OK;
    (void)snprintf(where, sizeof where, "input[%zu].output", at);
    const hl_status status = read_content(output, "input_text", where, &parts, err);
    if (status != HL_OK) return status;
    return json_object_set_new(to, "output", parts) == 0 ? HL_OK : no_memory(err);
}

static hl_status read_reasoning(const json_t *item, size_t at, json_t *to, hl_err *err) {
    static const char *const keys[] = {"summary", "content"};
    (void)to;
    for (size_t k = 0; k < 2; k++) {
        const json_t *parts = json_object_get(item, keys[k]);
        if (parts && !json_is_null(parts) && !json_is_array(parts))
            return hl_fail(err, HL_E_ARG, "input[%zu].%s: expected a list", at, keys[k]);
    }
    return HL_OK;
}

static const struct {
    const char *type, *prefix;
    hl_status (*read)(const json_t *item, size_t at, json_t *to,
                      hl_err *err); /* checks, and completes `to` */
    bool is_of_call;
} kinds[] = {{"message", "msg", read_message, false},
             {"function_call", "fc", read_call, true},
             {"function_call_output", "fco", read_output, true},
             {"reasoning", "rs", read_reasoning, false}};

/* Ids that we made say whose item it is: "msg_TAG_3", "rs_TAG". */
static hl_status find_item(const hl_keeper *k, const char *id, size_t at, json_t **ret, hl_err *err) {
    hl_kept_response *r = NULL;
    char              of[HL_RESPONSE_ID_BYTES];
    const char       *tag = strchr(id, '_');
    json_t           *lists[2] = {0}, *item;
    size_t            i;
    (void)snprintf(of, sizeof of, "resp_%.16s", tag ? tag + 1 : "");
    hl_status status = hl_store_find_response(k->store, of, k->owner, &r, NULL);
    if (status == HL_OK) status = hl_json_parse_any(r->input_json, "kept input", &lists[0], err);
    if (status == HL_OK) status = hl_json_parse_any(r->response_json, "kept response", &lists[1], err);
    *ret = NULL;
    for (int n = 0; n < 2 && status == HL_OK && !*ret; n++) {
        const json_t *items = n == 0 ? lists[0] : json_object_get(lists[1], "output");
        json_array_foreach(items, i, item) {
            const char *its = hl_json_text(item, "id");
            if (its && strcmp(its, id) == 0) *ret = json_incref(item);
        }
    }
    json_decref(lists[0]);
    json_decref(lists[1]);
    hl_kept_response_free(r);
    if (status == HL_OK && *ret) return HL_OK;
    return hl_fail(err, HL_E_NOT_FOUND, "input[%zu]: item '%.80s' is not kept here", at, id);
}

static hl_status complete_item(const json_t *item, size_t kind, size_t at, const char *tag, json_t *to,
                               hl_err *err) {
    char id[64];
    if (kinds[kind].is_of_call && !hl_json_text(item, "call_id"))
        return hl_fail(err, HL_E_ARG, "input[%zu].call_id: expected a text", at);
    const hl_status status = kinds[kind].read(item, at, to, err);
    if (status != HL_OK) return status;
    (void)snprintf(id, sizeof id, "%s_%s_%zu", kinds[kind].prefix, tag, at);
    bool ok = json_object_set_new(to, "type", json_string(kinds[kind].type)) == 0;
    if (!hl_json_text(item, "id")) ok = json_object_set_new(to, "id", json_string(id)) == 0 && ok;
    if (!hl_json_text(item, "status"))
        ok = json_object_set_new(to, "status", json_string("completed")) == 0 && ok;
    return ok ? HL_OK : no_memory(err);
}

static hl_status read_item(const json_t *item, size_t at, const char *tag, const hl_keeper *k,
                           json_t *to_list, hl_err *err) {
    if (!json_is_object(item)) return hl_fail(err, HL_E_ARG, "input[%zu]: expected an object", at);
    const char *type = hl_json_text(item, "type"), *id = hl_json_text(item, "id");
    if (!type) type = !json_object_get(item, "role") && id ? "item_reference" : "message";
    json_t   *to = NULL;
    hl_status status = HL_OK;
    size_t    kind = 0;
    while (kind < sizeof kinds / sizeof *kinds && strcmp(type, kinds[kind].type) != 0) kind++;
    if (kind < sizeof kinds / sizeof *kinds) {
        to = json_copy((json_t *)(uintptr_t)item);
        status = to ? complete_item(item, kind, at, tag, to, err) : no_memory(err);
    } else if (strcmp(type, "item_reference") == 0 && id) {
        status = find_item(k, id, at, &to, err);
    } else {
        return hl_fail(err, HL_E_UNSUPPORTED, "input[%zu]: type '%.40s' is not known to this build", at,
                       type);
    }
    if (status == HL_OK && json_array_append(to_list, to) != 0) status = no_memory(err);
    json_decref(to);
    return status;
}

hl_status hl_response_read_items(const json_t *input, const char *tag, const hl_keeper *k, json_t **ret,
                                 hl_err *err) {
    size_t        i;
    const json_t *item;
    json_t       *list = json_array(), *message = NULL;
    hl_status     status = list ? HL_OK : no_memory(err);
    if (json_is_null(input)) input = NULL;
    if (status == HL_OK && input && !json_is_string(input) && !json_is_array(input))
        status = hl_fail(err, HL_E_ARG, "input: expected a text or a list of items");
    if (status == HL_OK && json_is_string(input)) {
        message = json_pack("{s:s, s:o}", "role", "user", "content", copy_text(input));
        status = message ? read_item(message, 0, tag, k, list, err) : no_memory(err);
    }
    json_array_foreach(input, i, item) if (status == HL_OK) status = read_item(item, i, tag, k, list, err);
    json_decref(message);
    if (status == HL_OK)
        *ret = list;
    else
        json_decref(list);
    return status;
}

/* ---- what was said before ---- */

/* Its items in front of `lists`, a list of lists; *ret_previous is the caller's. */
static hl_status add_kept(const hl_kept_response *r, json_t *lists, hl_err *err) {
    json_t   *input = NULL, *response = NULL;
    hl_status status = hl_json_parse_any(r->input_json, "kept input", &input, err);
    if (status == HL_OK) status = hl_json_parse_any(r->response_json, "kept response", &response, err);
    json_t *output = json_object_get(response, "output");
    if (status == HL_OK && (!json_is_array(input) || !json_is_array(output)))
        status = hl_fail(err, HL_E_FORMAT, "kept response '%.60s': expected lists of items", r->id);
    if (status == HL_OK &&
        (json_array_insert(lists, 0, output) != 0 || json_array_insert(lists, 0, input) != 0))
        status = no_memory(err);
    json_decref(input);
    json_decref(response);
    return status;
}

hl_status hl_response_add_history(const hl_keeper *k, const char *id, json_t *items, hl_err *err) {
    json_t           *lists = json_array(), *list;
    hl_kept_response *r = NULL;
    size_t            i;
    hl_status status = lists ? hl_store_find_response(k->store, id, k->owner, &r, err) : no_memory(err);
    for (int n = 0; status == HL_OK && n < MAX_HISTORY; n++) {
        hl_kept_response *before = NULL;
        status = add_kept(r, lists, err);
        if (status != HL_OK || !r->previous_id) break;
        status = hl_store_find_response(k->store, r->previous_id, k->owner, &before, err);
        hl_kept_response_free(r);
        r = before;
    }
    json_array_foreach(lists, i, list) if (status == HL_OK && json_array_extend(items, list) != 0) status =
        no_memory(err);
    hl_kept_response_free(r);
    json_decref(lists);
    return status;
}

/* ---- items to messages ---- */

typedef struct writer {
    json_t *messages;
    json_t *open;    /* the assistant's message that goes on, in messages; NULL: none */
    json_t *names;   /* of functions, by the ids of their calls */
    hl_str  text;    /* scratch */
    hl_str  thought; /* for the assistant's next message */
    bool    failed;
} writer;

static void check(writer *w, bool ok) { w->failed |= !ok; }

/* The texts of parts, or the text that it is, into w->text. */
static void gather(writer *w, const json_t *content, hl_str *to) {
    size_t        i;
    const json_t *part;
    if (json_is_string(content)) hl_str_add(to, json_string_value(content), json_string_length(content));
    json_array_foreach(content, i, part) {
        const json_t *text = json_object_get(part, "text");
        if (!json_is_string(text)) continue;
        if (i > 0) hl_str_add_char(to, '\n');
        hl_str_add(to, json_string_value(text), json_string_length(text));
    }
    check(w, !to->failed);
}

static json_t *text_of(const hl_str *s) { return json_stringn(s->len ? s->ptr : "", s->len); }

static json_t *add_message(writer *w, const char *role) {
    json_t *m = json_pack("{s:s, s:o}", "role", role, "content", text_of(&w->text));
    check(w, m && json_array_append(w->messages, m) == 0);
    json_decref(m); /* the list has it */
    hl_str_clear(&w->text);
    return w->failed ? NULL : m;
}

/* The assistant's message that text, calls and reasoning go into. */
static json_t *open_assistant(writer *w) {
    if (!w->open) {
        hl_str_clear(&w->text);
        w->open = add_message(w, "assistant");
    }
    if (w->open && w->thought.len > 0)
        check(w, json_object_set_new(w->open, "reasoning_content", text_of(&w->thought)) == 0);
    hl_str_clear(&w->thought);
    return w->open;
}

static void close_assistant(writer *w) {
    if (w->thought.len > 0) (void)open_assistant(w); /* it was cut off while it thought */
    w->open = NULL;
}

static void write_message(writer *w, const json_t *item) {
    const char *role = hl_json_text(item, "role");
    hl_str_clear(&w->text);
    if (!role || strcmp(role, "assistant") != 0) {
        close_assistant(w);
        gather(w, json_object_get(item, "content"), &w->text);
        (void)add_message(w, role ? role : "user");
        return;
    }
    json_t       *m = open_assistant(w);
    const json_t *said = json_object_get(m, "content");
    hl_str_clear(&w->text);
    gather(w, said, &w->text);
    if (w->text.len > 0) hl_str_add_char(&w->text, '\n');
    gather(w, json_object_get(item, "content"), &w->text);
    check(w, m && json_object_set_new(m, "content", text_of(&w->text)) == 0);
}

static void write_call(writer *w, const json_t *item) {
    json_t *m = open_assistant(w), *calls = json_object_get(m, "tool_calls");
    if (!m) return;
    if (!calls) {
        check(w, json_object_set_new(m, "tool_calls", json_array()) == 0);
        calls = json_object_get(m, "tool_calls");
    }
    json_t *name = json_object_get(item, "name"), *arguments = json_object_get(item, "arguments");
    check(w, json_object_set(w->names, hl_json_text(item, "call_id"), name) == 0);
    check(w, json_array_append_new(calls, json_pack("{s:O, s:s, s:{s:O, s:O}}", "id",
                                                    json_object_get(item, "call_id"), "type", "function",
                                                    "function", "name", name, "arguments", arguments)) == 0);
}

static void write_output(writer *w, const json_t *item) {
    json_t *id = json_object_get(item, "call_id"), *name = json_object_get(w->names, json_string_value(id));
    close_assistant(w);
    hl_str_clear(&w->text);
    gather(w, json_object_get(item, "output"), &w->text);
    json_t *m = add_message(w, "tool");
    check(w, m && json_object_set(m, "tool_call_id", id) == 0);
    if (m && name) check(w, json_object_set(m, "name", name) == 0);
}

/* What it thought stands in front of what it said; clients hand back the one or the other list. */
static void write_reasoning(writer *w, const json_t *item) {
    const json_t *content = json_object_get(item, "content");
    w->open = NULL;
    if (w->thought.len > 0) hl_str_add_char(&w->thought, '\n');
    gather(w, json_array_size(content) > 0 ? content : json_object_get(item, "summary"), &w->thought);
}

hl_status hl_response_add_messages(const json_t *items, json_t *messages, hl_err *err) {
    writer        w = {.messages = messages, .names = json_object()};
    size_t        i;
    const json_t *item;
    hl_str_init(&w.text, SIZE_MAX);
    hl_str_init(&w.thought, SIZE_MAX);
    check(&w, w.names != NULL);
    json_array_foreach(items, i, item) {
        const char *type = hl_json_text(item, "type");
        if (w.failed || !type) continue;
        if (strcmp(type, "message") == 0) write_message(&w, item);
        if (strcmp(type, "function_call") == 0) write_call(&w, item);
        if (strcmp(type, "function_call_output") == 0) write_output(&w, item);
        if (strcmp(type, "reasoning") == 0) write_reasoning(&w, item);
    }
    close_assistant(&w);
    const bool failed = w.failed || w.text.failed || w.thought.failed;
    hl_str_done(&w.text);
    hl_str_done(&w.thought);
    json_decref(w.names);
    return failed ? no_memory(err) : HL_OK;
}

/* ---- tools ---- */

static hl_status add_tools(const json_t *tools, json_t *list, size_t *n_left_out, int depth, hl_err *err) {
    size_t        i;
    const json_t *tool;
    hl_status     status = HL_OK;
    json_array_foreach(tools, i, tool) {
        const char *type = hl_json_text(tool, "type"), *name = hl_json_text(tool, "name");
        if (status != HL_OK) break;
        if (!json_is_object(tool)) return hl_fail(err, HL_E_ARG, "tools[%zu]: expected an object", i);
        if (!type) return hl_fail(err, HL_E_ARG, "tools[%zu].type: expected a text", i);
        if (strcmp(type, "namespace") == 0 && depth == 0) {
            status = add_tools(json_object_get(tool, "tools"), list, n_left_out, depth + 1, err);
            continue;
        }
        if (strcmp(type, "function") != 0) {
            (*n_left_out)++;
            continue;
        }
        if (!name) return hl_fail(err, HL_E_ARG, "tools[%zu].name: expected a text", i);
        json_t *f = json_pack("{s:s}", "name", name);
        for (const char *const *key = (const char *const[]){"description", "parameters", NULL}; *key; key++) {
            json_t *v = json_object_get(tool, *key);
            if (f && v && !json_is_null(v) && json_object_set(f, *key, v) != 0) status = no_memory(err);
        }
        if (json_array_append_new(list, json_pack("{s:s, s:o}", "type", "function", "function", f)) != 0)
            status = no_memory(err);
    }
    return status;
}

hl_status hl_response_read_tools(const json_t *tools, json_t **ret, size_t *ret_n_left_out, hl_err *err) {
    json_t         *list = json_array();
    const hl_status status = list ? add_tools(tools, list, ret_n_left_out, 0, err) : no_memory(err);
    if (status == HL_OK)
        *ret = list;
    else
        json_decref(list);
    return status;
}
