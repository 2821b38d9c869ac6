/* SPDX-License-Identifier: MIT
 *
 * tool_calls.c - check tools, read the choice among them, gather calls.
 *
 * from: OpenAI's and Anthropic's API references (August 2026): the shapes of tool_choice
 */
#include "server/tool_calls.h"

#include <stdio.h>
#include <string.h>

#include "core/base/mem.h"
#include "core/data/json_check.h"
#include "server/server_priv.h"

enum { MAX_ARGUMENT_BYTES = HL_JSON_CHECK_MOST_BYTES, MAX_NAME_BYTES = 256, MAX_CALLS = 4096 };

/* ---- calls ------------------------------------------------------------------------------------ */

void hl_tool_calls_free(hl_tool_call *calls, size_t n) {
    for (size_t i = 0; i < n; i++) {
        hl_str_done(&calls[i].name);
        hl_str_done(&calls[i].arguments);
    }
    hl_free(calls);
}

/* Ids must differ within a conversation: ours have the request's in them. */
static void make_id(const hl_completion *c, const hl_choice *k, const hl_token_event *ev,
                    hl_tool_call *call) {
    if (ev->call_id.len > 0 && ev->call_id.len < sizeof call->id) {
        (void)snprintf(call->id, sizeof call->id, "%.*s", (int)ev->call_id.len, ev->call_id.ptr);
        size_t i = 0;
        while (i < k->n_calls && strcmp(k->calls[i].id, call->id) != 0) i++;
        if (i == k->n_calls) return;
    }
    (void)snprintf(call->id, sizeof call->id, "%s%s%02zx%02zx",
                   c->dialect->call_prefix ? c->dialect->call_prefix : "call_", c->x->id + 4,
                   (size_t)(k - c->choices), k->n_calls);
}

static hl_status begin(hl_completion *c, hl_choice *k, const hl_token_event *ev, hl_err *err) {
    if (k->n_calls == MAX_CALLS)
        return hl_fail(err, HL_E_LIMIT, "answer: more than %d tool calls", MAX_CALLS);
    hl_tool_call *calls = hl_resize(k->calls, k->n_calls + 1, sizeof *calls);
    if (!calls) return hl_fail(err, HL_E_NOMEM, "server: no memory");
    k->calls = calls;
    hl_tool_call *call = &calls[k->n_calls];
    *call = (hl_tool_call){0};
    make_id(c, k, ev, call);
    hl_str_init(&call->name, MAX_NAME_BYTES);
    hl_str_init(&call->arguments, MAX_ARGUMENT_BYTES);
    hl_str_add_view(&call->name, ev->text);
    k->n_calls++;
    return hl_str_check(&call->name, "a tool's name", err);
}

hl_status hl_tool_calls_take(hl_completion *c, hl_choice *k, const hl_token_event *ev, hl_err *err) {
    if (ev->call == HL_CALL_BEGIN) return begin(c, k, ev, err);
    if (k->n_calls == 0) return hl_fail(err, HL_E_INTERNAL, "a call's arguments without a call");
    hl_tool_call *call = &k->calls[k->n_calls - 1];
    if (ev->call == HL_CALL_ARGUMENTS) hl_str_add_view(&call->arguments, ev->text);
    if (ev->call == HL_CALL_END) {
        call->is_over = true;
        call->is_cut = ev->is_cut;
    }
    return hl_str_check(&call->arguments, "a tool's arguments", err);
}

bool hl_tool_calls_are_whole(const hl_choice *k) {
    for (size_t i = 0; i < k->n_calls; i++)
        if (!k->calls[i].is_over || k->calls[i].is_cut) return false;
    return k->n_calls > 0;
}

void hl_add_arguments(hl_json_out *j, const char *key, const hl_tool_call *call) {
    const bool is_object = hl_json_is_object(hl_str_view(&call->arguments));
    hl_json_add_raw(j, key, is_object ? hl_str_text(&call->arguments) : "{}");
}

