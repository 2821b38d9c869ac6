/* SPDX-License-Identifier: MIT
 *
 * chat.c - render messages with a template, and make ids of the result.
 *
 * Everything that a request brings is tainted, what the template says is not; the tokenizer takes a control
 * token only where no byte of it is tainted.
 */
#define _GNU_SOURCE
#include "engine/runner/chat.h"

#include <stdio.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/base/taint.h"
#include "engine/runner/chat_adapt.h"
#include "engine/runner/chat_json.h"
#include "engine/runner/chat_results.h"
#include "engine/tokenizer/encode.h"

enum { PROMPT_LIMIT_BYTES = 64 << 20 };

static hl_status no_memory(hl_err *err) { return hl_fail(err, HL_E_NOMEM, "prompt: no memory"); }

/* ---- which template --------------------------------------------------------------------------- */

static hl_template_choice choice_of(hl_template_origin origin, hl_template_kind kind, hl_view text) {
    return (hl_template_choice){.origin = origin, .kind = kind, .text = text};
}

/* What a request asks of a template beyond plain turns. */
typedef struct wants {
    bool tools;    /* tools are given, or messages call them or bring results */
    bool thinking; /* it is asked for in so many words */
} wants;

static bool thinks(const hl_request *req) {
    return req->think != HL_THINK_DEFAULT && req->think != HL_THINK_OFF;
}

/* The model file's own; where there are tools the one for these. */
static hl_template_choice own_choice(const hl_model *m, bool with_tools) {
    const hl_view tool_use = m && with_tools ? hl_model_named_template(m, "tool_use") : (hl_view){0};
    const hl_view jinja = m ? hl_model_chat_template(m) : (hl_view){0};
    if (tool_use.len > 0) return choice_of(HL_TEMPLATE_FOR_TOOL_USE, HL_TEMPLATE_JINJA, tool_use);
    if (jinja.len > 0) return choice_of(HL_TEMPLATE_OF_MODEL, HL_TEMPLATE_JINJA, jinja);
    return choice_of(HL_TEMPLATE_NONE, HL_TEMPLATE_ANY, (hl_view){0});
}

/* Go is what TEMPLATE means, unless it is plainly Jinja. */
static hl_template_choice stored_choice(const hl_request *req) {
    const hl_view stored = hl_view_of(req->stored_template);
    if (stored.len == 0) return choice_of(HL_TEMPLATE_NONE, HL_TEMPLATE_ANY, stored);
    return choice_of(HL_TEMPLATE_STORED,
                     hl_template_looks(stored) == HL_LOOKS_LIKE_JINJA ? HL_TEMPLATE_JINJA : HL_TEMPLATE_GO,
                     stored);
}

static bool lacks_tools(const hl_chat_caps *c, const hl_chat_caps *other) {
    return (other->tools && !c->tools) || (other->tool_calls && !c->tool_calls) ||
           (other->tool_results && !c->tool_results);
}

static bool lacks_thinking(const hl_chat_caps *c, const hl_chat_caps *other) {
    return other->can_think && !c->can_think;
}

/* fails as hl_chat_template_new() */
static hl_status find_caps(hl_chat_templates *kept, const hl_template_choice *c, hl_chat_caps *ret,
                           const hl_call_format **ret_format, hl_err *err) {
    const hl_chat_template *t = NULL;
    hl_chat_template       *own = NULL;
    const hl_status         status = kept ? hl_chat_template_get(kept, c->text, c->kind, &t, err)
                                          : hl_chat_template_new(c->text, c->kind, &own, err);
    if (status != HL_OK) return status;
    *ret = (t ? t : own)->caps;
    *ret_format = (t ? t : own)->format;
    if (t) hl_chat_template_give_back(kept, t);
    hl_chat_template_free(own);
    return HL_OK;
}

static bool is_no_answer(hl_status status) { return status == HL_E_NOMEM || status == HL_E_CANCEL; }

/* docs/decisions/0012-template-goes-first.md: TEMPLATE, unless the file's own shows what is asked for and
 * TEMPLATE does not, or TEMPLATE is none.
 * fails HL_E_NOMEM, HL_E_CANCEL */
