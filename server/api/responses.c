/* SPDX-License-Identifier: MIT
 *
 * responses.c - POST /v1/responses: items in, items out, and kept for the request that goes on from them.
 *
 * What the model thinks is a reasoning item with a summary, what it says a message, what it calls a
 * function_call; each is opened and closed before the next, and carries the same id in every event and in the
 * answer. An answer that is to be kept is
 * in the database before its client is told that it is complete.
 * from: OpenAI's API reference and the types of its clients (August 2026): order of events, indices
 */
#include <string.h>

#include "core/base/clock.h"
#include "core/base/mem.h"
#include "server/api/errors.h"
#include "server/api/format_fields.h"
#include "server/api/ollama_common.h"
#include "server/api/openai_fields.h"
#include "server/api/response_items.h"
#include "server/server_priv.h"
#include "server/tool_calls.h"

/* c->block is the number of an item, and of the part of the answer that it is. */
enum { NO_ITEM, OPEN_ITEM };
enum { MAX_LOGPROB_BYTES = 256 << 20 };

typedef struct response {
    char        id[HL_RESPONSE_ID_BYTES]; /* "resp_..." */
    const char *tag;                      /* of it: what ids of items have in common */
    const char *previous_id;              /* in the body; NULL: none */
    json_t     *input;                    /* items of this request */
    hl_str      logprobs;                 /* of the whole message */
    hl_str      whole;                    /* the response object, once the answer is over */
    int64_t     n_events;
    bool        is_kept, must_be_kept; /* it is to be in the database; the request says so */
} response;

static response *response_of(const hl_completion *c) { return c->data; }

static void response_done(hl_completion *c) {
    response *r = response_of(c);
    if (!r) return;
    json_decref(r->input);
    hl_str_done(&r->logprobs);
    hl_str_done(&r->whole);
    hl_free(r);
}

/* ---- The response object ---- */

static void add_json(hl_json_out *j, const char *key, const json_t *v, const char *otherwise) {
    const bool is_there = v && !json_is_null(v);
    hl_json_add_raw(j, key, is_there ? "" : otherwise);
    if (is_there) hl_json_format(v, false, &j->text);
}

/* As it was sent, or what its absence means. */
static void echo(const hl_completion *c, hl_json_out *j, const char *key, const char *otherwise) {
    add_json(j, key, json_object_get(c->body, key), otherwise);
}

/* The first item of a kind has the response's tag alone; no other has an id that an item of input could
 * have. */
static void add_id(const hl_completion *c, hl_json_out *j, const char *key, size_t at) {
    static const char *const prefixes[] = {
        [HL_PART_TEXT] = "msg", [HL_PART_THINKING] = "rs", [HL_PART_CALL] = "fc"};
    const hl_choice   *k = &c->choices[0];
    const hl_part_kind kind = k->parts[at].kind;
    const char        *tag = response_of(c)->tag;
    char               id[80];
    size_t             n = 0;
    for (size_t i = 0; i < at; i++) n += k->parts[i].kind == kind;
    if (n == 0)
        (void)snprintf(id, sizeof id, "%s_%s", prefixes[kind], tag);
    else
        (void)snprintf(id, sizeof id, "%s_%s_o%zu", prefixes[kind], tag, n);
    hl_json_add_text(j, key, id);
}

static hl_view text_of(const hl_completion *c, size_t at) {
    const hl_choice *k = &c->choices[0];
    const hl_part   *p = &k->parts[at];
    const hl_str    *from = p->kind == HL_PART_THINKING ? &k->thought : &k->said;
    return (hl_view){hl_str_text(from) + p->begin, p->end - p->begin};
}

static void add_reasoning(const hl_completion *c, hl_json_out *j, size_t at, bool is_done) {
    hl_json_add_text(j, "type", "reasoning");
    hl_json_open(j, "summary", '[');
    if (is_done) {
        hl_json_open(j, NULL, '{');
        hl_json_add_text(j, "type", "summary_text");
        hl_json_add_view(j, "text", text_of(c, at));
        hl_json_close(j, '}');
    }
    hl_json_close(j, ']');
    hl_json_add_text(j, "status", is_done ? "completed" : "in_progress");
}

