/* SPDX-License-Identifier: MIT
 *
 * chat_caps.c - conversations of one question each, and numbers in them to look for in what comes out.
 *
 * The marks are digits: no filter for case, white space or quotes changes them, and no template holds them.
 */
#define _GNU_SOURCE
#include "engine/runner/chat_caps.h"

#include <string.h>

#include "engine/runner/chat_adapt.h"
#include "engine/runner/chat_json.h"

enum { OUT_LIMIT_BYTES = 4 << 20, MAX_STEPS = 500000 }; /* two turns take some thousand; asking stays short */

#define ASKED  "7160493852"
#define SAID   "5283940617"
#define RULE   "9046172835"
#define RESULT "6627049183"
#define TOOL   "4471830296"
#define TOOL_2 "8350261749"
#define KEY    "2790586134"
#define VALUE  "1947302658"

#define USER   "{\"role\":\"user\",\"content\":\"" ASKED "\"}"
#define SYSTEM "{\"role\":\"system\",\"content\":\"" RULE "\"}"
#define OBJECT "{\"" KEY "\":\"" VALUE "\"}"
#define TEXT   "\"{\\\"" KEY "\\\": \\\"" VALUE "\\\"}\""
/* Mistral wants ids of nine letters and digits. */
#define CALL(id, name, arguments)                                                                            \
    "{\"id\":\"" id "\",\"type\":\"function\",\"function\":{\"name\":\"" name "\",\"arguments\":" arguments  \
    "}}"
#define CALLS(content, calls) "{\"role\":\"assistant\"," content "\"tool_calls\":[" calls "]}"
#define RESULT_OF(id, name)                                                                                  \
    "{\"role\":\"tool\",\"tool_call_id\":\"" id "\",\"name\":\"" name "\",\"content\":\"" RESULT "\"}"

static const char ONE_QUESTION[] = "[" USER "]";
static const char TOOLS[] =
    "[{\"type\":\"function\",\"function\":{\"name\":\"" TOOL "\",\"description\":\"d\",\"parameters\":"
    "{\"type\":\"object\",\"properties\":{\"k\":{\"type\":\"string\",\"description\":\"d\"}},\"required\":["
    "\"k\"]}}}]";

typedef struct asker {
    const hl_chat_template *t;
    bool                    as_parts;    /* content as lists of parts */
    bool                    needs_tools; /* nothing comes out without a list of tools */
    int                     think;       /* 1, 0; -1: not said */
    const char             *effort;      /* NULL: not said */
    hl_tainted              out;         /* of the last rendering that succeeded */
    hl_status               status;      /* other than HL_OK: nothing more is asked */
    hl_err                 *err;
} asker;

static json_t *parse(asker *a, const char *text) {
    json_t *j = NULL;
    if (a->status == HL_OK) a->status = hl_chat_json_read(hl_view_of(text), "probe", &j, a->err);
    return j;
}

static bool out_has(const asker *a, const char *mark) {
    return memmem(hl_str_text(&a->out.text), a->out.text.len, mark, strlen(mark)) != NULL;
}

static size_t out_count(const asker *a, const char *word) {
    size_t      n = 0;
    const char *p = hl_str_text(&a->out.text), *end = p + a->out.text.len;
    while ((p = memmem(p, (size_t)(end - p), word, strlen(word)))) {
        n++;
        p += strlen(word);
    }
    return n;
}

/* Render; false when the template refuses. */
static bool render(asker *a, const char *messages, bool tools) {
    json_t *list = parse(a, messages), *context = NULL, *trusted = NULL;
    hl_err  refused = {0};
    for (size_t i = 0; a->status == HL_OK && i < json_array_size(list); i++)
        a->status = hl_chat_adapt_shape(json_array_get(list, i), a->as_parts, a->err);
    json_t *specs = tools || a->needs_tools ? parse(a, TOOLS) : json_null();
    if (a->status == HL_OK) {
        context = json_pack("{s:O, s:O, s:n}", "messages", list, "tools", specs, "documents");
        trusted = json_pack("{s:b, s:s, s:s}", "add_generation_prompt", 1, "bos_token", "", "eos_token", "");
        if (trusted && a->think >= 0) {
            (void)json_object_set_new(trusted, "enable_thinking", json_boolean(a->think));
            (void)json_object_set_new(trusted, "thinking", json_boolean(a->think));
            if (a->effort) (void)json_object_set_new(trusted, "reasoning_effort", json_string(a->effort));
        }
        if (!context || !trusted) a->status = hl_fail(a->err, HL_E_NOMEM, "template: no memory");
    }
    hl_tainted_done(&a->out);
    hl_tainted_init(&a->out, OUT_LIMIT_BYTES);
    hl_status status = a->status;
    if (status == HL_OK) {
        const hl_template_input in = {
            .context = context, .trusted = trusted, .now_ms = 1, .max_steps = MAX_STEPS};
        status = hl_chat_template_render(a->t, &in, &a->out, &refused);
        if (status == HL_E_NOMEM || status == HL_E_CANCEL) {
            a->status = status;
            if (a->err) *a->err = refused;
        }
    }
    json_decref(list);
    json_decref(specs);
    json_decref(context);
    json_decref(trusted);
    return status == HL_OK;
}