/* ---- tools ------------------------------------------------------------------------------------ */

static const json_t *function_of(const json_t *tool) { return json_object_get(tool, "function"); }

static const char *name_of(const json_t *tool) { return hl_json_text(function_of(tool), "name"); }

/* `seen` has the names so far, with their numbers: many tools are no reason to compare each with each. */
static hl_status check_is_new(json_t *seen, const char *name, size_t i, hl_err *err) {
    const json_t *before = json_object_get(seen, name);
    if (before)
        return hl_fail(err, HL_E_ARG,
                       "tools[%zu].function.name: '%.60s' is the name of tools[%" JSON_INTEGER_FORMAT
                       "], too",
                       i, name, json_integer_value(before));
    return json_object_set_new_nocheck(seen, name, json_integer((json_int_t)i)) == 0
               ? HL_OK
               : hl_fail(err, HL_E_NOMEM, "server: no memory");
}

static hl_status check_tool(const json_t *tools, size_t i, json_t *seen, hl_err *err) {
    const json_t *tool = json_array_get(tools, i);
    const char   *type = hl_json_text(tool, "type");
    if (!json_is_object(tool)) return hl_fail(err, HL_E_ARG, "tools[%zu]: expected an object", i);
    if (type && strcmp(type, "function") != 0)
        return hl_fail(err, HL_E_UNSUPPORTED, "tools[%zu]: type '%.40s': only functions are known here", i,
                       type);
    const char   *name = name_of(tool);
    const json_t *schema = json_object_get(function_of(tool), "parameters");
    if (!name || !*name || strlen(name) > MAX_NAME_BYTES)
        return hl_fail(err, HL_E_ARG, "tools[%zu].function.name: expected a text of 1 to %d bytes", i,
                       MAX_NAME_BYTES);
    for (const char *p = name; *p; p++)
        if ((unsigned char)*p <= ' ' || strchr("<>{}[]()\"'`=,", *p))
            return hl_fail(err, HL_E_ARG,
                           "tools[%zu].function.name: '%.60s' has a character that no call could name", i,
                           name);
    if (schema && !json_is_null(schema) && !json_is_object(schema))
        return hl_fail(err, HL_E_ARG, "tools[%zu].function.parameters: expected a JSON schema, an object", i);
    return check_is_new(seen, name, i, err);
}

hl_status hl_completion_set_tools(hl_completion *c, const json_t *tools, hl_err *err) {
    json_t   *seen = json_object();
    hl_status status = seen ? HL_OK : hl_fail(err, HL_E_NOMEM, "server: no memory");
    for (size_t i = 0; i < json_array_size(tools) && status == HL_OK; i++)
        status = check_tool(tools, i, seen, err);
    json_decref(seen);
    if (status != HL_OK || json_array_size(tools) == 0) return status;
    hl_json_format(tools, false, &c->tools);
    status = hl_str_check(&c->tools, "tools", err);
    if (status == HL_OK) c->request.tools_json = hl_str_text(&c->tools);
    return status;
}

/* ---- the choice ------------------------------------------------------------------------------- */

/* Its name, in any of the shapes: {"function": {"name"}}, {"name"}. */
static const char *named_by(const json_t *choice) {
    const char *name = hl_json_text(function_of(choice), "name");
    return name ? name : hl_json_text(choice, "name");
}

static json_t *find(const json_t *tools, const char *name) {
    size_t  i;
    json_t *tool;
    json_array_foreach(tools, i, tool) {
        const char *its = name_of(tool);
        if (its && strcmp(its, name) == 0) return tool;
    }
    return NULL;
}

static hl_status choose_named(hl_completion *c, const json_t *tools, const json_t *choice, hl_err *err) {
    const char *name = named_by(choice);
    if (!name) return hl_fail(err, HL_E_ARG, "tool_choice: expected the name of a tool");
    if (!find(tools, name))
        return hl_fail(err, HL_E_ARG, "tool_choice: '%.60s' is not among the tools", name);
    c->request.tool_choice = HL_TOOL_CHOICE_NAMED;
    c->request.tool_name = name;
    return HL_OK;
}