static void add_text_part(const hl_completion *c, hl_json_out *j, const char *key, size_t at, bool is_done) {
    hl_json_open(j, key, '{');
    hl_json_add_text(j, "type", "output_text");
    hl_json_add_view(j, "text", is_done ? text_of(c, at) : (hl_view){0});
    hl_json_open(j, "annotations", '[');
    hl_json_close(j, ']');
    hl_json_open(j, "logprobs", '[');
    if (is_done && response_of(c)->logprobs.len > 0)
        hl_json_add_raw(j, NULL, hl_str_text(&response_of(c)->logprobs));
    hl_json_close(j, ']');
    hl_json_close(j, '}');
}

static bool is_cut(const hl_completion *c) {
    const hl_choice *k = &c->choices[0];
    return k->has_ended && hl_completion_reason(k) == HL_REASON_LENGTH;
}

static void add_message(const hl_completion *c, hl_json_out *j, size_t at, bool is_done) {
    const bool is_last = at + 1 == c->choices[0].n_parts;
    hl_json_add_text(j, "type", "message");
    hl_json_add_text(j, "role", "assistant");
    hl_json_add_text(j, "status",
                     !is_done               ? "in_progress"
                     : is_last && is_cut(c) ? "incomplete"
                                            : "completed");
    hl_json_open(j, "content", '[');
    if (is_done) add_text_part(c, j, NULL, at, true);
    hl_json_close(j, ']');
}

static void add_call(const hl_completion *c, hl_json_out *j, size_t at, bool is_done) {
    const hl_choice    *k = &c->choices[0];
    const hl_tool_call *call = &k->calls[k->parts[at].begin];
    const bool          is_whole = call->is_over && !call->is_cut;
    hl_json_add_text(j, "type", "function_call");
    hl_json_add_text(j, "call_id", call->id);
    hl_json_add_view(j, "name", hl_str_view(&call->name));
    hl_json_add_view(j, "arguments", is_done ? hl_str_view(&call->arguments) : (hl_view){0});
    hl_json_add_text(j, "status", !is_done ? "in_progress" : is_whole ? "completed" : "incomplete");
}

static void add_item(const hl_completion *c, hl_json_out *j, const char *key, size_t at, bool is_done) {
    hl_json_open(j, key, '{');
    add_id(c, j, "id", at);
    switch (c->choices[0].parts[at].kind) {
    case HL_PART_TEXT: add_message(c, j, at, is_done); break;
    case HL_PART_THINKING: add_reasoning(c, j, at, is_done); break;
    case HL_PART_CALL: add_call(c, j, at, is_done); break;
    }
    hl_json_close(j, '}');
}

static void add_output(const hl_completion *c, hl_json_out *j, bool is_over) {
    hl_json_open(j, "output", '[');
    for (size_t i = 0; is_over && i < c->choices[0].n_parts; i++) add_item(c, j, NULL, i, true);
    hl_json_close(j, ']');
}

static void add_usage(const hl_completion *c, hl_json_out *j) {
    const hl_choice *k = &c->choices[0];
    const hl_usage  *u = &k->usage;
    hl_json_open(j, "usage", '{');
    hl_json_add_int(j, "input_tokens", u->prompt_tokens);
    hl_json_open(j, "input_tokens_details", '{');
    hl_json_add_int(j, "cached_tokens", u->cached_tokens);
    hl_add_break(c, k, j, "cache_break");
    hl_json_close(j, '}');
    hl_json_add_int(j, "output_tokens", u->answer_tokens);
    hl_json_open(j, "output_tokens_details", '{');
    hl_json_add_int(j, "reasoning_tokens", k->n_thinking_tokens);
    hl_json_close(j, '}');
    hl_json_add_int(j, "total_tokens", (int64_t)u->prompt_tokens + u->answer_tokens);
    hl_json_close(j, '}');
}

