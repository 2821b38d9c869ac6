/* SPDX-License-Identifier: MIT
 *
 * runner_native.c - requests answered by our own engine: text to tokens, the scheduler's tokens to text.
 *
 * The caller's thread makes the prompt; the scheduler's thread turns each token into text, looks for stop
 * strings and pushes events into the generation's queue.
 */
#include <math.h>
#include <stdatomic.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/mem.h"
#include "engine/admit.h"
#include "engine/runner/answer_format.h"
#include "engine/runner/answer_text.h"
#include "engine/runner/chat.h"
#include "engine/runner/dry_breakers.h"
#include "engine/runner/embed_native.h"
#include "engine/runner/think_limit.h"
#include "engine/tokenizer/detokenize.h"
#include "engine/toolcalls/call_grammar.h"
#include "engine/trace.h"
#include "runner/runner_ops.h"

enum { FORMAT_LIMIT_BYTES = 64 << 20 };

typedef struct native {
    hl_model         *model;
    hl_sched         *sched;
    hl_chat_templates templates;
    hl_dry_breakers   dry_breakers;
    hl_formats        formats;
    atomic_uint       n_stops; /* calls of hl_runner_stop() */
} native;

/* One answer in the making; touched by the scheduler's thread alone once it is submitted. */
typedef struct answer {
    hl_generation   *generation;
    uint64_t         id; /* the scheduler's */
    hl_answer_text   text;
    hl_detokenizer   detok;
    char            *piece; /* [piece_cap] text of one token */
    size_t           piece_cap;
    hl_think_limit   think; /* zeros: this answer has no reasoning that could be told apart */
    bool             thinks;
    hl_answer_format format;               /* zeros: any text */
    json_t          *tools;                /* that the answer may call; NULL: none */
    bool             one_call, has_called; /* it ends behind its first call; that has ended */
    bool             want_logprobs, want_all;
    int64_t          began_ns, prompt_made_ns;
    hl_token_event   event;    /* of the token in hand; its text is filled piece by piece */
    bool             was_sent; /* the token in hand was part of an event */
} answer;

static void answer_free(answer *a) {
    if (!a) return;
    hl_answer_text_done(&a->text);
    hl_answer_format_done(&a->format);
    hl_think_limit_done(&a->think);
    json_decref(a->tools);
    hl_free(a->piece);
    hl_free(a);
}

/* ---- tokens to text, on the scheduler's thread ---- */

static bool send_part(void *user, const hl_reply_part *part) {
    static const hl_call_step steps[] = {[HL_REPLY_CALL] = HL_CALL_BEGIN,
                                         [HL_REPLY_ARGUMENTS] = HL_CALL_ARGUMENTS,
                                         [HL_REPLY_CALL_END] = HL_CALL_END};
    answer                   *a = user;
    hl_token_event            ev = a->event;
    if (a->has_called && a->one_call) return true; /* it is over */
    ev.text = part->text;
    ev.is_thinking = part->kind == HL_REPLY_THINKING;
    ev.call = steps[part->kind];
    ev.call_id = part->id;
    ev.is_cut = part->is_cut;
    a->has_called |= ev.call == HL_CALL_END;
    if (a->was_sent) {
        ev.token = -1;
        ev.n_top = 0;
    }
    a->was_sent = true;
    return hl_generation_push(a->generation, &ev);
}

static hl_end take_token(void *user, const hl_sched_token *t) {
    answer    *a = user;
    const bool is_hidden = hl_tokenizer_is_control(a->detok.tokenizer, t->token);
    HL_TRACE2(token, t->token, t->id);
    a->event = (hl_token_event){.token = t->token, .logprob = t->logprob, .top = t->top, .n_top = t->n_top};
    a->was_sent = false;
    const size_t n = is_hidden
                         ? hl_tokenizer_piece(a->detok.tokenizer, t->token, true, a->piece, a->piece_cap)
                         : hl_detokenizer_feed(&a->detok, t->token, a->piece, a->piece_cap);
    const bool   go_on = hl_answer_text_feed(&a->text, (hl_view){a->piece, n}, is_hidden, send_part, a);
    if (a->text.failed || !go_on) return HL_END_CANCEL;
    if (a->text.stops.stopped || (a->one_call && a->has_called)) return HL_END_STOP;
    const hl_reply_part nothing = {.text = {"", 0}};
    return a->was_sent || !a->want_all || send_part(a, &nothing) ? HL_END_NONE : HL_END_CANCEL;
}

