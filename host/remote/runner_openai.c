/* SPDX-License-Identifier: MIT
 *
 * runner_openai.c - requests become POSTs to one of several servers, and events of their streams become ours
 * (asking.h). A server may be slow, gone, busy or wrong: as long as no token has come, another one is asked.
 *
 * from: OpenAI's API reference, the streams of llama-server, vLLM and MAX (August 2026); server-sent
 * events as
 * in the HTML standard, section 9.2
 */
#include "host/remote/runner_openai.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "core/base/clock.h"
#include "core/base/mem.h"
#include "core/base/stop.h"
#include "core/base/stop_strings.h"
#include "core/data/json_check.h"
#include "host/remote/asking.h"
#include "host/remote/openai_logprobs.h"
#include "host/remote/openai_request.h"
#include "host/remote/upstream_kind.h"

enum {
    HL_WORDS_BYTES = 500,
    MAX_REFUSAL_BYTES = 1 << 20,
    MAX_URL_BYTES = 2048,
    UNKNOWN_CTX = 1 << 24,
    MOST_WAIT_MS = 10000,
    CALL_NAME_BYTES = 80
};

typedef struct remote {
    hl_askings         askings; /* first */
    hl_upstreams      *upstreams;
    hl_engine_process *process; /* NULL: none of ours */
} remote;

/* What a piece of text is; the kind of a byte in stream.stops. */
typedef enum text_kind { CONTENT, THOUGHT, REFUSAL } text_kind;

/* What an answer's thread knows beside hl_asking; made when it is asked. */
typedef struct stream {
    const hl_upstream *upstream; /* that is asked */
    const char        *path;
    hl_http_head       head;
    int64_t            heard_ns; /* when something came last; 0: nothing of this attempt yet */
    int64_t            asked_ns; /* when this attempt began */
    bool               is_stalled;
    bool               has_reason; /* a choice said why it ended */
    bool               has_said;   /* a choice had a text, be it empty, or a call */
    bool            has_called; /* a call was handed on, in this attempt or one before: there is no other */
    bool            is_whole;   /* the answer is one JSON text, no stream */
    int64_t         call;       /* index of the tool call that is open; -1: none is */
    char            call_name[CALL_NAME_BYTES];
    hl_str          arguments; /* of that call, so far */
    hl_str          whole;
    bool            continues;                    /* the last message, the assistant's */
    bool            wants_logprobs, has_logprobs; /* asked for; some have come */
    int32_t         n_top;
    hl_remote_token token;
    hl_stop_strings stops;   /* an engine may not know them, or keep the token in which one ends */
    hl_str          certain; /* of a chunk's text: what they let through */
    text_kind       kind;    /* of the text that came last */
} stream;

static remote *remote_of(const hl_asking *a) { return a->all->engine; }

static void stream_free(void *data) {
    stream *s = data;
    hl_str_done(&s->arguments);
    hl_str_done(&s->whole);
    hl_stop_strings_done(&s->stops);
    hl_str_done(&s->certain);
    hl_free(s);
}

/* ---- What a server says of itself ---- */

/* The words of an error, in whichever of the usual forms. NULL: none. */
static const char *find_words(const json_t *answer) {
    const json_t *error = json_object_get(answer, "error");
    const char   *words = json_is_string(error) ? json_string_value(error) : hl_json_text(error, "message");
    if (!words) words = hl_json_text(answer, "message");
    return words ? words : hl_json_text(answer, "detail");
}

static void hide(const char *secret, char *text) {
    enum { LEAST_BYTES = 4 }; /* shorter ones are no secrets, and stand everywhere */
    const size_t n = secret ? strlen(secret) : 0;
    for (char *at = text; n >= LEAST_BYTES && (at = strstr(at, secret)) != NULL;) memset(at, '*', n);
}

/* A server may repeat what it was shown: the key, and values of headers. */
static void hide_secrets(const hl_upstream *s, char *text) {
    hide(s->key, text);
    for (size_t i = 0; i < s->n_headers; i++) hide(strchr(s->headers[i], ':') + 2, text);
}

/* Who it was that failed, without what we have shown it. A certificate that nobody trusts is not the asker's
 * lack of rights, and an answer that is too long not the asker's length. */
static hl_status fail_at(const hl_upstream *s, hl_status status, hl_err *err) {
    if (status == HL_OK || status == HL_E_CANCEL || !err) return status;
    if (status == HL_E_AUTH) status = HL_E_NET;
    err->status = status;
    if (!strstr(err->text, s->url)) status = hl_fail_within(err, status, "%s", s->url);
    hide_secrets(s, err->text);
    return status;
}