static void add_reason(const hl_completion *c, hl_json_out *j) {
    const hl_choice *k = &c->choices[0];
    const bool       is_too_long = hl_completion_reason(k) == HL_REASON_LENGTH;
    if (!k->has_ended || !is_too_long || k->usage.end == HL_END_CANCEL || k->usage.end == HL_END_TIMEOUT) {
        hl_json_add_text(j, "incomplete_details", NULL);
        return;
    }
    hl_json_open(j, "incomplete_details", '{');
    hl_json_add_text(j, "reason", "max_output_tokens");
    hl_json_close(j, '}');
}

static void add_error(hl_json_out *j, const char *why) {
    if (!why) {
        hl_json_add_text(j, "error", NULL);
        return;
    }
    hl_json_open(j, "error", '{');
    hl_json_add_text(j, "code", "server_error");
    hl_json_add_text(j, "message", why);
    hl_json_close(j, '}');
}

/* What the request said, and what its silence means. */
static void add_request(const hl_completion *c, hl_json_out *j) {
    static const struct {
        const char *key, *otherwise;
    } fields[] = {{"instructions", "null"},
                  {"max_output_tokens", "null"},
                  {"metadata", "{}"},
                  {"parallel_tool_calls", "true"},
                  {"previous_response_id", "null"},
                  {"tool_choice", "\"auto\""},
                  {"tools", "[]"},
                  {"top_logprobs", "0"},
                  {"truncation", "\"disabled\""},
                  {"user", "null"},
                  {"safety_identifier", "null"},
                  {"prompt_cache_key", "null"}};
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        echo(c, j, fields[i].key, fields[i].otherwise);
    const json_t *reasoning = json_object_get(c->body, "reasoning"), *text = json_object_get(c->body, "text");
    hl_json_open(j, "reasoning", '{');
    add_json(j, "effort", json_object_get(reasoning, "effort"), "null");
    add_json(j, "summary", json_object_get(reasoning, "summary"), "null");
    hl_json_close(j, '}');
    hl_json_open(j, "text", '{');
    add_json(j, "format", json_object_get(text, "format"), "{\"type\":\"text\"}");
    add_json(j, "verbosity", json_object_get(text, "verbosity"), "\"medium\"");
    hl_json_close(j, '}');
    hl_json_add_real(j, "temperature", (double)c->options.sampling.temperature);
    hl_json_add_real(j, "top_p", (double)c->options.sampling.top_p);
    hl_json_add_bool(j, "background", false);
    hl_json_add_text(j, "service_tier", "default");
}

/* why: of a failure; NULL: none */
static void add_response(const hl_completion *c, hl_json_out *j, const char *key, const char *status,
                         const char *why) {
    const response *r = response_of(c);
    const bool      is_running = strcmp(status, "in_progress") == 0;
    hl_json_open(j, key, '{');
    hl_json_add_text(j, "id", r->id);
    hl_json_add_text(j, "object", "response");
    hl_json_add_int(j, "created_at", c->created_s);
    if (!is_running) hl_json_add_int(j, "completed_at", hl_clock_wall_ms() / 1000);
    hl_json_add_text(j, "status", status);
    add_error(j, why);
    add_reason(c, j);
    hl_json_add_text(j, "model", c->model);
    add_output(c, j, !is_running);
    hl_json_add_bool(j, "store", r->is_kept);
    add_request(c, j);
    if (is_running || why)
        hl_json_add_text(j, "usage", NULL);
    else
        add_usage(c, j);
    hl_json_close(j, '}');
}

static const char *status_of(const hl_completion *c) {
    const hl_end end = c->choices[0].usage.end;
    return end == HL_END_CANCEL ? "cancelled" : is_cut(c) ? "incomplete" : "completed";
}

/* The same bytes for whoever waits and for the database. */
static void complete(const hl_completion *c) {
    response   *r = response_of(c);
    hl_json_out j = {.text = r->whole};
    hl_str_clear(&j.text);
    add_response(c, &j, NULL, status_of(c), NULL);
    r->whole = j.text;
}

/* ---- Keeping ---- */