static hl_status choose(hl_chat_templates *kept, const hl_model *m, const hl_request *req, wants w,
                        hl_template_choice *ret, hl_err *err) {
    const hl_template_choice own = own_choice(m, w.tools), stored = stored_choice(req);
    const hl_call_format    *ignored = NULL;
    hl_chat_caps             stored_caps, own_caps;
    hl_err                   why = {0};
    if (req->template_text) {
        const hl_view text = hl_view_of(req->template_text);
        const bool is_go = req->template_kind == HL_TEMPLATE_ANY ? hl_template_looks(text) == HL_LOOKS_LIKE_GO
                                                                 : req->template_kind == HL_TEMPLATE_GO;
        *ret = choice_of(HL_TEMPLATE_OF_REQUEST, is_go ? HL_TEMPLATE_GO : HL_TEMPLATE_JINJA, text);
        return HL_OK;
    }
    *ret = stored.text.len > 0 ? stored : own;
    if (stored.text.len == 0 || own.text.len == 0) return HL_OK;
    hl_status status = find_caps(kept, &stored, &stored_caps, &ignored, &why);
    if (status != HL_OK && !is_no_answer(status)) { /* it is none */
        *ret = own;
        return HL_OK;
    }
    if (status == HL_OK && (w.tools || w.thinking)) {
        status = find_caps(kept, &own, &own_caps, &ignored, &why);
        if (status == HL_OK && ((w.tools && lacks_tools(&stored_caps, &own_caps)) ||
                                (w.thinking && lacks_thinking(&stored_caps, &own_caps))))
            *ret = own;
    }
    return is_no_answer(status) ? hl_fail(err, status, "%s", why.text) : HL_OK;
}

void hl_chat_choose_template(const hl_model *m, const hl_request *req, hl_template_choice *ret_choice) {
    const wants w = {.tools = req->tools_json != NULL, .thinking = thinks(req)};
    if (choose(NULL, m, req, w, ret_choice, NULL) != HL_OK) return; /* it is set all the same */
}

static hl_status fail_within(const hl_template_choice *c, hl_status status, hl_err *err) {
    if (status == HL_OK || c->origin == HL_TEMPLATE_OF_REQUEST) return status;
    return hl_fail_within(err, status,
                          c->origin == HL_TEMPLATE_STORED ? "the model's stored TEMPLATE"
                                                          : "the model's chat template");
}

/* A request on its way to a prompt. */
typedef struct making {
    const hl_model         *model; /* NULL: none */
    const hl_tokenizer     *tokenizer;
    const hl_request       *req;
    json_t                 *messages, *tools;
    hl_chat_templates      *kept; /* where the template goes back to; NULL: it is ours */
    const hl_chat_template *t;    /* NULL: there is none */
    json_t                 *last; /* the message that the answer goes on from; NULL: none */
    bool       has_answer;        /* some of the answer stands in the text: it has no reasoning to come */
    bool       has_thought;       /* some of its reasoning, which goes on */
    hl_tainted text;
} making;

static void making_init(making *k, const hl_model *m, hl_chat_templates *kept, const hl_request *req) {
    *k = (making){.model = m, .tokenizer = m ? hl_model_tokenizer(m) : NULL, .req = req, .kept = kept};
    hl_tainted_init(&k->text, PROMPT_LIMIT_BYTES);
}

static void making_done(making *k) {
    if (k->kept)
        hl_chat_template_give_back(k->kept, k->t);
    else
        hl_chat_template_free((hl_chat_template *)(uintptr_t)k->t);
    json_decref(k->messages);
    json_decref(k->tools);
    json_decref(k->last);
    hl_tainted_done(&k->text);
}

static bool has_role(const json_t *message, const char *role) {
    const json_t *r = json_object_get(message, "role");
    return json_is_string(r) && strcmp(json_string_value(r), role) == 0;
}

static bool calls_tools(const json_t *messages) {
    for (size_t i = 0; i < json_array_size(messages); i++) {
        const json_t *m = json_array_get(messages, i);
        if (has_role(m, "tool") || json_array_size(json_object_get(m, "tool_calls")) > 0) return true;
    }
    return false;
}