/* What a server says, without secrets, and only then cut. */
static void copy_words(const hl_upstream *s, const char *words, char *ret, size_t cap) {
    char *copy = words ? hl_strdup(words) : NULL;
    if (copy) hide_secrets(s, copy);
    (void)snprintf(ret, cap, "%s%s", copy ? ": " : "", copy ? copy : "");
    hl_free(copy);
}

/* The fields of a request (openai_request.h) behind the name by which this server knows the model. */
static void write_body(const hl_upstream *s, const hl_json_out *fields, hl_json_out *ret) {
    hl_json_open(ret, NULL, '{');
    hl_json_add_text(ret, "model", s->model);
    hl_str_add_char(&ret->text, ',');
    hl_str_add_view(&ret->text, hl_str_view(&fields->text));
}

static hl_status status_of(int code, const char *words) {
    if (code == 401 || code == 403) return HL_E_AUTH;
    if (code == 404) return HL_E_NOT_FOUND;
    if (code == 413) return HL_E_LIMIT;
    if (code == 429 || code == 503) return HL_E_BUSY;
    if (words && (strstr(words, "context length") || strstr(words, "context size"))) return HL_E_FULL;
    return code == 400 || code == 422 ? HL_E_ARG : code == 501 ? HL_E_UNSUPPORTED : HL_E_NET;
}

static hl_status fail_refused(const hl_upstream *s, const hl_str *body, int code, hl_err *err) {
    json_t     *json = NULL;
    const char *words = NULL;
    if (hl_json_parse_any(hl_str_view(body), "answer", &json, NULL) == HL_OK) words = find_words(json);
    char      said[HL_WORDS_BYTES];
    hl_status status = status_of(code, words);
    copy_words(s, words, said, sizeof said);
    if (body->failed)
        status =
            hl_fail(err, HL_E_NET, "%s answers with status %d and more words than we take", s->url, code);
    else if (code >= 300 && code < 400)
        status =
            hl_fail(err, HL_E_NET, "%s sends us elsewhere (status %d), which is not followed", s->url, code);
    else if (status == HL_E_AUTH) /* the asker's own key is not meant */
        status = hl_fail(err, HL_E_NET, "%s refuses our key (status %d)%s", s->url, code, said);
    else
        (void)hl_fail(err, status, "%s answers with status %d%s", s->url, code, said);
    json_decref(json);
    return status;
}

/* What became of an attempt. */
typedef struct outcome {
    bool    again;     /* nothing has come, and another attempt may do better */
    bool    is_broken; /* the server is to be left alone for a while */
    int64_t wait_ms;   /* as Retry-After says; -1: it does not */
} outcome;

/* A server that does not take our key, has no certificate that we trust, sends us elsewhere or does not know
 * the model may have neighbours that do better. Not to know one (404) says nothing of its other models. */
static outcome judge(hl_status status, int code, bool has_others, int64_t wait_ms) {
    const bool is_astray = status == HL_E_AUTH || code == 401 || code == 403 || (code >= 300 && code < 400);
    const bool is_broken = (status == HL_E_NET && code < 300) || /* no connection, cut short, no protocol */
                           code == 408 || code == 409 || code == 429 || code >= 500;
    const bool has_failed = status != HL_OK && status != HL_E_CANCEL;
    return (outcome){.again = has_failed && (is_broken || (has_others && (is_astray || code == 404))),
                     .is_broken = has_failed && (is_broken || is_astray),
                     .wait_ms = wait_ms};
}

/* ---- What comes back ---- */

static bool fail_stream(hl_asking *a, hl_status status, const char *words) {
    char said[HL_WORDS_BYTES];
    copy_words(((stream *)a->data)->upstream, words, said, sizeof said);
    a->status = hl_fail(&a->err, status, "%s%s", ((stream *)a->data)->upstream->url, said);
    a->has_ended = true;
    return false;
}

/* Which of them it was the server says where it is vLLM or hyperlama; others end in front of it without a
 * word. */
static void take_end_reason(hl_asking *a, stream *s, const json_t *choice) {
    const char *reason = hl_json_text(choice, "finish_reason"), *stop = hl_json_text(choice, "stop_reason");
    if (!reason) return;
    s->has_reason = true;
    if (s->stops.stopped) return; /* that is why */
    a->usage.end = strcmp(reason, "length") == 0 ? HL_END_LENGTH : HL_END_STOP;
    for (size_t i = 0; stop && a->usage.end == HL_END_STOP && i < s->stops.n; i++)
        if (strcmp(stop, s->stops.each[i]) == 0) a->usage.stop_number = (int32_t)(i + 1);
}