static hl_status keep_whole(const hl_completion *c, hl_err *err) {
    const response  *r = response_of(c);
    const hl_config *config = c->x->server->config;
    hl_store        *store = NULL;
    hl_str           input;
    hl_str_init(&input, SIZE_MAX);
    hl_json_format(r->input, false, &input);
    hl_status status = hl_str_check(&input, "input", err);
    if (status == HL_OK) status = hl_str_check(&r->whole, "response", err);
    if (status == HL_OK) status = hl_host_store(c->x->server->host, &store, err);
    const hl_kept_response row = {.id = r->id,
                                  .previous_id = r->previous_id,
                                  .owner = c->x->keeper,
                                  .created_ms = c->created_s * 1000,
                                  .input_json = hl_str_view(&input),
                                  .response_json = hl_str_view(&r->whole)};
    if (status == HL_OK)
        status =
            hl_store_keep_response(store, &row, hl_config_int(config, HL_SETTING_server_max_responses),
                                   hl_config_int(config, HL_SETTING_server_max_responses_mib) << 20, err);
    hl_str_done(&input);
    return status;
}

/* Where nobody asked for it in words, an answer that cannot be kept is still an answer, and says so. */
static hl_status keep(hl_completion *c, hl_err *err) {
    response *r = response_of(c);
    hl_err    why = {0};
    complete(c);
    const hl_status status = keep_whole(c, &why);
    int            *is_told = &c->x->server->is_not_keeping; /* once, until one can be kept again */
    if (status == HL_OK) {
        __atomic_store_n(is_told, 0, __ATOMIC_RELAXED);
        return HL_OK;
    }
    if (r->must_be_kept) return hl_fail(err, status, "store: %s", why.text);
    hl_event(c->x->server->events,
             __atomic_exchange_n(is_told, 1, __ATOMIC_RELAXED) ? HL_LOG_INFO : HL_LOG_WARN, "server",
             "response-not-kept", "id=%s why=\"%s\"", r->id, why.text);
    r->is_kept = false;
    complete(c);
    return HL_OK;
}

/* ---- The dialect ---- */

static void begin_event(hl_completion *c, hl_json_out *j, const char *type) {
    hl_sse_begin(j, type);
    hl_json_open(j, NULL, '{');
    hl_json_add_text(j, "type", type);
    hl_json_add_int(j, "sequence_number", response_of(c)->n_events++);
}

static void end_event(hl_json_out *j) {
    hl_json_close(j, '}');
    hl_sse_end(j);
}

static void write_begin(hl_completion *c, hl_json_out *j) {
    static const char *const types[] = {"response.created", "response.in_progress"};
    for (size_t i = 0; i < 2; i++) {
        begin_event(c, j, types[i]);
        add_response(c, j, "response", "in_progress", NULL);
        end_event(j);
    }
}

static hl_part_kind kind_of(const hl_completion *c) { return c->choices[0].parts[c->block].kind; }

/* An event of the item that is open: where it belongs. */
static void begin_item_event(hl_completion *c, hl_json_out *j, const char *type) {
    const hl_part_kind kind = kind_of(c);
    begin_event(c, j, type);
    add_id(c, j, "item_id", (size_t)c->block);
    hl_json_add_int(j, "output_index", c->block);
    if (kind != HL_PART_CALL)
        hl_json_add_int(j, kind == HL_PART_THINKING ? "summary_index" : "content_index", 0);
}

static void write_item(hl_completion *c, hl_json_out *j, const char *type, bool is_done) {
    begin_event(c, j, type);
    hl_json_add_int(j, "output_index", c->block);
    add_item(c, j, "item", (size_t)c->block, is_done);
    end_event(j);
}

static void write_part(hl_completion *c, hl_json_out *j, const char *type, bool is_done) {
    begin_item_event(c, j, type);
    if (kind_of(c) == HL_PART_THINKING) {
        hl_json_open(j, "part", '{');
        hl_json_add_text(j, "type", "summary_text");
        hl_json_add_view(j, "text", is_done ? text_of(c, (size_t)c->block) : (hl_view){0});
        hl_json_close(j, '}');
    } else {
        add_text_part(c, j, "part", (size_t)c->block, is_done);
    }
    end_event(j);
}

