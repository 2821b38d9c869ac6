/* SPDX-License-Identifier: MIT
 *
 * doctor_tools.c - short questions to a model that has a tool, each about one thing.
 */
#include "cli/doctor_tools.h"

#include <stdio.h>
#include <string.h>

#include "hyperlama/native.h"

enum { MAX_ANSWER_BYTES = 1 << 20, MOST_TOKENS = 400, SHOWN_BYTES = 120 };

#define TOOLS                                                                                                \
    "[{\"type\": \"function\", \"function\": {\"name\": \"get_weather\", \"description\": \"Get the "        \
    "weather "                                                                                               \
    "of a city\", \"parameters\": {\"type\": \"object\", \"properties\": {\"city\": {\"type\": \"string\", " \
    "\"description\": \"The name of the city\"}, \"days\": {\"type\": \"integer\", \"description\": \"For "  \
    "how "                                                                                                   \
    "many days, from today on\"}}, \"required\": [\"city\"]}}}]"
#define USER(text) "{\"role\": \"user\", \"content\": \"" text "\"}"
#define CALLED                                                                                               \
    "{\"role\": \"assistant\", \"content\": \"\", \"tool_calls\": [{\"id\": \"call00001\", \"type\": "       \
    "\"function\", \"function\": {\"name\": \"get_weather\", \"arguments\": {\"city\": \"Paris\"}}}]}, "     \
    "{\"role\": \"tool\", \"tool_call_id\": \"call00001\", \"name\": \"get_weather\", \"content\": "         \
    "\"{\\\"sky\\\": \\\"rain\\\", \\\"celsius\\\": 17}\"}"

/* What came of a question. */
typedef struct heard {
    hl_str said, thought, calls; /* NAME(ARGUMENTS), one behind another */
    size_t n_calls, n_argument_parts, n_cut;
} heard;

typedef struct check {
    hl_conversation   chat;
    hl_tool_check_fn *fn;
    void             *user;
    heard             got;
    bool              has_called;
} check;

static void heard_clear(heard *h) {
    hl_str_clear(&h->said);
    hl_str_clear(&h->thought);
    hl_str_clear(&h->calls);
    h->n_calls = h->n_argument_parts = h->n_cut = 0;
}

static bool listen(void *user, const hl_token_event *ev) {
    heard *h = user;
    switch (ev->call) {
    case HL_CALL_NONE: hl_str_add_view(ev->is_thinking ? &h->thought : &h->said, ev->text); break;
    case HL_CALL_BEGIN:
        if (h->n_calls++ > 0) hl_str_add_text(&h->calls, ", ");
        hl_str_add_view(&h->calls, ev->text);
        hl_str_add_char(&h->calls, '(');
        break;
    case HL_CALL_ARGUMENTS:
        h->n_argument_parts++;
        hl_str_add_view(&h->calls, ev->text);
        break;
    case HL_CALL_END:
        h->n_cut += ev->is_cut;
        hl_str_add_char(&h->calls, ')');
        break;
    }
    return true;
}

static void say(const check *c, const char *what, bool is_fine, const char *text) {
    c->fn(c->user, what, is_fine ? HL_TOOLS_FINE : HL_TOOLS_ODD, text);
}

/* The beginning of what was heard: calls, or words. */
static void say_heard(const check *c, const char *what, bool is_fine) {
    const heard  *h = &c->got;
    const hl_str *s = h->n_calls > 0 ? &h->calls : &h->said;
    char          text[SHOWN_BYTES + 40], *p;
    size_t        n = s->len < SHOWN_BYTES ? s->len : SHOWN_BYTES;
    while (n > 0 && n < s->len && ((unsigned char)s->ptr[n] & 0xC0) == 0x80) n--; /* whole characters */
    (void)snprintf(text, sizeof text, "%s%.*s%s", h->n_calls > 0 ? "" : "said: ", (int)n, hl_str_text(s),
                   n < s->len ? " ..." : "");
    for (p = text; *p; p++)
        if (*p == '\n') *p = ' ';
    say(c, what, is_fine, text);
}

static hl_status ask(check *c, const char *messages, hl_think think, hl_err *err) {
    hl_request r;
    hl_request_init(&r);
    r.messages_json = messages;
    r.tools_json = TOOLS;
    r.think = think;
    r.sampling = c->chat.options.sampling;
    r.sampling.temperature = 0;
    r.max_tokens = MOST_TOKENS;
    r.n_ctx = c->chat.n_ctx;
    r.stops = (const char *const *)c->chat.options.stops;
    r.n_stops = c->chat.options.n_stops;
    r.stored_template = c->chat.stored ? c->chat.stored->template_text : NULL;
    heard_clear(&c->got);
    return hl_runner_generate(c->chat.runner, &r, listen, &c->got, NULL, err);
}