static int32_t count_of(const json_t *o, const char *key) {
    const int64_t n = hl_json_int(o, key, 0);
    return n > 0 && n <= INT32_MAX ? (int32_t)n : 0;
}

static void take_usage(hl_asking *a, const json_t *u) {
    const json_t *prompt = json_object_get(u, "prompt_tokens_details");
    const json_t *answer = json_object_get(u, "completion_tokens_details");
    if (!json_is_object(u)) return;
    a->usage.prompt_tokens = count_of(u, "prompt_tokens");
    a->usage.answer_tokens = count_of(u, "completion_tokens");
    a->usage.cached_tokens = count_of(prompt, "cached_tokens");
    a->usage.accepted_tokens = count_of(answer, "accepted_prediction_tokens");
    a->usage.drafted_tokens = a->usage.accepted_tokens + count_of(answer, "rejected_prediction_tokens");
}

static bool fail_without_logprobs(hl_asking *a) {
    a->status =
        hl_fail(&a->err, HL_E_UNSUPPORTED, "%s answers without the log probabilities that it was asked for",
                ((stream *)a->data)->upstream->url);
    a->has_ended = true;
    return false;
}

/* ---- Text, and where it ends ---- */

static bool push_stretch(void *user, hl_view text, char kind) {
    return hl_asking_push(user, text, kind == THOUGHT);
}

static bool keep_stretch(void *user, hl_view text, char kind) {
    (void)kind;
    hl_str_add_view(&((stream *)user)->certain, text);
    return true;
}

static bool push_held(hl_asking *a) {
    return hl_stop_strings_flush(&((stream *)a->data)->stops, push_stretch, a);
}

/* False: no memory, and that is the answer's end. */
static bool check_text(hl_asking *a) {
    const stream *s = a->data;
    if (!s->stops.failed && !s->certain.failed) return true;
    a->status = hl_fail(&a->err, HL_E_NOMEM, "answer: no memory");
    a->has_ended = true;
    return false;
}

/* The first of the tokens has the text, the others have none. Those that begin behind the end of what is
 * shown are not told: a stop string begins there. */
static bool push_tokens(hl_asking *a, hl_view text, text_kind kind, const json_t *logprobs, size_t n) {
    stream *s = a->data;
    size_t  at = 0;
    hl_str_clear(&s->certain);
    (void)hl_stop_strings_feed(&s->stops, text, (char)kind, keep_stretch, s);
    if (!check_text(a)) return false;
    for (size_t i = 0; i < n && (!s->stops.stopped || at < s->certain.len); i++) {
        hl_remote_read_token(logprobs, i, &s->token);
        s->token.ev.text = i == 0 ? hl_str_view(&s->certain) : (hl_view){0};
        s->token.ev.is_thinking = kind == THOUGHT;
        if (s->token.ev.n_top > (size_t)s->n_top) s->token.ev.n_top = (size_t)s->n_top;
        at += s->token.ev.token_text.len;
        if (!hl_asking_push_token(a, &s->token.ev)) return false;
    }
    return true;
}

static void end_well(hl_asking *a);

/* False: it is over meanwhile. A server that has ended its answer at the stop string says only how many
 * tokens there were, which we wait for; one that goes on talking is left.
 * in  logprobs  of all that the chunk says; NULL: none, or they came already */
static bool push_text(hl_asking *a, const json_t *text, text_kind kind, const json_t *logprobs) {
    stream       *s = a->data;
    const hl_view v = {json_string_value(text), json_string_length(text)};
    const size_t  n = s->wants_logprobs ? hl_remote_n_tokens(logprobs) : 0;
    s->has_logprobs |= n > 0;
    s->has_said |= n > 0 || json_is_string(text);
    if (v.len == 0 && (n == 0 || s->stops.stopped)) return true;
    if (s->stops.stopped) {
        end_well(a);
        return false;
    }
    if (s->kind != kind && !push_held(a)) return false;
    s->kind = kind;
    if (n > 0) return push_tokens(a, v, kind, logprobs, n);
    if (s->wants_logprobs && !s->has_logprobs && kind == CONTENT) return fail_without_logprobs(a);
    return hl_stop_strings_feed(&s->stops, v, (char)kind, push_stretch, a) && check_text(a);
}

/* ---- Calls ---- */

static bool push_arguments(hl_asking *a, hl_view text) {
    const hl_token_event ev = {.text = text, .call = HL_CALL_ARGUMENTS, .token = -1};
    stream              *s = a->data;
    hl_str_add_view(&s->arguments, text);
    return hl_asking_push_event(a, &ev);
}