static void write_text_end(hl_completion *c, hl_json_out *j) {
    const bool is_reasoning = kind_of(c) == HL_PART_THINKING;
    begin_item_event(c, j,
                     is_reasoning ? "response.reasoning_summary_text.done" : "response.output_text.done");
    hl_json_add_view(j, "text", text_of(c, (size_t)c->block));
    if (!is_reasoning) {
        hl_json_open(j, "logprobs", '[');
        if (response_of(c)->logprobs.len > 0)
            hl_json_add_raw(j, NULL, hl_str_text(&response_of(c)->logprobs));
        hl_json_close(j, ']');
    }
    end_event(j);
    write_part(c, j, is_reasoning ? "response.reasoning_summary_part.done" : "response.content_part.done",
               true);
}

static void write_call_end(hl_completion *c, hl_json_out *j) {
    const hl_choice    *k = &c->choices[0];
    const hl_tool_call *call = &k->calls[k->parts[c->block].begin];
    begin_item_event(c, j, "response.function_call_arguments.done");
    hl_json_add_view(j, "name", hl_str_view(&call->name));
    hl_json_add_view(j, "arguments", hl_str_view(&call->arguments));
    end_event(j);
}

static void close_item(hl_completion *c, hl_json_out *j) {
    if (c->block_kind == NO_ITEM) return;
    if (kind_of(c) == HL_PART_CALL)
        write_call_end(c, j);
    else
        write_text_end(c, j);
    write_item(c, j, "response.output_item.done", true);
    c->block++;
    c->block_kind = NO_ITEM;
}

/* The answer's last part is an item: the one that is open, or the next. */
static void open_item(hl_completion *c, hl_json_out *j) {
    const int last = (int)c->choices[0].n_parts - 1;
    if (c->block_kind == OPEN_ITEM && c->block == last) return;
    close_item(c, j);
    c->block_kind = OPEN_ITEM;
    write_item(c, j, "response.output_item.added", false);
    if (kind_of(c) == HL_PART_THINKING)
        write_part(c, j, "response.reasoning_summary_part.added", false);
    else if (kind_of(c) == HL_PART_TEXT)
        write_part(c, j, "response.content_part.added", false);
}

/* Those of the token in hand go to the whole message's. */
static void take_logprobs(hl_completion *c, hl_choice *k) {
    hl_str *all = &response_of(c)->logprobs;
    if (k->logprobs.len == 0) return;
    if (all->len > 0) hl_str_add_char(all, ',');
    hl_str_add_view(all, hl_str_view(&k->logprobs));
    hl_str_clear(&k->logprobs);
}

static void write_token(hl_completion *c, hl_choice *k, const hl_token_event *ev, hl_json_out *j) {
    const bool is_reasoning = ev->is_thinking;
    if (ev->text.len == 0) { /* what it says is held back: so are its logprobs */
        take_logprobs(c, k);
        return;
    }
    open_item(c, j);
    begin_item_event(c, j,
                     is_reasoning ? "response.reasoning_summary_text.delta" : "response.output_text.delta");
    hl_json_add_view(j, "delta", ev->text);
    if (!is_reasoning) {
        hl_json_open(j, "logprobs", '[');
        if (k->logprobs.len > 0) hl_json_add_raw(j, NULL, hl_str_text(&k->logprobs));
        hl_json_close(j, ']');
    }
    end_event(j);
    take_logprobs(c, k);
}

static void write_call(hl_completion *c, hl_choice *k, const hl_token_event *ev, hl_json_out *j) {
    (void)k;
    open_item(c, j);
    if (ev->call == HL_CALL_END) {
        close_item(c, j);
    } else if (ev->call == HL_CALL_ARGUMENTS) {
        begin_item_event(c, j, "response.function_call_arguments.delta");
        hl_json_add_view(j, "delta", ev->text);
        end_event(j);
    }
}