static hl_status choose_template(making *k, hl_err *err) {
    hl_template_choice c;
    const bool         is_chat = k->messages != NULL; /* else it is a hole that is filled */
    const wants        w = {.tools = is_chat && (json_array_size(k->tools) > 0 || calls_tools(k->messages)),
                            .thinking = is_chat && thinks(k->req)};
    hl_status          status = choose(k->kept, k->model, k->req, w, &c, err);
    if (status != HL_OK || c.text.len == 0) return status;
    hl_chat_template *own = NULL;
    status = k->kept ? hl_chat_template_get(k->kept, c.text, c.kind, &k->t, err)
                     : hl_chat_template_new(c.text, c.kind, &own, err);
    if (own) k->t = own;
    return fail_within(&c, status, err);
}

/* What the file's own template is taken for (choose()), the model shows, too. */
static hl_status add_own_caps(const hl_model *m, hl_chat_caps *caps, hl_err *err) {
    const hl_template_choice own = own_choice(m, true);
    const hl_call_format    *format = NULL;
    hl_chat_caps             more;
    hl_err                   why = {0};
    if (own.text.len == 0) return HL_OK;
    const hl_status status = find_caps(NULL, &own, &more, &format, &why);
    if (is_no_answer(status)) return hl_fail(err, status, "%s", why.text);
    if (status != HL_OK) return HL_OK;
    if (lacks_tools(caps, &more)) {
        caps->tools = more.tools;
        caps->tool_calls = more.tool_calls;
        caps->parallel_tool_calls = more.parallel_tool_calls;
        caps->object_arguments = more.object_arguments;
        caps->text_arguments = more.text_arguments;
        caps->tool_results = more.tool_results;
        caps->call_format = format->name;
    }
    if (lacks_thinking(caps, &more)) {
        caps->thinking = more.thinking;
        caps->can_think = more.can_think;
        caps->think_levels = more.think_levels;
    }
    return HL_OK;
}

hl_status hl_chat_get_caps(const hl_model *m, const hl_request *req, hl_chat_caps *ret_caps, hl_err *err) {
    const wants           w = {.tools = req->tools_json != NULL, .thinking = thinks(req)};
    const hl_call_format *format = NULL;
    hl_template_choice    c;
    hl_chat_caps          caps;
    hl_status             status = choose(NULL, m, req, w, &c, err);
    *ret_caps = (hl_chat_caps){0};
    if (status != HL_OK || c.text.len == 0) return status;
    status = fail_within(&c, find_caps(NULL, &c, &caps, &format, err), err);
    if (status != HL_OK) return status;
    caps.call_format = format->name;
    if (c.origin == HL_TEMPLATE_STORED) status = add_own_caps(m, &caps, err);
    if (status == HL_OK) *ret_caps = caps;
    return status;
}

/* ---- what it is given ------------------------------------------------------------------------- */

static hl_status read_messages(const hl_request *req, json_t **ret, hl_err *err) {
    hl_status status = hl_chat_json_read(hl_view_of(req->messages_json), "messages", ret, err);
    return status == HL_OK ? hl_chat_check(*ret, err) : status;
}

static hl_status read_tools(const hl_request *req, json_t **ret, hl_err *err) {
    *ret = json_null(); /* as transformers has it: defined, and none */
    if (!req->tools_json) return HL_OK;
    const hl_status status = hl_chat_json_read(hl_view_of(req->tools_json), "tools", ret, err);
    if (status != HL_OK) return status;
    if (!json_is_array(*ret) && !json_is_null(*ret))
        return hl_fail(err, HL_E_FORMAT, "tools: expected a list, found %s", hl_chat_json_kind(*ret));
    for (size_t i = 0; i < json_array_size(*ret); i++) {
        if (!json_is_object(json_array_get(*ret, i)))
            return hl_fail(err, HL_E_FORMAT, "tools[%zu]: expected an object, found %s", i,
                           hl_chat_json_kind(json_array_get(*ret, i)));
    }
    return HL_OK;
}

static json_t *spelling(const hl_tokenizer *t, int32_t id) {
    const hl_view v = t && id >= 0 ? hl_tokenizer_spelling(t, id) : (hl_view){"", 0};
    return json_stringn_nocheck(v.ptr ? v.ptr : "", v.len);
}