/* A call without arguments is one with none; one with what is no object must not be run. */
static bool end_call(hl_asking *a, bool is_cut) {
    stream              *s = a->data;
    const hl_token_event ev = {.call = HL_CALL_END, .is_cut = is_cut, .token = -1};
    char                 words[CALL_NAME_BYTES + 80];
    if (s->call < 0) return true;
    s->call = -1;
    if (!is_cut && hl_view_trim(hl_str_view(&s->arguments)).len == 0 && !push_arguments(a, hl_view_of("{}")))
        return false;
    if (!is_cut && !hl_json_is_object(hl_str_view(&s->arguments))) {
        (void)snprintf(words, sizeof words, "the arguments of its call of '%s' are no JSON object",
                       s->call_name);
        return fail_stream(a, HL_E_NET, words);
    }
    return hl_asking_push_event(a, &ev);
}

/* One entry of `tool_calls`: the first of a call has its name and id, all have a piece of its arguments,
 * which
 * some servers send as an object. */
static bool take_call(hl_asking *a, const json_t *call, int64_t i) {
    stream       *s = a->data;
    const json_t *function = json_object_get(call, "function"),
                 *piece = json_object_get(function, "arguments");
    const char   *name = hl_json_text(function, "name"), *id = hl_json_text(call, "id");
    const int64_t index = hl_json_int(call, "index", i);
    if (index < 0) return fail_stream(a, HL_E_NET, "a tool call whose index is below 0");
    if (s->stops.stopped) { /* as with text */
        end_well(a);
        return false;
    }
    if (name && *name && s->call != index) {
        const hl_token_event begin = {
            .text = hl_view_of(name), .call = HL_CALL_BEGIN, .call_id = hl_view_of(id), .token = -1};
        if (!end_call(a, false) || !push_held(a) || !hl_asking_push_event(a, &begin)) return false;
        s->call = index;
        s->has_said = s->has_called = true;
        (void)snprintf(s->call_name, sizeof s->call_name, "%s", name);
        hl_str_clear(&s->arguments);
    }
    if (s->call != index) return fail_stream(a, HL_E_NET, "a piece of a tool call that has not begun");
    hl_str text;
    hl_str_init(&text, HL_ASKING_MAX_BYTES);
    if (json_is_string(piece))
        hl_str_add(&text, json_string_value(piece), json_string_length(piece));
    else if (piece && !json_is_null(piece))
        hl_json_format(piece, false, &text);
    const bool go_on = text.len == 0 || push_arguments(a, hl_str_view(&text));
    hl_str_done(&text);
    return go_on;
}

static bool take_calls(hl_asking *a, const json_t *calls) {
    bool go_on = true;
    for (size_t i = 0; i < json_array_size(calls) && go_on; i++)
        go_on = take_call(a, json_array_get(calls, i), (int64_t)i);
    return go_on;
}

/* `delta` of a chunk, or `message` of a whole answer. Log probabilities of a chunk that says two things are
 * those of the later one. */
static bool take_delta(hl_asking *a, const json_t *delta, const json_t *logprobs) {
    const json_t *thought = json_object_get(delta, "reasoning_content");
    const json_t *content = json_object_get(delta, "content");
    if (!json_is_string(thought)) thought = json_object_get(delta, "reasoning");
    const json_t *refusal = json_object_get(delta, "refusal");
    const bool has_content = json_string_length(content) > 0, has_refusal = json_string_length(refusal) > 0;
    const bool has_thought = json_string_length(thought) > 0 && !has_content && !has_refusal;
    return push_text(a, thought, THOUGHT, has_thought ? logprobs : NULL) &&
           push_text(a, content, CONTENT, has_thought || has_refusal ? NULL : logprobs) &&
           push_text(a, refusal, REFUSAL, has_refusal ? logprobs : NULL) &&
           take_calls(a, json_object_get(delta, "tool_calls"));
}