static void write_end(hl_completion *c, hl_choice *k, hl_json_out *j) {
    (void)k;
    close_item(c, j);
}

static void write_finish(hl_completion *c, hl_json_out *j) {
    if (response_of(c)->whole.len == 0) complete(c);
    begin_event(c, j, is_cut(c) ? "response.incomplete" : "response.completed");
    hl_json_add_raw(j, "response", hl_str_text(&response_of(c)->whole));
    end_event(j);
    j->text.failed |= response_of(c)->whole.failed;
}

static void write_failure(hl_completion *c, hl_status status, const hl_err *err, hl_json_out *j) {
    begin_event(c, j, "response.failed");
    add_response(c, j, "response", "failed", err->text[0] ? err->text : hl_status_text(status));
    end_event(j);
}

static void write_whole(hl_completion *c, hl_json_out *j) {
    response *r = response_of(c);
    take_logprobs(c, &c->choices[0]);
    if (r->whole.len == 0) complete(c);
    hl_str_add_view(&j->text, hl_str_view(&r->whole));
    if (r->whole.failed) j->text.failed = j->text.lacks_memory = true;
}

static hl_status keep_answer(hl_completion *c, hl_err *err) {
    take_logprobs(c, &c->choices[0]);
    return keep(c, err);
}

static const hl_dialect dialect = {.stream_type = "text/event-stream",
                                   .ping = ": ping\n\n",
                                   .begin = write_begin,
                                   .keeps_said = true,
                                   .token = write_token,
                                   .call = write_call,
                                   .end = write_end,
                                   .finish = write_finish,
                                   .fail = write_failure,
                                   .whole = write_whole,
                                   .logprob = hl_add_logprob,
                                   .keep = keep_answer,
                                   .done = response_done};

/* ---- Requests ---- */

/* What would change the answer and is not done here. */
static hl_status refuse_fields(const hl_completion *c, hl_err *err) {
    static const char *const unknown[] = {"conversation", "prompt"};
    bool                     background = false;
    for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++) {
        const json_t *v = json_object_get(c->body, unknown[i]);
        if (v && !json_is_null(v))
            return hl_fail(err, HL_E_UNSUPPORTED, "%s: not known to this server; use previous_response_id",
                           unknown[i]);
    }
    hl_status status = hl_field_bool(c->body, "background", &background, err);
    if (status == HL_OK && background)
        return hl_fail(err, HL_E_UNSUPPORTED, "background: answers are made while their client waits");
    return status;
}

static hl_status take_format(hl_completion *c, hl_err *err) {
    const json_t *text = NULL, *format = NULL;
    hl_status     status = hl_field_object(c->body, "text", &text, err);
    if (status == HL_OK) status = hl_field_object(text, "format", &format, err);
    if (status == HL_OK) status = hl_format_take_openai(c, format, "text.format", err);
    return status == HL_OK ? hl_format_take_local(c, err) : status;
}

/* Fields that only come back in the answer, with the type that its readers expect. */
static hl_status check_echoed(const hl_completion *c, hl_err *err) {
    const json_t *text = NULL, *reasoning = NULL;
    const char   *word = NULL;
    int64_t       n_calls = 0;
    hl_status     status = hl_field_int(c->body, "max_tool_calls", 0, INT32_MAX, &n_calls, err);
    if (status == HL_OK) status = hl_field_object(c->body, "text", &text, err);
    if (status == HL_OK) status = hl_field_text(text, "verbosity", &word, err);
    if (status == HL_OK) status = hl_field_object(c->body, "reasoning", &reasoning, err);
    if (status == HL_OK) status = hl_field_text(reasoning, "summary", &word, err);
    return status == HL_OK ? hl_openai_check_echoed(c, err) : status;
}

