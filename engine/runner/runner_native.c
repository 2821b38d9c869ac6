/* SPDX-License-Identifier: MIT
 *
 * runner_native.c - requests answered by our own engine, one at a time on one session.
 *
 * What the last prompt and answer have in common with the new prompt stays in the KV cache and is not
 * computed again.
 */
#include <stdatomic.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/mem.h"
#include "engine/runner/answer_text.h"
#include "engine/runner/chat.h"
#include "engine/trace.h"

enum { MAX_TOP = 20 };

struct hl_runner {
    hl_model    *model;
    hl_session  *session;
    hl_template *tmpl; /* the model's own; NULL: none */
    bool         tmpl_tried;
    hl_tokens    held; /* ids whose keys and values the session holds, or once held (never fewer) */
    char        *piece;
    size_t       piece_cap;
    atomic_bool  stop;
};

void hl_request_init(hl_request *r) {
    *r = (hl_request){.max_tokens = -1};
    hl_sampler_params_init(&r->sampling);
}

hl_status hl_runner_new(hl_model *m, const hl_runner_params *p, hl_runner **ret_runner, hl_err *err) {
    hl_runner *r = hl_new(1, sizeof *r);
    if (!r) return hl_fail(err, HL_E_NOMEM, "runner: no memory");
    r->model = m;
    hl_status status = hl_session_new(m, p ? &p->session : NULL, &r->session, err);
    if (status == HL_OK && hl_model_tokenizer(m)) {
        r->piece_cap = hl_tokenizer_max_piece_bytes(hl_model_tokenizer(m));
        r->piece = hl_new(r->piece_cap, 1);
        if (!r->piece) status = hl_fail(err, HL_E_NOMEM, "runner: no memory");
    }
    if (status != HL_OK) {
        hl_runner_free(r);
        return status;
    }
    *ret_runner = r;
    return HL_OK;
}

void hl_runner_free(hl_runner *r) {
    if (!r) return;
    hl_session_free(r->session);
    hl_template_free(r->tmpl);
    hl_tokens_done(&r->held);
    hl_free(r->piece);
    hl_free(r);
}

hl_session *hl_runner_session(hl_runner *r) { return r->session; }

void hl_runner_stop(hl_runner *r) {
    atomic_store(&r->stop, true);
    hl_session_stop(r->session);
}