/* One chunk, or the whole answer. False: no more. */
static bool take_chunk(hl_asking *a, hl_view text) {
    stream *s = a->data;
    json_t *json = NULL;
    a->status = hl_json_parse_any(text, "the remote model's answer", &json, &a->err);
    if (a->status != HL_OK || !json_is_object(json)) {
        if (a->status == HL_OK)
            a->status = hl_fail(&a->err, HL_E_FORMAT, "the remote model's answer is no object");
        a->status = hl_fail_within(&a->err, HL_E_NET, "remote model");
        a->has_ended = true;
        json_decref(json);
        return false;
    }
    bool          go_on = true;
    const json_t *choice = json_array_get(json_object_get(json, "choices"), 0);
    const json_t *error = json_object_get(json, "error");
    if (error && !json_is_null(error)) {
        const char   *words = find_words(json);
        const int64_t code = hl_json_int(error, "code", 0);
        hl_status     status = code >= 400 && code < 600 ? status_of((int)code, words) : HL_E_NET;
        go_on = fail_stream(a, status, words ? words : "an error without words");
    } else if (json_is_object(choice)) {
        const json_t *delta = json_object_get(choice, "delta");
        if (!delta) delta = json_object_get(choice, "message");
        const json_t *logprobs = json_object_get(choice, "logprobs");
        go_on = delta ? take_delta(a, delta, logprobs)
                      : push_text(a, json_object_get(choice, "text"), CONTENT, logprobs);
        take_end_reason(a, s, choice);
    }
    if (a->status == HL_OK) take_usage(a, json_object_get(json, "usage"));
    json_decref(json);
    return go_on;
}

static void end_well(hl_asking *a) {
    const stream *s = a->data;
    if (s->stops.stopped) {
        a->usage.end = HL_END_STOP;
        a->usage.stop_number = (int32_t)s->stops.number;
    }
    if (!s->has_said && !s->has_reason) { /* an empty answer has a reason, or an empty text */
        (void)fail_stream(a, HL_E_NET, "an answer without a choice (neither text, call nor finish_reason)");
        return;
    }
    if (!end_call(a, a->usage.end == HL_END_LENGTH) || !push_held(a)) return;
    a->usage.total_ns = hl_clock_ns() - a->began_ns;
    a->usage.prompt_ns = a->usage.first_token_ns;
    a->usage.answer_ns = a->usage.total_ns - a->usage.first_token_ns;
    a->status = HL_OK;
    a->has_ended = true;
}

static bool take_line(hl_asking *a, hl_view line) {
    if (line.len > 0 && line.ptr[line.len - 1] == '\r') line.len--;
    if (!hl_view_has_prefix(line, "data:")) return true; /* comments, names of events, ids */
    const hl_view data = hl_view_trim((hl_view){line.ptr + 5, line.len - 5});
    if (data.len == 0) return true;
    if (!hl_view_is(data, "[DONE]")) return take_chunk(a, data);
    end_well(a);
    return false;
}

/* Bytes of a response that is no error. The first ones come when its headers are known. */
static bool take_bytes(void *user, hl_view bytes) {
    hl_asking *a = user;
    stream    *s = a->data;
    if (s->heard_ns == 0) {
        s->is_whole = strncmp(s->head.content_type, "application/json", 16) == 0;
        if (!s->is_whole && strncmp(s->head.content_type, "text/event-stream", 17) != 0) {
            a->status =
                hl_fail(&a->err, HL_E_NET,
                        "%s answers with '%s', expected a stream of events: is that its base URL (which "
                        "often ends in /v1)?",
                        s->upstream->url, s->head.content_type);
            a->has_ended = true;
            return false;
        }
    }
    s->heard_ns = hl_clock_ns();
    if (!s->is_whole) {
        const bool go_on = hl_asking_take_lines(a, bytes);
        s->heard_ns = hl_clock_ns(); /* the reader may have taken its time, which is not the server's */
        return go_on;
    }
    hl_str_add_view(&s->whole, bytes);
    return !s->whole.failed;
}

/* ---- Its thread ---- */

static bool is_over(void *user) {
    hl_asking          *a = user;
    stream             *s = a->data;
    const hl_upstreams *u = remote_of(a)->upstreams;
    const int64_t       now = hl_clock_ns();
    const int64_t       quiet_ns = now - (s->heard_ns > 0 ? s->heard_ns : s->asked_ns);
    s->is_stalled = quiet_ns > 1000000 * (s->heard_ns > 0 ? u->idle_ms : u->first_token_ms);
    return s->is_stalled || hl_asking_is_over(a);
}

/* The end of a response without [DONE]. */
static hl_status check_end(hl_asking *a, hl_err *err) {
    stream *s = a->data;
    if (a->has_ended) return a->status;
    if (s->is_whole) {
        const hl_status status = hl_str_check(&s->whole, "the remote model's answer", err);
        if (status != HL_OK) return status;
        if (!take_chunk(a, hl_str_view(&s->whole)) && a->has_ended) return a->status;
    } else if (a->line.len > 0) {
        (void)take_line(a, hl_str_view(&a->line)); /* the last one has no end */
    }
    if (!a->has_ended && (s->has_reason || s->stops.stopped)) end_well(a);
    if (a->has_ended) return a->status;
    return hl_fail(err, HL_E_NET, "the remote model's answer ends in the middle");
}