static hl_status choose_word(hl_completion *c, const char *word, hl_err *err) {
    static const struct {
        const char    *word;
        hl_tool_choice choice;
    } words[] = {{"auto", HL_TOOL_CHOICE_AUTO},
                 {"none", HL_TOOL_CHOICE_NONE},
                 {"required", HL_TOOL_CHOICE_REQUIRED},
                 {"any", HL_TOOL_CHOICE_REQUIRED}};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (strcmp(word, words[i].word) != 0) continue;
        c->request.tool_choice = words[i].choice;
        return HL_OK;
    }
    return hl_fail(err, HL_E_ARG, "tool_choice: found '%.40s', expected none, auto, required or a tool",
                   word);
}

/* {"type": "allowed_tools", "mode", "tools"}, and OpenAI's chat has the last two one level down: those of the
 * list are all there is. */
static hl_status choose_allowed(hl_completion *c, const json_t *tools, const json_t *choice, json_t *left,
                                hl_err *err) {
    const json_t *inner = json_object_get(choice, "allowed_tools"),
                 *from = json_is_object(inner) ? inner : choice;
    const json_t *list = json_object_get(from, "tools"), *one;
    const char   *mode = hl_json_text(from, "mode");
    size_t        i;
    hl_status     status = choose_word(c, mode ? mode : "auto", err);
    if (status == HL_OK && json_array_size(list) == 0)
        status = hl_fail(err, HL_E_ARG, "tool_choice.tools: expected at least one tool");
    json_array_foreach(list, i, one) {
        const char *name = named_by(one);
        json_t     *tool = name ? find(tools, name) : NULL;
        if (status != HL_OK) break;
        if (!tool) return hl_fail(err, HL_E_ARG, "tool_choice.tools[%zu]: is not among the tools", i);
        if (json_array_append(left, tool) != 0) status = hl_fail(err, HL_E_NOMEM, "server: no memory");
    }
    return status;
}

static hl_status choose(hl_completion *c, const json_t *tools, const json_t *choice, json_t *left,
                        hl_err *err) {
    if (!choice || json_is_null(choice)) return HL_OK;
    if (json_is_string(choice)) return choose_word(c, json_string_value(choice), err);
    const char *type = hl_json_text(choice, "type");
    if (!json_is_object(choice) || !type)
        return hl_fail(err, HL_E_ARG, "tool_choice: expected a word, or an object with a type");
    if (strcmp(type, "function") == 0 || strcmp(type, "tool") == 0)
        return choose_named(c, tools, choice, err);
    if (strcmp(type, "allowed_tools") == 0) return choose_allowed(c, tools, choice, left, err);
    return choose_word(c, type, err);
}

hl_status hl_tools_choose(hl_completion *c, const json_t *tools, const json_t *choice, json_t **ret_tools,
                          hl_err *err) {
    json_t   *left = json_array();
    hl_status status = left ? HL_OK : hl_fail(err, HL_E_NOMEM, "server: no memory");
    if (status == HL_OK) status = choose(c, tools, choice, left, err);
    const bool must = c->request.tool_choice >= HL_TOOL_CHOICE_REQUIRED;
    if (status == HL_OK && must && json_array_size(tools) == 0)
        status = hl_fail(err, HL_E_ARG, "tool_choice: there are no tools to choose from");
    if (status == HL_OK && json_array_size(left) == 0 &&
        json_array_extend(left, (json_t *)(uintptr_t)tools) != 0 && tools)
        status = hl_fail(err, HL_E_NOMEM, "server: no memory");
    if (status == HL_OK)
        *ret_tools = left;
    else
        json_decref(left);
    return status;
}