static hl_status take_options(hl_completion *c, hl_err *err) {
    const json_t *reasoning = NULL;
    const char   *effort = NULL;
    int64_t       n_most = 0;
    hl_status     status = hl_field_int(c->body, "max_output_tokens", 1, INT32_MAX, &n_most, err);
    if (status == HL_OK) status = hl_completion_take_options(c, err);
    if (n_most > 0 && status == HL_OK)
        status = hl_completion_set(c, "num_predict", json_object_get(c->body, "max_output_tokens"), err);
    if (status == HL_OK)
        status = hl_keep_alive_read(json_object_get(c->body, "keep_alive"), &c->keep_ms, err);
    if (status == HL_OK) status = hl_field_object(c->body, "reasoning", &reasoning, err);
    if (status == HL_OK) status = hl_field_text(reasoning, "effort", &effort, err);
    if (status == HL_OK && effort) c->request.think = hl_openai_think(effort);
    if (status == HL_OK) status = hl_completion_set_budget(c, reasoning, "max_tokens", err);
    return status == HL_OK ? hl_completion_take_budget(c, err) : status;
}

static hl_status take_logprob_fields(hl_completion *c, hl_err *err) {
    const json_t *include = NULL, *v;
    int64_t       n_top = 0;
    size_t        i;
    hl_status     status = hl_field_list(c->body, "include", &include, err);
    if (status == HL_OK) status = hl_field_int(c->body, "top_logprobs", 0, 20, &n_top, err);
    json_array_foreach(include, i, v) {
        if (!json_is_string(v)) return hl_fail(err, HL_E_ARG, "include[%zu]: expected a text", i);
        c->wants_logprobs |= strcmp(json_string_value(v), "message.output_text.logprobs") == 0;
    }
    c->wants_logprobs |= n_top > 0;
    c->request.want_logprobs = c->wants_logprobs;
    c->request.n_top = (int32_t)n_top;
    return status;
}

static hl_status take_store(hl_completion *c, hl_err *err) {
    response  *r = response_of(c);
    const bool can = hl_config_int(c->x->server->config, HL_SETTING_server_max_responses) > 0;
    bool       store = true;
    hl_status  status = hl_field_bool(c->body, "store", &store, err);
    r->must_be_kept = json_is_true(json_object_get(c->body, "store"));
    r->is_kept = c->wants_keeping = store && can;
    if (status == HL_OK && r->must_be_kept && !can)
        status = hl_fail(err, HL_E_UNSUPPORTED,
                         "store: this server keeps no responses (server.max_responses = 0)");
    return status;
}

static hl_status take_tools(hl_completion *c, hl_err *err) {
    const json_t *list = NULL;
    json_t       *tools = NULL, *left = NULL;
    size_t        n_left_out = 0;
    bool          is_parallel = true;
    hl_status     status = hl_field_list(c->body, "tools", &list, err);
    if (status == HL_OK) status = hl_field_bool(c->body, "parallel_tool_calls", &is_parallel, err);
    if (status == HL_OK) status = hl_response_read_tools(list, &tools, &n_left_out, err);
    if (status == HL_OK)
        status = hl_tools_choose(c, tools, json_object_get(c->body, "tool_choice"), &left, err);
    if (status == HL_OK && c->request.tool_choice != HL_TOOL_CHOICE_NONE)
        status = hl_completion_set_tools(c, left, err);
    c->request.one_tool_call = !is_parallel;
    json_decref(left);
    json_decref(tools);
    if (n_left_out > 0)
        hl_event(c->x->server->events, HL_LOG_WARN, "server", "tools-left-out",
                 "id=%s n=%zu why=\"only functions are known here\"", c->x->id, n_left_out);
    return status;
}

/* ---- The conversation ---- */

static hl_status add_history(hl_completion *c, const hl_keeper *k, json_t *items, hl_err *err) {
    hl_err          why = {0};
    const response *r = response_of(c);
    if (!r->previous_id) return HL_OK;
    const hl_status status = hl_response_add_history(k, r->previous_id, items, &why);
    if (status == HL_E_NOT_FOUND) {
        c->x->problem = "previous_response_not_found"; /* and 400, as OpenAI has it */
        return hl_fail(err, HL_E_ARG, "previous_response_id: %s", why.text);
    }
    if (status != HL_OK && err) *err = why;
    return status;
}