/* Ask one server; as attempt_fn. in  others  there are some that were not asked yet */
static hl_status ask_one(void *user, size_t i, bool others, outcome *ret, hl_err *err) {
    hl_asking         *a = user;
    stream            *s = a->data;
    const hl_upstream *up = &remote_of(a)->upstreams->each[i];
    hl_json_out        body;
    hl_str             refusal;
    char               url[MAX_URL_BYTES];
    int                code = 0;
    if (snprintf(url, sizeof url, "%s%s", up->url, s->path) >= (int)sizeof url)
        return hl_fail(err, HL_E_LIMIT, "a remote model's URL has more than %d bytes", (int)sizeof url);
    hl_json_init(&body);
    hl_str_init(&refusal, MAX_REFUSAL_BYTES);
    write_body(up, &a->request, &body);
    hl_status status = hl_str_check(&body.text, "request", err);
    s->upstream = up;
    s->heard_ns = 0;
    s->asked_ns = hl_clock_ns();
    s->is_stalled = s->has_reason = s->has_said = s->is_whole = false;
    s->call = -1;
    hl_stop_strings_clear(&s->stops);
    s->head = (hl_http_head){.retry_after_ms = -1};
    hl_str_clear(&s->whole);
    hl_str_clear(&a->line);
    const hl_http_call call = {.method = "POST",
                               .url = url,
                               .key = up->key,
                               .ca_file = up->ca_file,
                               .headers = (const char *const *)up->headers,
                               .n_headers = up->n_headers,
                               .connect_ms = remote_of(a)->upstreams->connect_ms,
                               .body = hl_str_view(&body.text),
                               .on_body = take_bytes,
                               .is_over = is_over,
                               .user = a,
                               .head = &s->head};
    if (status == HL_OK && s->continues)
        status = hl_upstream_check_continues(remote_of(a)->upstreams, i, &call, &refusal, &code, err);
    if (status == HL_OK && code == 0) status = hl_http_ask(&call, &refusal, &code, err);
    if (s->stops.stopped && !a->has_ended && (status != HL_E_CANCEL || s->is_stalled))
        end_well(a); /* whatever became of it: all of the answer was said */
    if (!a->has_ended && (s->whole.failed || a->line.failed)) {
        status = a->status =
            hl_fail(&a->err, HL_E_NET, "%s: more of an answer than we take, or no memory for it", up->url);
        a->has_ended = true;
    }
    if (s->is_stalled && !a->has_ended)
        status = hl_fail(
            err, HL_E_NET, "%s: nothing came for %lld s", up->url,
            (long long)((hl_clock_ns() - (s->heard_ns > 0 ? s->heard_ns : s->asked_ns)) / 1000000000));
    else if (!a->has_ended && code >= 300 && (status == HL_OK || refusal.failed))
        status = fail_refused(up, &refusal, code, err);
    else if (status == HL_OK || a->has_ended)
        status = check_end(a, err);
    const bool has_begun = a->usage.first_token_ns > 0 || s->has_called;
    if (has_begun && status != HL_OK) (void)push_held(a); /* what was said, before why there is no more */
    *ret = judge(status, code, others, s->head.retry_after_ms);
    ret->again &= !has_begun;
    if (status != HL_OK && a->has_ended && ret->again) { /* it is not over after all */
        if (err) *err = a->err;
        a->has_ended = false;
    }
    status = fail_at(up, status, a->has_ended ? &a->err : err);
    if (a->has_ended) a->status = status;
    a->usage.refusal = (hl_refusal){0};
    if (status != HL_OK && code >= 300)
        a->usage.refusal = (hl_refusal){code, ret->wait_ms > 0 ? ret->wait_ms : 0};
    hl_str_done(&refusal);
    hl_json_done(&body);
    return status;
}

static bool has_others(const hl_upstreams *u, uint32_t tried) { return tried != (1u << u->n) - 1; }

/* How long to wait before the next attempt, the n-th (from 1) having failed: not at all while there is
 * somebody else to ask. -1: so long that the client may wait better than we. */
static int64_t pause_ms(const hl_upstreams *u, uint32_t tried, int32_t n, int64_t wait_ms) {
    if (n == u->n_attempts || has_others(u, tried)) return 0;
    const int64_t ms = wait_ms >= 0 ? wait_ms : 250ll << n;
    return ms > MOST_WAIT_MS ? -1 : ms;
}

typedef hl_status attempt_fn(void *user, size_t i, bool has_others, outcome *ret, hl_err *err);
/* False: somebody wants it to stop. */
typedef bool wait_fn(void *user, int64_t ms);

