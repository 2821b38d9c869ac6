/* SPDX-License-Identifier: MIT
 *
 * runner_native.c - requests answered by our own engine: text to tokens, the scheduler's tokens to text.
 *
 * The caller's thread makes the prompt and waits; the scheduler's thread turns each token into text, looks for stop
 * strings and calls back.
 */
#include <pthread.h>
#include <stdatomic.h>

#include "core/base/clock.h"
#include "core/base/mem.h"
#include "engine/runner/answer_text.h"
#include "engine/runner/chat.h"
#include "engine/trace.h"

struct hl_runner {
    hl_model       *model;
    hl_sched       *sched;
    pthread_mutex_t lock; /* guards the two below until they are set */
    hl_template    *tmpl; /* the model's own; NULL: none */
    bool            tmpl_tried;
    atomic_uint     n_stops; /* calls of hl_runner_stop() */
};

void hl_request_init(hl_request *r) {
    *r = (hl_request){.max_tokens = -1};
    hl_sampler_params_init(&r->sampling);
}

hl_status hl_runner_new(hl_model *m, const hl_runner_params *p, hl_runner **ret_runner, hl_err *err) {
    hl_runner *r = hl_new(1, sizeof *r);
    if (!r) return hl_fail(err, HL_E_NOMEM, "runner: no memory");
    r->model = m;
    (void)pthread_mutex_init(&r->lock, NULL);
    const hl_status status = hl_sched_new(m, p ? &p->sched : NULL, &r->sched, err);
    if (status != HL_OK) {
        hl_runner_free(r);
        return status;
    }
    *ret_runner = r;
    return HL_OK;
}

void hl_runner_free(hl_runner *r) {
    if (!r) return;
    hl_sched_free(r->sched);
    hl_template_free(r->tmpl);
    (void)pthread_mutex_destroy(&r->lock);
    hl_free(r);
}

hl_sched *hl_runner_sched(hl_runner *r) { return r->sched; }

void hl_runner_stop(hl_runner *r) {
    atomic_fetch_add(&r->n_stops, 1); /* for those that are not with the scheduler yet */
    hl_sched_cancel_all(r->sched);
}

/* One answer in the making; touched by the scheduler's thread alone while that works on it. */
typedef struct answer {
    hl_answer_text text;
    hl_detokenizer detok;
    char          *piece; /* [piece_cap] text of one token */
    size_t         piece_cap;
    bool           want_logprobs;
    hl_token_fn   *on_token;
    void          *user;
    hl_token_event event;    /* of the token in hand; its text is filled piece by piece */
    bool           was_sent; /* the token in hand was part of an event */
} answer;

static bool send_text(void *user, hl_view text, bool is_thinking) {
    answer        *a = user;
    hl_token_event ev = a->event;
    ev.text = text;
    ev.is_thinking = is_thinking;
    if (a->was_sent) {
        ev.token = -1;
        ev.n_top = 0;
    }
    a->was_sent = true;
    return a->on_token(a->user, &ev);
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
    const bool   go_on = hl_answer_text_feed(&a->text, (hl_view){a->piece, n}, is_hidden, send_text, a);
    if (a->text.pending.failed || !go_on) return HL_END_CANCEL;
    if (a->text.stopped) return HL_END_STOP;
    return a->was_sent || !a->want_logprobs || send_text(a, (hl_view){"", 0}, false) ? HL_END_NONE
                                                                                     : HL_END_CANCEL;
}

/* What was held back when the answer ended. A character of which bytes are still to come never was one. */
static bool finish_text(answer *a, hl_end end) {
    a->event = (hl_token_event){.token = -1};
    a->was_sent = true;
    return a->text.stopped || end == HL_END_CANCEL || hl_answer_text_finish(&a->text, send_text, a);
}

static hl_status find_template(hl_runner *r, const hl_request *req, const hl_template **ret, hl_err *err) {
    *ret = NULL;
    if (!req->messages_json || req->template_text) return HL_OK;
    hl_status status = HL_OK;
    (void)pthread_mutex_lock(&r->lock);
    if (!r->tmpl_tried) status = hl_model_template_parse(r->model, &r->tmpl, err);
    r->tmpl_tried = status == HL_OK;
    *ret = r->tmpl;
    (void)pthread_mutex_unlock(&r->lock);
    return status;
}