static hl_status make_messages(hl_completion *c, json_t *messages, hl_err *err) {
    response *r = response_of(c);
    hl_keeper keeper = {.owner = c->x->keeper};
    hl_view   instructions = {0};
    json_t   *items = json_array();
    hl_status status = items ? HL_OK : hl_fail(err, HL_E_NOMEM, "server: no memory");
    if (status == HL_OK) status = hl_host_store(c->x->server->host, &keeper.store, err);
    if (status == HL_OK) status = hl_field_view(c->body, "instructions", &instructions, err);
    if (status == HL_OK)
        status = hl_response_read_items(json_object_get(c->body, "input"), r->tag, &keeper, &r->input, err);
    if (status == HL_OK && json_array_size(r->input) == 0 && !r->previous_id && !instructions.ptr)
        status = hl_fail(err, HL_E_ARG, "input: expected a text or a list of items");
    if (status == HL_OK && instructions.len > 0 &&
        json_array_append_new(messages, json_pack("{s:s, s:s%}", "role", "system", "content",
                                                  instructions.ptr, instructions.len)) != 0)
        status = hl_fail(err, HL_E_NOMEM, "server: no memory");
    if (status == HL_OK) status = add_history(c, &keeper, items, err);
    if (status == HL_OK && json_array_extend(items, r->input) != 0)
        status = hl_fail(err, HL_E_NOMEM, "server: no memory");
    if (status == HL_OK) status = hl_response_add_messages(items, messages, err);
    json_decref(items);
    return status;
}

static hl_status take_truncation(const hl_completion *c, bool *ret_may_drop, hl_err *err) {
    const char     *word = "disabled";
    const hl_status status = hl_field_text(c->body, "truncation", &word, err);
    *ret_may_drop = strcmp(word, "auto") == 0;
    return status;
}

static hl_status open_response(hl_exchange *x, hl_completion **ret, hl_err *err) {
    json_t   *body = NULL;
    hl_status status = hl_exchange_read_json(x, &body, err);
    if (status == HL_OK) status = hl_completion_new(x, &dialect, body, ret, err);
    if (status != HL_OK) return status;
    response *r = (*ret)->data = hl_new(1, sizeof *r);
    if (!r) return hl_fail(err, HL_E_NOMEM, "server: no memory");
    r->tag = x->id + 4;
    (void)snprintf(r->id, sizeof r->id, "resp_%s", r->tag);
    hl_str_init(&r->logprobs, MAX_LOGPROB_BYTES);
    hl_str_init(&r->whole, SIZE_MAX);
    (*ret)->is_chat = true;
    return hl_completion_open(*ret, err);
}

hl_status hl_api_responses(hl_exchange *x, hl_err *err) {
    hl_completion *c = NULL;
    json_t        *messages = NULL;
    bool           may_drop = false;
    hl_status      status = open_response(x, &c, err);
    if (status == HL_OK) status = hl_field_bool(c->body, "stream", &c->is_stream, err);
    if (status == HL_OK)
        status = hl_field_text(c->body, "previous_response_id", &response_of(c)->previous_id, err);
    if (status == HL_OK) status = refuse_fields(c, err);
    if (status == HL_OK) status = take_format(c, err);
    if (status == HL_OK) status = check_echoed(c, err);
    if (status == HL_OK) status = take_options(c, err);
    if (status == HL_OK) status = take_logprob_fields(c, err);
    if (status == HL_OK) status = take_store(c, err);
    if (status == HL_OK) status = take_truncation(c, &may_drop, err);
    if (status == HL_OK) status = take_tools(c, err);
    if (status == HL_OK && !(messages = json_array())) status = hl_fail(err, HL_E_NOMEM, "server: no memory");
    if (status == HL_OK) status = make_messages(c, messages, err);
    if (status == HL_OK) status = hl_completion_load(c, err);
    if (status == HL_OK) status = hl_completion_set_messages(c, messages, may_drop, err);
    json_decref(messages);
    return status == HL_OK ? hl_completion_start(c, 1, err) : status;
}