static json_t *trusted_names(const hl_tokenizer *t, const hl_chat_template *of, const hl_request *req) {
    json_t *j = json_pack("{s:b, s:o, s:o}", "add_generation_prompt", 1, "bos_token",
                          spelling(t, t ? hl_tokenizer_bos(t) : -1), "eos_token",
                          spelling(t, t ? hl_tokenizer_eos(t) : -1));
    if (!j || req->think == HL_THINK_DEFAULT) return j;
    const int   on = thinks(req);
    const char *effort = hl_chat_template_effort(of, req->think);
    if (json_object_set_new(j, "enable_thinking", json_boolean(on)) == 0 &&
        json_object_set_new(j, "thinking", json_boolean(on)) == 0 &&
        (!effort || json_object_set_new(j, "reasoning_effort", json_string(effort)) == 0))
        return j;
    json_decref(j);
    return NULL;
}

/* ---- rendering -------------------------------------------------------------------------------- */

/* A model without a template: the messages' texts, one after another, all of them from outside. */
static hl_status join_contents(const json_t *messages, hl_tainted *out, hl_err *err) {
    for (size_t i = 0; i < json_array_size(messages); i++) {
        json_t *text = hl_chat_content_text(json_object_get(json_array_get(messages, i), "content"));
        if (!text) return no_memory(err);
        if (out->text.len && json_string_length(text)) hl_tainted_add(out, hl_view_of("\n"), true);
        hl_tainted_add(out, (hl_view){json_string_value(text), json_string_length(text)}, true);
        json_decref(text);
    }
    return HL_OK;
}

/* A template that shows not even a plain question cannot be asked where it puts a system text; so look for
 * it. */
static hl_status check_system(const json_t *messages, const hl_tainted *out, hl_err *err) {
    for (size_t i = 0; i < json_array_size(messages); i++) {
        const json_t *m = json_array_get(messages, i), *role = json_object_get(m, "role");
        json_t       *content = hl_chat_content_text(json_object_get(m, "content"));
        if (!content) return no_memory(err);
        const hl_view text = hl_view_trim((hl_view){json_string_value(content), json_string_length(content)});
        const bool    is_system =
            json_string_length(role) == 6 && memcmp(json_string_value(role), "system", 6) == 0;
        const bool is_there =
            text.len == 0 || memmem(hl_str_text(&out->text), out->text.len, text.ptr, text.len);
        json_decref(content);
        if (is_system && !is_there)
            return hl_fail(
                err, HL_E_UNSUPPORTED,
                "messages[%zu]: the chat template has no place for a system text, and none for a question",
                i);
    }
    return HL_OK;
}

static hl_status render_template(making *k, hl_err *err) {
    const hl_request *req = k->req;
    const bool        is_known = k->t->caps.is_known;
    json_t           *plain = is_known ? NULL : json_deep_copy(k->messages);
    hl_status         status = hl_chat_link_results(k->messages, k->t->wants_short_ids, err);
    if (status == HL_OK) status = hl_chat_adapt(k->messages, &k->t->caps, err);
    if (status == HL_OK) {
        json_t *context =
            json_pack("{s:O, s:O, s:n}", "messages", k->messages, "tools", k->tools, "documents");
        json_t                 *trusted = trusted_names(k->tokenizer, k->t, req);
        const hl_template_input in = {
            .context = context, .trusted = trusted, .now_ms = req->now_ms ? req->now_ms : hl_clock_wall_ms()};
        status = context && trusted && (plain || is_known) ? hl_chat_template_render(k->t, &in, &k->text, err)
                                                           : no_memory(err);
        json_decref(context);
        json_decref(trusted);
    }
    if (status == HL_OK && plain) status = check_system(plain, &k->text, err);
    json_decref(plain);
    return status;
}

/* ---- an answer that goes on, and a conversation that does ----------------------------------------- */

static hl_status take_last(making *k, hl_err *err) {
    const size_t n = json_array_size(k->messages);
    if (n == 0 || !has_role(json_array_get(k->messages, n - 1), "assistant"))
        return hl_fail(err, HL_E_ARG,
                       "messages: the last one is to be gone on from, expected the assistant's");
    if (n == 1) return hl_fail(err, HL_E_ARG, "messages: expected one in front of the assistant's");
    k->last = json_incref(json_array_get(k->messages, n - 1));
    return json_array_remove(k->messages, n - 1) == 0 ? HL_OK : no_memory(err);
}