/* One server after the other, and the same ones again, until an attempt needs no other. */
static hl_status try_servers(hl_upstreams *u, hl_view prompt, attempt_fn *attempt, wait_fn *wait, void *user,
                             hl_err *err) {
    uint32_t  tried = 0;
    hl_status status = HL_OK;
    outcome   o = {.again = true};
    for (int32_t n = 0; o.again && n < u->n_attempts; n++) {
        size_t i = 0;
        if (!has_others(u, tried)) tried = 0; /* all were: the first ones may have come back */
        const hl_status picked = hl_upstreams_pick(u, prompt, tried, &i, err);
        if (picked != HL_OK) return picked;
        tried |= 1u << i;
        o = (outcome){.wait_ms = -1};
        status = attempt(user, i, has_others(u, tried), &o, err);
        hl_upstreams_done(u, i, o.is_broken, o.wait_ms);
        const int64_t ms = o.again ? pause_ms(u, tried, n + 1, o.wait_ms) : 0;
        if (ms < 0) break;
        if (ms > 0 && !wait(user, ms)) return hl_fail(err, HL_E_CANCEL, "stopped");
    }
    return status;
}

static bool wait_there(void *user, int64_t ms) { return hl_asking_wait(user, ms); }

static hl_status ask(hl_asking *a, hl_err *err) {
    return try_servers(remote_of(a)->upstreams, hl_str_view(&a->request.text), ask_one, wait_there, a, err);
}

/* ---- The runner ---- */

static hl_status submit(void *engine, const hl_request *r, hl_generation *g, hl_err *err) {
    remote    *e = engine;
    hl_asking *a = NULL;
    hl_status  status = hl_asking_new(&e->askings, r, g, &a, err);
    if (status != HL_OK) return status;
    stream *s = a->data = hl_new(1, sizeof *s);
    if (s) {
        hl_str_init(&s->whole, HL_ASKING_MAX_BYTES);
        hl_str_init(&s->arguments, HL_JSON_CHECK_MOST_BYTES);
        hl_str_init(&s->certain, HL_ASKING_MAX_BYTES);
        hl_stop_strings_init(&s->stops, r->stops, r->n_stops);
    }
    if (!s || s->stops.failed) status = hl_fail(err, HL_E_NOMEM, "answer: no memory");
    if (status == HL_OK) status = hl_openai_write_request(r, &a->request, &s->path, err);
    if (status == HL_OK) {
        s->wants_logprobs = r->want_logprobs || r->n_top > 0;
        s->n_top = r->n_top;
        s->continues = r->messages_json && r->continues_last;
        a->usage.seed = r->sampling.seed; /* which one it takes where none is asked for, nobody says */
    }
    if (status == HL_OK) status = hl_asking_start(a, err);
    if (status != HL_OK) hl_asking_free(a);
    return status;
}

static hl_status render(void *engine, const hl_request *r, char **ret_text, size_t *ret_n, hl_err *err) {
    (void)engine, (void)r, (void)ret_text, (void)ret_n;
    return hl_fail(err, HL_E_UNSUPPORTED, "a remote model does not show its prompts");
}

static hl_status count(void *engine, const hl_request *r, int32_t *ret_tokens, hl_err *err) {
    (void)engine, (void)r, (void)err;
    *ret_tokens = 0;
    return HL_OK;
}

static void get_info(void *engine, hl_runner_info *ret_info) {
    remote             *e = engine;
    const hl_upstreams *u = e->upstreams;
    const int32_t       n_ctx = u->n_ctx > 0 ? u->n_ctx : UNKNOWN_CTX;
    *ret_info = (hl_runner_info){.kind = "openai",
                                 .n_ctx = n_ctx,
                                 .n_ctx_cap = n_ctx,
                                 .n_ctx_most = n_ctx,
                                 .n_ctx_train = u->n_ctx,
                                 .has_template = true,
                                 .is_gone = e->process && !hl_engine_is_alive(e->process)};
    hl_askings *all = &e->askings;
    (void)pthread_mutex_lock(&all->lock);
    for (const hl_asking *a = all->first; a; a = a->next) ret_info->n_running += !a->is_done;
    (void)pthread_mutex_unlock(&all->lock);
}

typedef struct embedding {
    remote                 *e;
    const hl_embed_request *request;
    const hl_json_out      *fields;
    hl_embeddings          *ret;
} embedding;