/* What its template can show. */
static hl_status check_template(check *c, hl_chat_caps *caps, hl_err *err) {
    const hl_request r = {.tools_json = TOOLS,
                          .stored_template = c->chat.stored ? c->chat.stored->template_text : NULL};
    hl_model        *m = NULL;
    char             text[200];
    hl_status        status = hl_host_open_model(c->chat.host, c->chat.source, true, &m, err);
    if (status == HL_OK) status = hl_chat_get_caps(m, &r, caps, err);
    hl_model_close(m);
    if (status != HL_OK) return status;
    (void)snprintf(text, sizeof text, "shows tools: %s, calls: %s, several: %s, results: %s, thinking: %s",
                   caps->tools ? "yes" : "no", caps->tool_calls ? "yes" : "no",
                   caps->parallel_tool_calls ? "yes" : "no", caps->tool_results ? "yes" : "no",
                   caps->thinking ? "can be switched" : "no switch");
    if (!caps->call_format) {
        c->fn(c->user, "template", HL_TOOLS_BAD, "it has no chat template that could tell it of tools");
        return HL_OK;
    }
    if (caps->is_known && !caps->tools) {
        c->fn(c->user, "template", HL_TOOLS_BAD,
              "it has no place for tools: the model is never told of them; `run --template @FILE` takes one "
              "that has");
        return HL_OK;
    }
    say(c, "template", caps->tools && caps->tool_calls && caps->tool_results, text);
    say(c, "format", true, caps->call_format ? caps->call_format : "none");
    return HL_OK;
}

static hl_status check_calls(check *c, hl_err *err) {
    const heard *h = &c->got;
    char         text[80];
    hl_status    status = ask(c, "[" USER("What is the weather in Paris now?") "]", HL_THINK_DEFAULT, err);
    if (status != HL_OK) return status;
    c->has_called = h->n_calls > 0;
    say_heard(c, "calls", h->n_calls > 0 && h->n_cut == 0 && strstr(hl_str_text(&h->calls), "Paris"));
    (void)snprintf(text, sizeof text, "arguments in %zu pieces", h->n_argument_parts);
    say(c, "streaming", h->n_argument_parts > 1, text);
    (void)snprintf(text, sizeof text, "%zu bytes of reasoning in front of it", h->thought.len);
    say(c, "thinking", true, h->thought.len > 0 ? text : "none in front of it");
    status = ask(c, "[" USER("What is the weather in Paris, and what is it in Rome? Look up both.") "]",
                 HL_THINK_DEFAULT, err);
    if (status != HL_OK) return status;
    say_heard(c, "parallel", h->n_calls > 1 && h->n_cut == 0);
    c->has_called |= h->n_calls > 0;
    if (!c->has_called)
        c->fn(c->user, "verdict", HL_TOOLS_BAD,
              "no call came: it may be made to call (tool_choice), but does not by itself");
    return HL_OK;
}

static hl_status check_answers(check *c, hl_err *err) {
    const heard *h = &c->got;
    hl_status    status =
        ask(c, "[" USER("What is the weather in Paris now?") ", " CALLED "]", HL_THINK_DEFAULT, err);
    if (status != HL_OK) return status;
    say_heard(c, "results", h->n_calls == 0 && strstr(hl_str_text(&h->said), "17"));
    status = ask(c, "[" USER("Say hello, and nothing else.") "]", HL_THINK_DEFAULT, err);
    if (status != HL_OK) return status;
    say_heard(c, "restraint", h->n_calls == 0 && h->said.len > 0);
    return HL_OK;
}

hl_status hl_doctor_tools(hl_host *h, const hl_config *settings, const hl_events *events, const char *model,
                          hl_tool_check_fn *fn, void *user, hl_err *err) {
    check        c = {.fn = fn, .user = user};
    hl_chat_caps caps = {0};
    hl_conversation_init(&c.chat, settings, events);
    hl_str_init(&c.got.said, MAX_ANSWER_BYTES);
    hl_str_init(&c.got.thought, MAX_ANSWER_BYTES);
    hl_str_init(&c.got.calls, MAX_ANSWER_BYTES);
    hl_status status = hl_conversation_open(&c.chat, h, model, err);
    if (status == HL_OK) status = check_template(&c, &caps, err);
    const bool asks = status == HL_OK && c.chat.has_template && (caps.tools || !caps.is_known);
    if (asks) status = check_calls(&c, err);
    if (asks && status == HL_OK) status = check_answers(&c, err);
    hl_str_done(&c.got.said);
    hl_str_done(&c.got.thought);
    hl_str_done(&c.got.calls);
    hl_conversation_done(&c.chat);
    return status;
}