static hl_end take_prompt_token(void *user, const hl_sched_token *t) {
    answer              *a = user;
    const hl_token_event ev = {
        .is_prompt = true, .token = t->token, .logprob = t->logprob, .top = t->top, .n_top = t->n_top};
    return hl_generation_push(a->generation, &ev) ? HL_END_NONE : HL_END_CANCEL;
}

/* Nothing says how likely the first token is. */
static void tell_first(const native *r, const hl_request *req, const hl_prompt *prompt, const answer *a) {
    const int32_t first = prompt->ids.ids[0];
    const bool    is_ours = req->n_prefix_ids == 0 && first == hl_tokenizer_bos(hl_model_tokenizer(r->model));
    const hl_token_event ev = {.is_prompt = true, .token = first, .logprob = NAN};
    if (!is_ours && !hl_generation_push(a->generation, &ev)) return; /* then the next one is refused, too */
}

/* What was held back when the answer ended. A character of which bytes are still to come never was one.
 * False: nobody wants it any more. */
static bool finish_text(answer *a, hl_end end) {
    a->event = (hl_token_event){.token = -1};
    a->was_sent = true;
    return a->text.stops.stopped || end == HL_END_CANCEL ||
           hl_answer_text_finish(&a->text, end != HL_END_STOP, send_part, a);
}

static void end_answer(void *user, uint64_t id, hl_status status, const hl_usage *usage, const hl_err *err) {
    answer  *a = user;
    hl_usage u = *usage;
    hl_err   why = *err;
    (void)id;
    if (status == HL_OK && !finish_text(a, u.end)) u.end = HL_END_CANCEL;
    if (status == HL_OK && a->text.failed) status = hl_fail(&why, HL_E_NOMEM, "answer: no memory");
    u.stop_number = (int32_t)a->text.stops.number;
    if (u.first_token_ns) u.first_token_ns += a->prompt_made_ns;
    u.total_ns = hl_clock_ns() - a->began_ns;
    hl_generation_end(a->generation, status, &u, &why);
    answer_free(a);
}

/* ---- requests, on the caller's thread ---- */

static hl_status load_prompt(native *r, const hl_request *req, hl_prompt *prompt, hl_err *err) {
    hl_status status = hl_check_generates(r->model, err);
    if (status == HL_OK) status = hl_prompt_make(r->model, &r->templates, req, prompt, err);
    if (status == HL_OK && prompt->ids.n == 0) {
        const int32_t start = hl_tokenizer_bos(hl_model_tokenizer(r->model));
        const int32_t id = start >= 0 ? start : 0; /* an empty prompt: begin from the beginning */
        status = hl_tokens_add(&prompt->ids, &id, 1, err);
    }
    return status;
}

/* A model that has a token for it may reason first, where it is not told otherwise. */
static bool may_think(const hl_tokenizer *t, const hl_request *req, const hl_prompt *prompt) {
    const hl_answer_form *form = &prompt->form;
    const hl_view open = hl_view_of(form->format ? hl_call_format_think_open(form->format) : "<think>");
    return form->splits_thinking && req->think != HL_THINK_OFF && req->answer_prefix.len == 0 &&
           hl_tokenizer_find(t, open) >= 0;
}

/* The request's format as a term of GBNF, where it can be one: what may be answered instead of a call. */
static void write_instead(const hl_format *f, hl_str *s) {
    if (f->kind != HL_FORMAT_JSON && f->kind != HL_FORMAT_SCHEMA) return;
    hl_str_add_text(s, "%json ");
    if (f->kind == HL_FORMAT_JSON)
        hl_str_add_text(s, "{\"type\":\"object\"}");
    else
        hl_str_add_view(s, f->text);
}

/* A call that must be made, or one that the model begins, or a call instead of the request's format. */
static hl_status write_calls(const hl_request *req, const hl_prompt *prompt, hl_str *s, hl_err *err) {
    const bool must = req->tool_choice >= HL_TOOL_CHOICE_REQUIRED;
    hl_str     instead;
    hl_str_init(&instead, FORMAT_LIMIT_BYTES);
    if (!must) write_instead(&req->format, &instead);
    hl_status          status = hl_str_check(&instead, "format", err);
    const hl_call_wish wish = {.name = hl_view_of(must ? req->tool_name : NULL),
                               .instead = hl_str_view(&instead),
                               .one_call = req->one_tool_call,
                               .is_lazy = !must && req->format.kind == HL_FORMAT_NONE};
    if (status == HL_OK) status = hl_call_grammar_write(prompt->form.format, prompt->tools, &wish, s, err);
    hl_str_done(&instead);
    return status;
}