static hl_status load_prompt(hl_runner *r, const hl_request *req, hl_prompt *prompt, hl_err *err) {
    const hl_template *tmpl = NULL;
    hl_status          status = find_template(r, req, &tmpl, err);
    if (status == HL_OK) status = hl_prompt_make(r->model, tmpl, req, prompt, err);
    if (status == HL_OK && prompt->ids.n == 0) {
        const int32_t start = hl_tokenizer_bos(hl_model_tokenizer(r->model));
        const int32_t id = start >= 0 ? start : 0; /* an empty prompt: begin from the beginning */
        status = hl_tokens_add(&prompt->ids, &id, 1, err);
    }
    return status;
}

static hl_status begin_answer(hl_runner *r, const hl_request *req, const hl_prompt *prompt, answer *a,
                              hl_err *err) {
    const hl_tokenizer *t = hl_model_tokenizer(r->model);
    a->piece_cap = hl_tokenizer_max_piece_bytes(t);
    a->piece = hl_new(a->piece_cap, 1);
    if (!a->piece) return hl_fail(err, HL_E_NOMEM, "answer: no memory");
    hl_answer_text_init(&a->text, req->stops, req->n_stops, prompt->splits_thinking, prompt->starts_thinking);
    hl_detokenizer_init(&a->detok, t, false);
    a->detok.at_start = false; /* the answer continues the prompt: its first space is text */
    return HL_OK;
}

static hl_status run(hl_runner *r, const hl_request *req, const hl_prompt *prompt, answer *a,
                     hl_usage *ret_usage, hl_err *err) {
    const hl_sched_request job = {
        .tokens = prompt->ids.ids,
        .n_tokens = prompt->ids.n,
        .sampling = req->sampling,
        .max_tokens = req->max_tokens,
        .n_ctx = req->n_ctx,
        .want_logprobs = a->want_logprobs,
        .n_top = req->n_top,
        .speculate = req->speculate,
        .owner = req->owner,
        .priority = req->priority,
        .timeout_ms = req->timeout_ms,
        .on_token = take_token,
        .user = a,
    };
    hl_status status = begin_answer(r, req, prompt, a, err);
    if (status == HL_OK) status = hl_sched_run(r->sched, &job, ret_usage, err);
    if (status == HL_OK && !finish_text(a, ret_usage->end)) ret_usage->end = HL_END_CANCEL;
    if (status == HL_OK && a->text.pending.failed) status = hl_fail(err, HL_E_NOMEM, "answer: no memory");
    hl_answer_text_done(&a->text);
    hl_free(a->piece);
    return status;
}

hl_status hl_runner_generate(hl_runner *r, const hl_request *req, hl_token_fn *on_token, void *user,
                             hl_usage *ret_usage, hl_err *err) {
    const int64_t  began_ns = hl_clock_ns();
    const unsigned n_stops = atomic_load(&r->n_stops);
    answer    a = {.on_token = on_token, .user = user, .want_logprobs = req->want_logprobs || req->n_top > 0};
    hl_prompt prompt = {0};
    hl_usage  usage = {0};
    hl_status status = load_prompt(r, req, &prompt, err);
    const int64_t prompt_made_ns = hl_clock_ns() - began_ns;
    if (status == HL_E_CANCEL || (status == HL_OK && atomic_load(&r->n_stops) != n_stops)) {
        usage.end = HL_END_CANCEL;
        status = HL_OK;
    } else if (status == HL_OK) {
        status = run(r, req, &prompt, &a, &usage, err);
    }
    if (usage.first_token_ns) usage.first_token_ns += prompt_made_ns;
    usage.total_ns = hl_clock_ns() - began_ns;
    if (ret_usage) *ret_usage = usage;
    hl_prompt_done(&prompt);
    return status;
}