static bool shows(asker *a, const char *messages, bool tools, const char *mark) {
    return render(a, messages, tools) && out_has(a, mark);
}

/* What a list of parts looks like when it is printed as if it were a text. */
static bool is_printed_list(const asker *a) { return out_has(a, "'type'") || out_has(a, "\"type\""); }

static void ask_content(asker *a, hl_chat_caps *c) {
    const bool text = shows(a, ONE_QUESTION, false, ASKED);
    hl_tainted plain = a->out;
    a->out = (hl_tainted){0};
    a->as_parts = true;
    const bool parts = shows(a, ONE_QUESTION, false, ASKED);
    c->text_parts = parts && (text ? hl_view_eq(hl_str_view(&plain.text), hl_str_view(&a->out.text))
                                   : !is_printed_list(a));
    c->needs_text_parts = a->as_parts = c->text_parts && !text;
    c->is_known = text || c->needs_text_parts;
    hl_tainted_done(&plain);
}

static void ask_roles(asker *a, hl_view source, hl_chat_caps *c) {
    c->system = shows(a, "[" SYSTEM "," USER "]", false, RULE) && out_has(a, ASKED);
    c->system_later = shows(
        a, "[" USER ",{\"role\":\"assistant\",\"content\":\"" SAID "\"}," SYSTEM "," USER "]", false, RULE);
    c->developer = memmem(source.ptr, source.len, "developer", 9) &&
                   shows(a, "[{\"role\":\"developer\",\"content\":\"" RULE "\"}," USER "]", false, RULE);
}

/* Arguments in the shape that the template does not expect come out quoted once too often, or as Python
 * prints them. */
static bool shows_arguments(asker *a, const char *messages) {
    return shows(a, messages, true, KEY) && out_has(a, VALUE) && !out_has(a, "'" KEY "'") &&
           !out_has(a, "\\\"" KEY);
}

#define ONE_CALL(content, arguments) CALLS(content, CALL("call00001", TOOL, arguments))
#define TWO_CALLS(arguments)                                                                                 \
    CALLS("\"content\":\"\",", CALL("call00001", TOOL, arguments) "," CALL("call00002", TOOL_2, arguments))
#define BEFORE(calls) "[" USER "," calls "," RESULT_OF("call00001", TOOL) "]"
#define LAST(calls)   "[" USER "," calls "]"
#define EMPTY         "\"content\":\"\","
#define NOTHING       "\"content\":null,"

/* [as text][the result follows]: some templates want it, some refuse it. */
static const char *const one_call[2][2] = {{LAST(ONE_CALL(EMPTY, OBJECT)), BEFORE(ONE_CALL(EMPTY, OBJECT))},
                                           {LAST(ONE_CALL(EMPTY, TEXT)), BEFORE(ONE_CALL(EMPTY, TEXT))}};
static const char *const null_call[2][2] = {
    {LAST(ONE_CALL(NOTHING, OBJECT)), BEFORE(ONE_CALL(NOTHING, OBJECT))},
    {LAST(ONE_CALL(NOTHING, TEXT)), BEFORE(ONE_CALL(NOTHING, TEXT))}};
static const char *const bare_call[2][2] = {{LAST(ONE_CALL("", OBJECT)), BEFORE(ONE_CALL("", OBJECT))},
                                            {LAST(ONE_CALL("", TEXT)), BEFORE(ONE_CALL("", TEXT))}};
static const char *const two_calls[2][2] = {{LAST(TWO_CALLS(OBJECT)), BEFORE(TWO_CALLS(OBJECT))},
                                            {LAST(TWO_CALLS(TEXT)), BEFORE(TWO_CALLS(TEXT))}};