/* What stands in front of the format. */
typedef enum lead_kind { NO_LEAD, LEAD_OF_CALLS, LEAD_OF_ANSWER } lead_kind;

static hl_status match(native *r, const hl_request *req, const hl_prompt *prompt, const hl_format *format,
                       lead_kind kind, hl_matcher **ret, hl_err *err) {
    const hl_tokenizer *t = hl_model_tokenizer(r->model);
    hl_str              lead;
    hl_str_init(&lead, 4096);
    if (kind != NO_LEAD)
        hl_format_write_lead(&prompt->form, may_think(t, req, prompt), kind == LEAD_OF_CALLS, &lead);
    hl_status status = hl_str_check(&lead, "format", err);
    if (status == HL_OK) status = hl_formats_match(&r->formats, t, format, hl_str_view(&lead), ret, err);
    hl_str_done(&lead);
    return status;
}

/* *ret stays NULL where calls are left to the model: nobody asked for more, and the format or a schema cannot
 * be enforced. */
static hl_status match_calls(native *r, const hl_request *req, const hl_prompt *prompt, hl_matcher **ret,
                             hl_err *err) {
    const bool must = req->tool_choice >= HL_TOOL_CHOICE_REQUIRED;
    const bool is_lazy = !must && req->format.kind == HL_FORMAT_NONE;
    hl_str     text;
    hl_err     why = {0};
    hl_str_init(&text, FORMAT_LIMIT_BYTES);
    hl_status       status = write_calls(req, prompt, &text, &why);
    const hl_format calls = {HL_FORMAT_GBNF, hl_str_view(&text)};
    if (status == HL_OK) status = match(r, req, prompt, &calls, is_lazy ? NO_LEAD : LEAD_OF_CALLS, ret, &why);
    hl_str_done(&text);
    if (status == HL_OK || (!must && status != HL_E_NOMEM && status != HL_E_CANCEL)) return HL_OK;
    if (err) *err = why;
    return status;
}

static hl_status set_format(native *r, const hl_request *req, const hl_prompt *prompt, answer *a,
                            hl_err *err) {
    const bool  has_format = req->format.kind != HL_FORMAT_NONE;
    const bool  must = req->tool_choice >= HL_TOOL_CHOICE_REQUIRED;
    hl_matcher *m = NULL;
    hl_status   status = HL_OK;
    if (req->sampling.constraint && (has_format || must))
        return hl_fail(err, HL_E_ARG, "a format and a constraint: expected one of them");
    if (must && !prompt->tools) return hl_fail(err, HL_E_ARG, "a tool is to be called, and there is none");
    if (prompt->tools && !req->sampling.constraint) status = match_calls(r, req, prompt, &m, err);
    if (status == HL_OK && !m && has_format)
        status = match(r, req, prompt, &req->format, LEAD_OF_ANSWER, &m, err);
    if (status == HL_OK && m) hl_answer_format_init(&a->format, m, a->thinks ? &a->think : NULL);
    return status;
}

static hl_status answer_new(native *r, const hl_request *req, const hl_prompt *prompt, answer **ret,
                            hl_err *err) {
    const hl_tokenizer *t = hl_model_tokenizer(r->model);
    answer             *a = hl_new(1, sizeof *a);
    if (!a) return hl_fail(err, HL_E_NOMEM, "answer: no memory");
    a->want_logprobs = req->want_logprobs || req->n_top > 0;
    a->want_all = a->want_logprobs || req->want_tokens;
    a->piece_cap = hl_tokenizer_max_piece_bytes(t);
    a->piece = hl_new(a->piece_cap, 1);
    hl_answer_text_init(&a->text, req->stops, req->n_stops, &prompt->form);
    if (!a->piece || a->text.failed) {
        answer_free(a);
        return hl_fail(err, HL_E_NOMEM, "answer: no memory");
    }
    a->tools = json_incref(prompt->tools);
    a->one_call = req->one_tool_call;
    hl_detokenizer_init(&a->detok, t, false);
    a->detok.at_start = false; /* the answer continues the prompt: its first space is text */
    a->thinks = prompt->form.splits_thinking;
    const int32_t most = req->think_tokens == 0 ? -1 : req->think_tokens < 0 ? 0 : req->think_tokens;
    hl_status     status =
        a->thinks ? hl_think_limit_init(&a->think, t, most, &prompt->form, req->sampling.constraint, err)
                      : HL_OK;
    if (status == HL_OK) status = set_format(r, req, prompt, a, err);
    if (status == HL_OK)
        *ret = a;
    else
        answer_free(a);
    return status;
}

