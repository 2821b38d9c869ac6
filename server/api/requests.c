/* SPDX-License-Identifier: MIT
 *
 * requests.c - what is under way: listed, cancelled, told to come to its answer.
 *
 * A request's id is the x-request-id of its response's headers.
 */
#include "core/base/clock.h"
#include "server/completion.h"
#include "server/server_priv.h"

/* What a worker makes of it is not looked at while it does: of a completion only what is answered is told. */
static const char *state_of(const hl_completion *c, bool is_answered) {
    if (!is_answered) return "preparing"; /* loading, rendering */
    if (!c || c->n_choices == 0) return "sending";
    return __atomic_load_n(&c->n_tokens, __ATOMIC_RELAXED) > 0 ? "answering" : "reading"; /* or it waits */
}

static void add_request(const hl_exchange *x, hl_json_out *j) {
    const bool           is_answered = __atomic_load_n(&x->state, __ATOMIC_SEQ_CST) >= HL_X_ANSWERING;
    const hl_completion *c = is_answered ? x->completion : NULL;
    hl_json_open(j, NULL, '{');
    hl_json_add_text(j, "id", x->id);
    hl_json_add_text(j, "path", x->route ? x->route->path : NULL);
    hl_json_add_text(j, "model", __atomic_load_n(&x->model, __ATOMIC_ACQUIRE));
    hl_json_add_text(j, "state", state_of(c, is_answered));
    hl_json_add_int(j, "age_ms", (hl_clock_ns() - x->start_ns) / 1000000);
    hl_json_add_int(j, "answers", c ? (int64_t)c->n_choices : 0);
    hl_json_add_int(j, "tokens", c ? (int64_t)__atomic_load_n(&c->n_tokens, __ATOMIC_RELAXED) : 0);
    hl_json_close(j, '}');
}

hl_status hl_api_requests(hl_exchange *x, hl_err *err) {
    hl_server *s = x->server;
    (void)err;
    hl_json_open(&x->out, NULL, '{');
    hl_json_open(&x->out, "requests", '[');
    (void)pthread_mutex_lock(&s->lock);
    for (const hl_exchange *other = s->exchanges; other; other = other->next)
        if (other != x && __atomic_load_n(&other->state, __ATOMIC_ACQUIRE) != HL_X_RECEIVING)
            add_request(other, &x->out);
    (void)pthread_mutex_unlock(&s->lock);
    hl_json_close(&x->out, ']');
    hl_json_close(&x->out, '}');
    return HL_OK;
}

static hl_exchange *hold(hl_exchange *x, hl_err *err) {
    hl_exchange *other = hl_exchange_hold(x->server, x->rest);
    if (!other)
        (void)hl_fail(err, HL_E_NOT_FOUND, "request '%.*s' is not under way",
                      (int)(x->rest.len < 60 ? x->rest.len : 60), x->rest.ptr);
    return other;
}

static void answer_with(hl_exchange *x, const char *what) {
    hl_json_open(&x->out, NULL, '{');
    hl_json_add_view(&x->out, "id", x->rest);
    hl_json_add_bool(&x->out, what, true);
    hl_json_close(&x->out, '}');
}

hl_status hl_api_request_cancel(hl_exchange *x, hl_err *err) {
    hl_exchange *other = hold(x, err);
    if (!other) return HL_E_NOT_FOUND;
    hl_exchange_cancel(other);
    hl_exchange_let_go(x->server);
    answer_with(x, "cancelled");
    return HL_OK;
}

hl_status hl_api_request_answer(hl_exchange *x, hl_err *err) {
    hl_exchange *other = hold(x, err);
    if (!other) return HL_E_NOT_FOUND;
    hl_exchange_answer_now(other);
    hl_exchange_let_go(x->server);
    answer_with(x, "answering");
    return HL_OK;
}