static hl_view think_open(const hl_call_format *f) {
    return hl_view_trim(hl_view_of(hl_call_format_think_open(f)));
}

/* Does a text end in an open <think>, whatever the format calls it? */
static bool ends_in_think(const hl_call_format *f, hl_view text) {
    const hl_view v = hl_view_trim(text), open = think_open(f);
    return v.len >= open.len && memcmp(v.ptr + v.len - open.len, open.ptr, open.len) == 0;
}

static hl_view text_of(const json_t *text) {
    return (hl_view){json_is_string(text) ? json_string_value(text) : "", json_string_length(text)};
}

/* Behind the template's beginning of an answer. Where that begins with reasoning, it is over with the
 * answer's first word. */
static hl_status add_last(making *k, hl_err *err) {
    static const char *const names[] = {"reasoning_content", "reasoning", "thinking"};
    json_t                  *content = hl_chat_content_text(json_object_get(k->last, "content"));
    hl_view                  thought = {0};
    if (!content) return no_memory(err);
    for (size_t i = 0; i < sizeof names / sizeof *names && thought.len == 0; i++)
        thought = text_of(json_object_get(k->last, names[i]));
    const bool opens = k->t && ends_in_think(k->t->format, hl_str_view(&k->text.text));
    k->has_answer = json_string_length(content) > 0;
    if (!k->t && k->text.text.len > 0) hl_tainted_add(&k->text, hl_view_of("\n"), true);
    k->has_thought = opens && !k->has_answer;
    if (opens) hl_tainted_add(&k->text, thought, true);
    if (opens && k->has_answer) {
        hl_tainted_add(&k->text, hl_view_of("\n"), false);
        hl_tainted_add(&k->text, hl_view_of(hl_call_format_think_close(k->t->format)), false);
        hl_tainted_add(&k->text, hl_view_of("\n\n"), false);
    }
    hl_tainted_add(&k->text, text_of(content), true);
    json_decref(content);
    return HL_OK;
}

/* Stands for the conversation that the request's ids are: so the template writes what comes behind an answer,
 * and not what it begins every conversation with. */
static const char conversation_mark[] = "(the conversation so far, up to here)";

static bool goes_on(const making *k) {
    return k->t && k->req->n_prefix_ids > 0 && !has_role(json_array_get(k->messages, 0), "system") &&
           !has_role(json_array_get(k->messages, 0), "developer");
}

static hl_status add_mark(making *k, hl_err *err) {
    json_t *turns = json_pack("[{s:s, s:s}, {s:s, s:s}]", "role", "user", "content", "?", "role", "assistant",
                              "content", conversation_mark);
    const bool ok = turns && json_array_extend(turns, k->messages) == 0;
    if (!ok) {
        json_decref(turns);
        return no_memory(err);
    }
    json_decref(k->messages);
    k->messages = turns;
    return HL_OK;
}

static void cut_at_mark(making *k) {
    const hl_str *s = &k->text.text;
    const size_t  n = sizeof conversation_mark - 1;
    const char   *at = s->failed ? NULL : memmem(hl_str_text(s), s->len, conversation_mark, n);
    if (at) hl_tainted_drop_front(&k->text, (size_t)(at - s->ptr) + n);
}

/* "NAME" in quotes, or "the model". */
static const char *name_model(const hl_request *req, char buf[120]) {
    if (!req->model_name) return "the model";
    (void)snprintf(buf, 120, "\"%.100s\"", req->model_name);
    return buf;
}

/* What the template cannot show would be lost without a word.
 * from: the words "does not support" are Ollama's, and clients look for them */
static hl_status check_able(const making *k, hl_err *err) {
    char                name[120];
    const hl_chat_caps *c = k->t ? &k->t->caps : NULL;
    if (json_array_size(k->tools) > 0 && !(c && (c->tools || !c->is_known)))
        return hl_fail(err, HL_E_UNSUPPORTED, "%s does not support tools: %s", name_model(k->req, name),
                       c ? "its chat template has no place for them" : "it has no chat template");
    if (thinks(k->req) && !k->req->think_if_able && !(c && c->can_think))
        return hl_fail(err, HL_E_UNSUPPORTED, "%s does not support thinking: %s", name_model(k->req, name),
                       c ? "its chat template has no place for it" : "it has no chat template");
    return HL_OK;
}