/* What making the prompt took counts. */
static int64_t time_left_ms(const hl_request *req, const answer *a) {
    const int64_t used_ms = a->prompt_made_ns / 1000000;
    if (req->timeout_ms <= 0) return req->timeout_ms;
    return req->timeout_ms > used_ms ? req->timeout_ms - used_ms : 1;
}

/* Drafts that are no good cost little, and change nothing. */
static hl_status read_prediction(const native *r, const hl_request *req, hl_tokens *ret, hl_err *err) {
    if (req->prediction.len == 0) return HL_OK;
    return hl_tokenizer_encode(hl_model_tokenizer(r->model), req->prediction, 0, ret, err);
}

static hl_status submit_answer(native *r, const hl_request *req, const hl_prompt *prompt, answer *a,
                               hl_err *err) {
    hl_tokens        prediction = {0};
    hl_sched_request job = {
        .tokens = prompt->ids.ids,
        .n_tokens = prompt->ids.n,
        .sampling = req->sampling,
        .max_tokens = req->max_tokens,
        .n_ctx = req->n_ctx,
        .want_logprobs = a->want_logprobs,
        .n_top = req->n_top,
        .speculate = req->speculate,
        .adapters = req->adapters,
        .n_adapters = req->n_adapters,
        .owner = req->owner,
        .priority = req->priority,
        .timeout_ms = time_left_ms(req, a),
        .on_token = take_token,
        .on_done = end_answer,
        .user = a,
    };
    if (req->want_prompt_logprobs) job.on_prompt_token = take_prompt_token;
    if (a->thinks) job.sampling.constraint = &a->think.constraint;
    if (a->format.matcher) job.sampling.constraint = &a->format.constraint;
    hl_status status =
        hl_dry_breakers_fill(&r->dry_breakers, hl_model_tokenizer(r->model), &job.sampling, err);
    if (status == HL_OK) status = read_prediction(r, req, &prediction, err);
    job.prediction = prediction.ids;
    job.n_prediction = prediction.n;
    if (status == HL_OK) status = hl_sched_submit(r->sched, &job, &a->id, err);
    hl_tokens_done(&prediction);
    return status;
}

static hl_status submit(void *engine, const hl_request *req, hl_generation *g, hl_err *err) {
    native        *r = engine;
    const int64_t  began_ns = hl_clock_ns();
    const unsigned n_stops = atomic_load(&r->n_stops);
    hl_prompt      prompt = {0};
    answer        *a = NULL;
    hl_status      status = load_prompt(r, req, &prompt, err);
    if (status == HL_OK && atomic_load(&r->n_stops) != n_stops)
        status = hl_fail(err, HL_E_CANCEL, "prompt: stopped");
    if (status == HL_OK) status = answer_new(r, req, &prompt, &a, err);
    if (status == HL_OK) {
        a->generation = g;
        a->began_ns = began_ns;
        a->prompt_made_ns = hl_clock_ns() - began_ns;
        hl_generation_set_data(g, a);
        if (req->want_prompt_logprobs) tell_first(r, req, &prompt, a);
        status = submit_answer(r, req, &prompt, a, err); /* from here on the scheduler frees it */
        if (status != HL_OK) answer_free(a);
    }
    hl_prompt_done(&prompt);
    return status;
}

static void cancel(void *engine, hl_generation *g) {
    const answer *a = hl_generation_data(g);
    hl_sched_cancel(((native *)engine)->sched, a->id);
}

static void pause_reading(void *engine, hl_generation *g, bool paused) {
    const answer *a = hl_generation_data(g);
    hl_sched_pause(((native *)engine)->sched, a->id, paused);
}