/* One answer in the making. */
typedef struct answer {
    hl_runner        *r;
    const hl_request *req;
    hl_sampler       *sampler;
    hl_answer_text    text;
    hl_detokenizer    detok;
    hl_token_fn      *on_token;
    void             *user;
    hl_token_event    event;    /* of the token in hand; its text is filled piece by piece */
    bool              was_sent; /* the token in hand was part of an event */
    hl_logprob        top[MAX_TOP];
    hl_usage          usage;
    int64_t           began_ns;
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

static hl_status load_prompt(hl_runner *r, const hl_request *req, hl_prompt *prompt, hl_err *err) {
    if (!r->tmpl_tried && req->messages_json && !req->template_text) {
        const hl_status status = hl_model_template_parse(r->model, &r->tmpl, err);
        if (status != HL_OK) return status;
        r->tmpl_tried = true;
    }
    const hl_status status = hl_prompt_make(r->model, r->tmpl, req, prompt, err);
    if (status != HL_OK) return status;
    if (prompt->ids.n == 0) {
        const int32_t start = hl_tokenizer_bos(hl_model_tokenizer(r->model));
        const int32_t id = start >= 0 ? start : 0; /* an empty prompt: begin from the beginning */
        return hl_tokens_add(&prompt->ids, &id, 1, err);
    }
    return HL_OK;
}

/* Tokens at the front of the prompt that the session already holds; at least one is left to compute. */
static size_t common_prefix(const hl_runner *r, const hl_tokens *ids) {
    size_t max = (size_t)hl_session_pos(r->session);
    size_t n = 0;
    if (max > ids->n - 1) max = ids->n - 1;
    if (max > r->held.n) max = r->held.n;
    while (n < max && r->held.ids[n] == ids->ids[n]) n++;
    return n;
}

static hl_status eval_prompt(answer *a, const hl_tokens *ids, hl_err *err) {
    hl_runner    *r = a->r;
    const int32_t n_ctx = hl_session_n_ctx(r->session);
    if (ids->n >= (size_t)n_ctx)
        return hl_fail(err, HL_E_FULL,
                       "the prompt has %zu tokens and the context holds %d, one of them for the answer; "
                       "ask for a larger context or shorten the prompt",
                       ids->n, n_ctx);
    const size_t reuse = common_prefix(r, ids);
    hl_session_truncate(r->session, (int32_t)reuse);
    r->held.n = 0;
    hl_status status = hl_tokens_add(&r->held, ids->ids, ids->n, err);
    if (status != HL_OK) return status;
    a->usage.prompt_tokens = (int32_t)ids->n;
    a->usage.cached_tokens = (int32_t)reuse;
    for (size_t i = 0; i < ids->n; i++) hl_sampler_accept(a->sampler, ids->ids[i]);
    const int64_t t = hl_clock_ns();
    HL_TRACE2(prefill_begin, ids->n - reuse, reuse);
    status = hl_session_eval(r->session, ids->ids + reuse, ids->n - reuse, err);
    HL_TRACE1(prefill_end, status);
    a->usage.prompt_ns = hl_clock_ns() - t;
    return status;
}

/* Choose the next token and note its likelihood. */
static int32_t choose_token(answer *a) {
    const float  *logits = hl_session_logits(a->r->session);
    const int32_t id = hl_sampler_sample(a->sampler, logits);
    a->event = (hl_token_event){.token = id};
    a->was_sent = false;
    if (a->req->want_logprobs) {
        const size_t n = a->req->n_top < 0 ? 0 : a->req->n_top > MAX_TOP ? MAX_TOP : (size_t)a->req->n_top;
        hl_model_info info;
        hl_model_get_info(a->r->model, &info);
        a->event.logprob = hl_logprobs_top(logits, info.n_vocab, id, n, a->top);
        a->event.top = a->top;
        a->event.n_top = n;
    }
    return id;
}

static hl_status generate(answer *a, hl_err *err) {
    hl_runner          *r = a->r;
    const hl_tokenizer *t = hl_model_tokenizer(r->model);
    hl_status           status = HL_OK;
    for (;;) {
        if (atomic_load(&r->stop)) {
            a->usage.end = HL_END_CANCEL;
            return HL_OK;
        }
        if (a->req->max_tokens >= 0 && a->usage.answer_tokens >= a->req->max_tokens) {
            a->usage.end = HL_END_LENGTH;
            return HL_OK;
        }
        const int32_t id = choose_token(a);
        HL_TRACE2(token, id, a->usage.answer_tokens);
        if (a->usage.answer_tokens == 0) a->usage.first_token_ns = hl_clock_ns() - a->began_ns;
        if (hl_tokenizer_is_eog(t, id)) {
            a->usage.end = HL_END_STOP;
            return HL_OK;
        }
        a->usage.answer_tokens++;
        hl_sampler_accept(a->sampler, id);
        const size_t n = hl_detokenizer_feed(&a->detok, id, r->piece, r->piece_cap);
        const bool   go_on = hl_answer_text_feed(&a->text, (hl_view){r->piece, n}, send_text, a);
        if (a->text.pending.failed) return hl_fail(err, HL_E_NOMEM, "answer: no memory");
        if (a->text.stopped || !go_on) {
            a->usage.end = go_on ? HL_END_STOP : HL_END_CANCEL;
            return HL_OK;
        }
        if (!a->was_sent && a->req->want_logprobs && !send_text(a, (hl_view){"", 0}, false)) {
            a->usage.end = HL_END_CANCEL;
            return HL_OK;
        }
        if (hl_session_pos(r->session) >= hl_session_n_ctx(r->session)) {
            a->usage.end = HL_END_LENGTH;
            return HL_OK;
        }
        status = hl_tokens_add(&r->held, &id, 1, err);
        if (status == HL_OK) status = hl_session_eval(r->session, &id, 1, err);
        if (status == HL_E_CANCEL) a->usage.end = HL_END_CANCEL;
        if (status != HL_OK) return status;
    }
}

static bool finish_text(answer *a) {
    const size_t n = hl_detokenizer_finish(&a->detok, a->r->piece, a->r->piece_cap);
    a->event = (hl_token_event){.token = -1};
    a->was_sent = true;
    if (a->text.stopped || a->usage.end == HL_END_CANCEL) return true;
    return hl_answer_text_feed(&a->text, (hl_view){a->r->piece, n}, send_text, a) &&
           hl_answer_text_finish(&a->text, send_text, a);
}

hl_status hl_runner_generate(hl_runner *r, const hl_request *req, hl_token_fn *on_token, void *user, hl_usage *ret_usage,
                             hl_err *err) {
    answer        a = {.r = r, .req = req, .on_token = on_token, .user = user, .began_ns = hl_clock_ns()};
    hl_prompt     prompt = {0};
    hl_model_info info;
    hl_model_get_info(r->model, &info);
    hl_status status = hl_sampler_new(&req->sampling, info.n_vocab, &a.sampler, err);
    if (status != HL_OK) return status;
    a.usage.seed = hl_sampler_seed(a.sampler);
    status = load_prompt(r, req, &prompt, err);
    hl_answer_text_init(&a.text, req->stops, req->n_stops, prompt.splits_thinking, prompt.starts_thinking);
    if (status == HL_OK) status = eval_prompt(&a, &prompt.ids, err);
    if (status == HL_OK) {
        hl_detokenizer_init(&a.detok, hl_model_tokenizer(r->model), false);
        a.detok.at_start = false; /* the answer continues the prompt: its first space is text */
        const int64_t t = hl_clock_ns();
        status = generate(&a, err);
        if (status == HL_OK && !finish_text(&a)) a.usage.end = HL_END_CANCEL;
        a.usage.answer_ns = hl_clock_ns() - t;
    }
    if (status == HL_E_CANCEL) {
        a.usage.end = HL_END_CANCEL;
        status = HL_OK;
    }
    atomic_store(&r->stop, false);
    hl_session_resume(r->session);
    a.usage.total_ns = hl_clock_ns() - a.began_ns;
    if (ret_usage) *ret_usage = a.usage;
    hl_answer_text_done(&a.text);
    hl_sampler_free(a.sampler);
    hl_prompt_done(&prompt);
    return status;
}