static hl_status render(making *k, hl_err *err) {
    hl_status status = read_messages(k->req, &k->messages, err);
    if (status == HL_OK) status = read_tools(k->req, &k->tools, err);
    if (status == HL_OK && k->req->continues_last) status = take_last(k, err);
    if (status == HL_OK) status = choose_template(k, err);
    const bool is_conversation = status == HL_OK && goes_on(k);
    if (status == HL_OK && is_conversation) status = add_mark(k, err);
    if (status == HL_OK) status = check_able(k, err);
    if (status == HL_OK) status = k->t ? render_template(k, err) : join_contents(k->messages, &k->text, err);
    if (status == HL_OK && is_conversation) cut_at_mark(k);
    return status == HL_OK && k->last ? add_last(k, err) : status;
}

/* Fill in the middle: a template that knows how says where prompt and suffix stand. */
static hl_status render_fill(making *k, hl_err *err) {
    const hl_request *req = k->req;
    hl_status         status = choose_template(k, err);
    if (status != HL_OK) return status;
    if (!k->t || !k->t->go || !hl_gotemplate_mentions(k->t->go, "suffix"))
        return hl_fail(
            err, HL_E_UNSUPPORTED,
            "suffix: the model has no template that names it, expected a Go template with .Suffix");
    if (req->prompt.len == 0) return hl_fail(err, HL_E_ARG, "suffix: expected a prompt in front of it");
    const hl_gotemplate_input in = {.prompt = req->prompt,
                                    .suffix = req->suffix,
                                    .is_think_set = req->think != HL_THINK_DEFAULT,
                                    .think = thinks(req),
                                    .think_level = hl_chat_template_effort(k->t, req->think),
                                    .now_ms = req->now_ms ? req->now_ms : hl_clock_wall_ms()};
    return hl_gotemplate_render(k->t->go, &in, &k->text, err);
}

/* All of a request's text, tainted where it came with the request. */
static hl_status write_prompt(making *k, hl_err *err) {
    const hl_request *req = k->req;
    const size_t      n_given = req->messages_json ? 0 : req->prompt.len;
    if (n_given > PROMPT_LIMIT_BYTES || req->answer_prefix.len > PROMPT_LIMIT_BYTES - n_given)
        return hl_fail(err, HL_E_LIMIT, "a prompt of %zu bytes, expected at most %d",
                       n_given + req->answer_prefix.len, PROMPT_LIMIT_BYTES);
    const bool is_fill = !req->messages_json && req->suffix.len > 0;
    if (is_fill && req->raw) return hl_fail(err, HL_E_ARG, "suffix: raw prompts go through no template");
    hl_status status = HL_OK;
    if (req->messages_json)
        status = render(k, err);
    else if (is_fill)
        status = render_fill(k, err);
    else if (!req->raw) /* the text of one who has no template */
        status = read_tools(req, &k->tools, err);
    if (status == HL_OK && !req->messages_json && !is_fill && !req->raw) status = check_able(k, err);
    if (status != HL_OK) return status;
    if (!req->messages_json && !is_fill) hl_tainted_add(&k->text, req->prompt, !req->raw);
    if (k->text.text.len + req->answer_prefix.len > PROMPT_LIMIT_BYTES)
        return hl_fail(err, HL_E_LIMIT, "a prompt of more than %d bytes", PROMPT_LIMIT_BYTES);
    hl_tainted_add(&k->text, req->answer_prefix, !req->raw);
    return k->text.text.failed ? no_memory(err) : HL_OK;
}

hl_status hl_prompt_render(const hl_model *m, hl_chat_templates *kept, const hl_request *req, char **ret_text,
                           size_t *ret_n, hl_err *err) {
    making k;
    making_init(&k, m, kept, req);
    hl_status status = write_prompt(&k, err);
    if (status == HL_OK) {
        const size_t n = k.text.text.len;
        char        *text = hl_str_take(&k.text.text);
        if (text) {
            *ret_text = text;
            *ret_n = n;
        } else {
            status = no_memory(err);
        }
    }
    making_done(&k);
    return status;
}