static void answer_now(void *engine, hl_generation *g) {
    answer *a = hl_generation_data(g);
    (void)engine;
    if (a->thinks) atomic_store(&a->think.now, true);
}

static void cancel_all(void *engine) {
    native *r = engine;
    atomic_fetch_add(&r->n_stops, 1); /* for those that are not with the scheduler yet */
    hl_sched_cancel_all(r->sched);
}

static hl_status render(void *engine, const hl_request *req, char **ret_text, size_t *ret_n, hl_err *err) {
    native         *r = engine;
    const hl_status status = hl_check_generates(r->model, err);
    return status != HL_OK ? status : hl_prompt_render(r->model, &r->templates, req, ret_text, ret_n, err);
}

static hl_status encode(void *engine, const hl_request *req, hl_tokens *ret_ids, hl_err *err) {
    native   *r = engine;
    hl_prompt prompt;
    hl_status status = hl_prompt_make(r->model, &r->templates, req, &prompt, err);
    if (status == HL_OK) status = hl_tokens_add(ret_ids, prompt.ids.ids, prompt.ids.n, err);
    hl_prompt_done(&prompt);
    return status;
}

static hl_status count(void *engine, const hl_request *req, int32_t *ret_tokens, hl_err *err) {
    native         *r = engine;
    const hl_status status = hl_check_generates(r->model, err);
    return status != HL_OK ? status : hl_prompt_count(r->model, &r->templates, req, ret_tokens, err);
}

static hl_status embed(void *engine, const hl_embed_request *req, hl_embeddings *ret, hl_err *err) {
    native *r = engine;
    return hl_embed_native(r->model, r->sched, req, &r->n_stops, ret, err);
}

static hl_status pin(void *engine, const int32_t *tokens, size_t n, bool pins, hl_err *err) {
    native *r = engine;
    return pins ? hl_sched_pin(r->sched, tokens, n, err) : hl_sched_unpin(r->sched, tokens, n, err);
}

/* ---- the runner ---- */

static void get_info(void *engine, hl_runner_info *ret_info) {
    native        *r = engine;
    hl_sched_stats t;
    hl_sched_get_stats(r->sched, &t);
    *ret_info = (hl_runner_info){
        .kind = "native",
        .n_ctx = hl_sched_n_ctx(r->sched),
        .n_ctx_cap = hl_sched_n_ctx_cap(r->sched),
        .n_ctx_most = r->model->arch->is_encoder ? (int32_t)r->model->hp.n_ctx_train : 0,
        .n_ctx_train = (int32_t)r->model->hp.n_ctx_train,
        .has_template = hl_model_chat_template(r->model).len > 0,
        .weights_bytes = hl_model_weights_bytes(r->model),
        .cache_bytes = t.kv_budget_bytes,
        .cache_used_bytes = t.kv_used_bytes,
        .cache_tokens = t.kv_tokens,
        .n_running = t.n_running,
        .n_waiting = t.n_waiting,
        .tokenizer = hl_model_tokenizer(r->model),
    };
}

static void native_free(void *engine) {
    native *r = engine;
    hl_sched_free(r->sched);
    hl_chat_templates_done(&r->templates);
    hl_dry_breakers_done(&r->dry_breakers);
    hl_formats_done(&r->formats);
    hl_free(r);
}

static const hl_runner_ops native_ops = {
    .submit = submit,
    .cancel = cancel,
    .pause = pause_reading,
    .answer_now = answer_now,
    .cancel_all = cancel_all,
    .render = render,
    .encode = encode,
    .count = count,
    .pin = pin,
    .get_info = get_info,
    .embed = embed,
    .free = native_free,
};

hl_status hl_runner_new(hl_model *m, const hl_runner_params *p, hl_runner **ret_runner, hl_err *err) {
    native *r = hl_new(1, sizeof *r);
    if (!r) return hl_fail(err, HL_E_NOMEM, "runner: no memory");
    r->model = m;
    hl_chat_templates_init(&r->templates);
    hl_dry_breakers_init(&r->dry_breakers);
    hl_formats_init(&r->formats);
    hl_status status = hl_sched_new(m, p ? &p->sched : NULL, &r->sched, err);
    if (status == HL_OK) {
        *ret_runner = hl_runner_make(&native_ops, r);
        if (*ret_runner) return HL_OK;
        status = hl_fail(err, HL_E_NOMEM, "runner: no memory");
    }
    native_free(r);
    return status;
}