/* Another turn must come out as one whose content is empty does, at least without a "None". */
static bool shows_nothing(asker *a, const char *empty, const char *other) {
    if (!render(a, empty, true)) return false;
    const size_t n = out_count(a, "None");
    return render(a, other, true) && out_count(a, "None") == n;
}

/* Does a list of tools change the prompt? Whatever it makes of them, then: a name, or only a count. */
static bool sees_tools(asker *a) {
    if (shows(a, ONE_QUESTION, true, TOOL)) return true;
    hl_tainted with = a->out;
    a->out = (hl_tainted){0};
    const bool is_other = !a->needs_tools && with.text.len > 0 && render(a, ONE_QUESTION, false) &&
                          !hl_view_eq(hl_str_view(&with.text), hl_str_view(&a->out.text));
    hl_tainted_done(&with);
    return is_other;
}

static void ask_tools(asker *a, hl_chat_caps *c) {
    c->tools = sees_tools(a);
    c->object_arguments = shows_arguments(a, one_call[0][1]) || shows_arguments(a, one_call[0][0]);
    c->text_arguments = shows_arguments(a, one_call[1][1]) || shows_arguments(a, one_call[1][0]);
    c->tool_calls = c->object_arguments || c->text_arguments;
    const int t = !c->object_arguments && c->text_arguments;
    c->tool_results = shows(a, one_call[t][1], true, RESULT);
    c->parallel_tool_calls =
        c->tool_calls && (shows(a, two_calls[t][1], true, TOOL_2) || shows(a, two_calls[t][0], true, TOOL_2));
    for (int result = 0; result < 2; result++) {
        c->null_content |= shows_nothing(a, one_call[t][result], null_call[t][result]);
        c->no_content |= shows_nothing(a, one_call[t][result], bare_call[t][result]);
    }
}

/* Do the two ways of asking give two prompts? */
static bool differs(asker *a, int think_1, const char *effort_1, int think_2, const char *effort_2) {
    a->think = think_1;
    a->effort = effort_1;
    const bool one = render(a, ONE_QUESTION, false);
    hl_tainted first = a->out;
    a->out = (hl_tainted){0};
    a->think = think_2;
    a->effort = effort_2;
    const bool two = render(a, ONE_QUESTION, false);
    a->think = -1;
    a->effort = NULL;
    const bool is_other = one && two && !hl_view_eq(hl_str_view(&first.text), hl_str_view(&a->out.text));
    hl_tainted_done(&first);
    return is_other;
}

/* Some templates know some of the levels only. */
/* Templates of models that always think have no switch, but the marks: they open reasoning, or take that of
 * earlier turns out. */
static bool names_reasoning(const hl_chat_template *t) {
    const char *const words[] = {hl_call_format_think_open(t->format), hl_call_format_think_close(t->format),
                                 "reasoning_content"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (memmem(t->source, t->n_source, words[i], strcspn(words[i], "\n"))) return true;
    return t->go && hl_gotemplate_mentions(t->go, "thinking");
}

static void ask_thinking(asker *a, hl_chat_caps *c) {
    const hl_view source = {a->t->source, a->t->n_source};
    c->thinking = differs(a, 1, NULL, 0, NULL);
    if (!(a->t->go ? hl_gotemplate_mentions(a->t->go, "thinklevel")
                   : memmem(source.ptr, source.len, "reasoning_effort", 16) != NULL))
        return;
    c->think_levels = differs(a, 1, "low", 1, "high") ||
                      differs(a, 1, "high", 1, hl_chat_template_effort(a->t, HL_THINK_MAX));
    c->thinking |= c->think_levels;
}

hl_status hl_chat_caps_find(const hl_chat_template *t, hl_chat_caps *ret, hl_err *err) {
    hl_chat_caps c = {0};
    asker        a = {.t = t, .think = -1, .err = err};
    ask_content(&a, &c);
    if (!c.is_known && a.status == HL_OK) { /* one that is made for tools */
        a.needs_tools = true;
        a.as_parts = false;
        ask_content(&a, &c);
    }
    if (c.is_known) {
        ask_roles(&a, (hl_view){t->source, t->n_source}, &c);
        ask_tools(&a, &c);
        ask_thinking(&a, &c);
    }
    c.can_think = c.thinking || names_reasoning(t);
    c.fill = t->go && hl_gotemplate_mentions(t->go, "suffix");
    hl_tainted_done(&a.out);
    if (a.status == HL_OK) *ret = c;
    return a.status;
}