hl_status hl_chat_render(const hl_model *m, const hl_request *req, char **ret_text, size_t *ret_n,
                         hl_err *err) {
    return hl_prompt_render(m, NULL, req, ret_text, ret_n, err);
}

void hl_text_free(char *text) { hl_free(text); }

/* ---- ids -------------------------------------------------------------------------------------- */

/* Is the answer's reasoning open where the answer begins? The template may have opened it, the prefix opened
 * or closed. */
static bool is_thinking(const hl_call_format *f, hl_view prompt, hl_view prefix) {
    const hl_view close = hl_view_of(hl_call_format_think_close(f));
    const hl_view rendered = {prompt.ptr, prompt.len - prefix.len}, begun = hl_view_trim(prefix);
    const bool    closes = prefix.len && memmem(prefix.ptr, prefix.len, close.ptr, close.len);
    return !closes && (ends_in_think(f, rendered) || hl_view_has_prefix(begun, hl_call_format_think_open(f)));
}

/* The ids of the text, behind those that the request begins with: the beginning is theirs then. */
static hl_status encode_behind(making *k, const hl_request *req, hl_tokens *ids, hl_err *err) {
    const bool     is_first = req->n_prefix_ids == 0;
    const unsigned flags = (is_first ? HL_TOKENIZE_BOS : 0U) | HL_TOKENIZE_SPECIAL;
    const hl_view  all = hl_str_view(&k->text.text);
    hl_status      status = is_first ? HL_OK : hl_tokens_add(ids, req->prefix_ids, req->n_prefix_ids, err);
    if (status == HL_OK)
        status = hl_tokenizer_encode_tainted(k->tokenizer, all, k->text.tainted, k->text.n_tainted, flags,
                                             ids, err);
    const size_t at = req->n_prefix_ids; /* a template may write a BOS of its own */
    if (status == HL_OK && !is_first && ids->n > at && ids->ids[at] == hl_tokenizer_bos(k->tokenizer)) {
        memmove(ids->ids + at, ids->ids + at + 1, (ids->n - at - 1) * sizeof *ids->ids);
        ids->n--;
    }
    return status;
}

hl_status hl_prompt_make(const hl_model *m, hl_chat_templates *kept, const hl_request *req,
                         hl_prompt *ret_prompt, hl_err *err) {
    making k;
    *ret_prompt = (hl_prompt){0};
    making_init(&k, m, kept, req);
    if (!k.tokenizer)
        return hl_fail(err, HL_E_UNSUPPORTED, "the model has no vocabulary: it cannot read text");
    hl_status status = write_prompt(&k, err);
    if (status == HL_OK) {
        const hl_view all = hl_str_view(&k.text.text);
        if (k.t) { /* else it is text that goes on, whatever is in it */
            const bool starts =
                k.has_thought || (!k.has_answer && is_thinking(k.t->format, all, req->answer_prefix));
            const bool calls = req->tool_choice != HL_TOOL_CHOICE_NONE && json_array_size(k.tools) > 0;
            ret_prompt->tools = calls ? json_incref(k.tools) : NULL;
            ret_prompt->form =
                (hl_answer_form){.format = k.t->format,
                                 .tools = ret_prompt->tools,
                                 .splits_thinking = true,
                                 .starts_thinking = starts,
                                 .must_call = calls && req->tool_choice >= HL_TOOL_CHOICE_REQUIRED};
        }
        status = encode_behind(&k, req, &ret_prompt->ids, err);
    }
    making_done(&k);
    return status;
}

void hl_prompt_done(hl_prompt *p) {
    hl_tokens_done(&p->ids);
    json_decref(p->tools);
    *p = (hl_prompt){0};
}

hl_status hl_prompt_count(const hl_model *m, hl_chat_templates *kept, const hl_request *req,
                          int32_t *ret_tokens, hl_err *err) {
    hl_prompt       p;
    const hl_status status = hl_prompt_make(m, kept, req, &p, err);
    if (status == HL_OK) *ret_tokens = (int32_t)p.ids.n;
    hl_prompt_done(&p);
    return status;
}

hl_status hl_chat_count(const hl_model *m, const hl_request *req, int32_t *ret_tokens, hl_err *err) {
    return hl_prompt_count(m, NULL, req, ret_tokens, err);
}