/* As attempt_fn. */
static hl_status embed_at(void *user, size_t i, bool others, outcome *ret_outcome, hl_err *err) {
    embedding         *m = user;
    remote            *e = m->e;
    hl_embeddings     *ret = m->ret;
    const hl_upstream *up = &e->upstreams->each[i];
    hl_json_out        body;
    hl_str             answer;
    hl_http_head       head = {.retry_after_ms = -1};
    char               url[MAX_URL_BYTES];
    json_t            *json = NULL;
    int                code = 0;
    (void)snprintf(url, sizeof url, "%s/embeddings", up->url);
    hl_json_init(&body);
    hl_str_init(&answer, HL_ASKING_MAX_BYTES);
    write_body(up, m->fields, &body);
    hl_embeddings_done(ret); /* of an attempt before */
    hl_status          status = hl_str_check(&body.text, "request", err);
    const hl_http_call call = {.method = "POST",
                               .url = url,
                               .key = up->key,
                               .ca_file = up->ca_file,
                               .headers = (const char *const *)up->headers,
                               .n_headers = up->n_headers,
                               .connect_ms = e->upstreams->connect_ms,
                               .total_ms = e->upstreams->first_token_ms,
                               .body = hl_str_view(&body.text),
                               .head = &head};
    if (status == HL_OK) status = hl_http_ask(&call, &answer, &code, err);
    if (code >= 300 && (status == HL_OK || answer.failed)) status = fail_refused(up, &answer, code, err);
    if (code < 300 && answer.failed)
        status = hl_fail(err, HL_E_NET, "%s: more of an answer than we take", up->url);
    if (status == HL_OK) {
        status = hl_json_parse_any(hl_str_view(&answer), "its answer", &json, err);
        if (status == HL_E_FORMAT) status = hl_fail_within(err, HL_E_NET, "%s", up->url);
    }
    if (status == HL_OK) status = hl_openai_read_embed(m->request, json, ret, err);
    *ret_outcome = judge(status, code, others, head.retry_after_ms);
    ret_outcome->again &= code >= 300 || !answer.failed; /* once is enough of that */
    status = fail_at(up, status, err);
    if (status != HL_OK && code >= 300)
        ret->refusal = (hl_refusal){code, head.retry_after_ms > 0 ? head.retry_after_ms : 0};
    json_decref(json);
    hl_str_done(&answer);
    hl_json_done(&body);
    return status;
}

/* On the thread of whoever asks; as wait_fn. */
static bool wait_here(void *user, int64_t ms) {
    (void)user;
    for (int64_t until_ns = hl_clock_ns() + ms * 1000000; hl_clock_ns() < until_ns;) {
        if (hl_stop_asked()) return false;
        (void)nanosleep(&(struct timespec){.tv_nsec = 50 * 1000000}, NULL);
    }
    return true;
}

static hl_status embed(void *engine, const hl_embed_request *r, hl_embeddings *ret, hl_err *err) {
    hl_json_out   fields;
    const int64_t began_ns = hl_clock_ns();
    embedding     m = {engine, r, &fields, ret};
    if (r->ranks)
        return hl_fail(err, HL_E_UNSUPPORTED, "a remote model is not asked to rerank: ask its own server");
    hl_json_init(&fields);
    hl_status status = hl_openai_write_embed(r, &fields, err);
    if (status == HL_OK) status = try_servers(m.e->upstreams, (hl_view){0}, embed_at, wait_here, &m, err);
    ret->total_ns = hl_clock_ns() - began_ns;
    hl_json_done(&fields);
    return status;
}

static void remote_free(void *engine) {
    remote *e = engine;
    if (!e) return;
    hl_askings_done(&e->askings);
    hl_engine_stop(e->process);
    hl_upstreams_free(e->upstreams);
    hl_free(e);
}

static const hl_runner_ops ops = {
    .submit = submit,
    .cancel = hl_askings_cancel,
    .pause = hl_askings_pause,
    .cancel_all = hl_askings_cancel_all,
    .render = render,
    .count = count,
    .get_info = get_info,
    .embed = embed,
    .free = remote_free,
};

hl_status hl_runner_openai_new(hl_upstreams *upstreams, hl_engine_process *process, hl_runner **ret_runner,
                               hl_err *err) {
    remote *e = hl_new(1, sizeof *e);
    if (!e) {
        hl_engine_stop(process);
        hl_upstreams_free(upstreams);
        return hl_fail(err, HL_E_NOMEM, "remote model: no memory");
    }
    e->upstreams = upstreams;
    e->process = process;
    hl_askings_init(&e->askings, e);
    e->askings.ask = ask;
    e->askings.take_line = take_line;
    e->askings.done = stream_free;
    *ret_runner = hl_runner_make(&ops, e);
    if (*ret_runner) return HL_OK;
    remote_free(e);
    return hl_fail(err, HL_E_NOMEM, "remote model: no memory");
}
