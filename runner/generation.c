/* SPDX-License-Identifier: MIT
 *
 * generation.c - one request in progress: a bounded queue between the engine's thread and whoever reads the
 * answer.
 *
 * The engine pushes, the reader takes. At PAUSE_AT events the engine is told to pause, at RESUME_AT to go on;
 * between the order and the engine's obedience there is room for what one step makes. Both orders are given
 * under the generation's lock, so that they arrive in the order in which they were decided.
 */
#include "runner/generation_priv.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "core/base/clock.h"
#include "core/base/mem.h"
#include "core/base/str.h"

enum { PAUSE_AT = 64, RESUME_AT = 16, N_SLOTS = 256, TOP_CAP = 20, TEXT_LIMIT_BYTES = 64 << 20 };

/* An event in the queue. Its memory is used again by later ones. */
typedef struct slot {
    hl_token_event ev; /* .text and .top are not valid */
    hl_str         text, call_id;
    hl_str         token_texts; /* of the token, then of those of `top` */
    hl_logprob    *top;         /* [TOP_CAP]; NULL: never asked for */
    hl_view       *top_texts;   /* [TOP_CAP], into token_texts; NULL: never there */
} slot;

struct hl_generation {
    hl_runner      *runner;
    void           *data; /* the engine's */
    pthread_mutex_t lock; /* guards all below */
    pthread_cond_t  is_ready;
    int             n_refs; /* the caller and the engine */
    slot            slots[N_SLOTS];
    uint32_t        first, n; /* of the queue */
    slot            current;  /* the event that the caller looks at */
    bool            is_paused, is_cancelled, has_ended;
    hl_status       status;
    hl_usage        usage;
    hl_err          err;
    void (*wake)(void *user);
    void *wake_user;
};

static void slot_init(slot *s) {
    hl_str_init(&s->text, TEXT_LIMIT_BYTES);
    hl_str_init(&s->call_id, TEXT_LIMIT_BYTES);
    hl_str_init(&s->token_texts, TEXT_LIMIT_BYTES);
}

hl_generation *hl_generation_new(hl_runner *r) {
    hl_generation *g = hl_new(1, sizeof *g);
    if (!g) return NULL;
    g->runner = r;
    g->n_refs = 2;
    for (uint32_t i = 0; i < N_SLOTS; i++) slot_init(&g->slots[i]);
    slot_init(&g->current);
    (void)pthread_mutex_init(&g->lock, NULL);
    pthread_condattr_t attr;
    (void)pthread_condattr_init(&attr);
    (void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&g->is_ready, &attr);
    (void)pthread_condattr_destroy(&attr);
    return g;
}

static void slot_done(slot *s) {
    hl_str_done(&s->text);
    hl_str_done(&s->call_id);
    hl_str_done(&s->token_texts);
    hl_free(s->top);
    hl_free(s->top_texts);
}

/* Under lock, which is let go. */
static void leave(hl_generation *g) {
    const bool last = --g->n_refs == 0;
    (void)pthread_mutex_unlock(&g->lock);
    if (!last) return;
    for (uint32_t i = 0; i < N_SLOTS; i++) slot_done(&g->slots[i]);
    slot_done(&g->current);
    (void)pthread_cond_destroy(&g->is_ready);
    (void)pthread_mutex_destroy(&g->lock);
    hl_free(g);
}

void hl_generation_drop(hl_generation *g) {
    (void)pthread_mutex_lock(&g->lock);
    g->n_refs = 1;
    leave(g);
}

void  hl_generation_set_data(hl_generation *g, void *data) { g->data = data; }
void *hl_generation_data(const hl_generation *g) { return g->data; }

/* ---- the engine's side ---- */

/* Lengths first: where the texts lie is known when all are there. */
static bool fill_texts(slot *s, const hl_token_event *ev) {
    if (s->ev.n_top > 0 && !s->top_texts && !(s->top_texts = hl_new(TOP_CAP, sizeof *s->top_texts)))
        return false;
    hl_str_clear(&s->token_texts);
    hl_str_add_view(&s->token_texts, ev->token_text);
    for (size_t i = 0; i < s->ev.n_top; i++) {
        s->top_texts[i].len = ev->top_texts[i].len;
        hl_str_add_view(&s->token_texts, ev->top_texts[i]);
    }
    if (s->token_texts.failed) return false;
    const char *at = hl_str_text(&s->token_texts);
    s->ev.token_text.ptr = at;
    at += ev->token_text.len;
    for (size_t i = 0; i < s->ev.n_top; at += s->top_texts[i++].len) s->top_texts[i].ptr = at;
    s->ev.top_texts = s->top_texts;
    return true;
}

static bool fill(slot *s, const hl_token_event *ev) {
    s->ev = *ev;
    hl_str_clear(&s->text);
    hl_str_add_view(&s->text, ev->text);
    hl_str_clear(&s->call_id);
    if (ev->call_id.len > 0) hl_str_add_view(&s->call_id, ev->call_id);
    if (s->text.failed || s->call_id.failed) return false;
    if (ev->n_top > 0 && !s->top && !(s->top = hl_new(TOP_CAP, sizeof *s->top))) return false;
    s->ev.n_top = ev->n_top < TOP_CAP ? ev->n_top : TOP_CAP;
    if (ev->n_top > 0) memcpy(s->top, ev->top, s->ev.n_top * sizeof *s->top);
    return !ev->token_text.ptr || fill_texts(s, ev);
}

/* Under lock. */
static void fail(hl_generation *g, hl_status status, const char *why) {
    if (g->status == HL_OK) g->status = hl_fail(&g->err, status, "answer: %s", why);
}

/* Something is there for a reader who may not know of it. Under lock, so that nobody is woken after free. */
static void announce(hl_generation *g) {
    (void)pthread_cond_signal(&g->is_ready);
    if (g->wake && (g->n == 1 || g->has_ended)) g->wake(g->wake_user);
}

bool hl_generation_push(hl_generation *g, const hl_token_event *ev) {
    (void)pthread_mutex_lock(&g->lock);
    bool ok = !g->is_cancelled && g->status == HL_OK;
    if (ok && g->n == N_SLOTS) {
        fail(g, HL_E_INTERNAL, "the engine did not pause for its reader");
        ok = false;
    } else if (ok && !fill(&g->slots[(g->first + g->n) % N_SLOTS], ev)) {
        fail(g, HL_E_NOMEM, "no memory");
        ok = false;
    } else if (ok) {
        g->n++;
        announce(g);
    }
    if (ok && g->n >= PAUSE_AT && !g->is_paused) {
        g->is_paused = true;
        hl_runner_pause(g->runner, g, true);
    }
    (void)pthread_mutex_unlock(&g->lock);
    return ok;
}

void hl_generation_end(hl_generation *g, hl_status status, const hl_usage *usage, const hl_err *err) {
    (void)pthread_mutex_lock(&g->lock);
    if (usage) g->usage = *usage;
    if (g->status == HL_OK) {
        g->status = status;
        if (status != HL_OK && err) g->err = *err;
    }
    if (g->is_cancelled && g->status == HL_OK) g->usage.end = HL_END_CANCEL;
    g->has_ended = true;
    announce(g);
    leave(g);
}

/* ---- the reader's side ---- */

static void take(hl_generation *g, hl_generation_event *ret) {
    slot *s = &g->slots[g->first], old = g->current;
    g->current = *s;
    *s = old; /* its memory is used again */
    g->first = (g->first + 1) % N_SLOTS;
    g->n--;
    *ret = (hl_generation_event){.kind = HL_EVENT_TOKEN, .token = g->current.ev};
    ret->token.text = hl_str_view(&g->current.text);
    ret->token.call_id = hl_str_view(&g->current.call_id);
    ret->token.top = g->current.top;
    if (!g->is_paused || g->n > RESUME_AT || g->has_ended) return;
    g->is_paused = false;
    hl_runner_pause(g->runner, g, false);
}

/* False: time is up. */
static bool wait_for_event(hl_generation *g, int64_t wait_ms) {
    const int64_t   until = wait_ms > 0 ? hl_clock_ns() + wait_ms * 1000000 : 0;
    struct timespec t = {.tv_sec = until / 1000000000, .tv_nsec = until % 1000000000};
    while (g->n == 0 && !g->has_ended) {
        if (wait_ms == 0) return false;
        if (wait_ms < 0)
            (void)pthread_cond_wait(&g->is_ready, &g->lock);
        else if (pthread_cond_timedwait(&g->is_ready, &g->lock, &t) == ETIMEDOUT)
            return g->n > 0 || g->has_ended;
    }
    return true;
}

hl_status hl_generation_next(hl_generation *g, int64_t wait_ms, hl_generation_event *ret_event) {
    (void)pthread_mutex_lock(&g->lock);
    const bool there_is = wait_for_event(g, wait_ms);
    if (there_is && g->n > 0)
        take(g, ret_event);
    else if (there_is)
        *ret_event = (hl_generation_event){
            .kind = HL_EVENT_END, .status = g->status, .usage = g->usage, .err = &g->err};
    (void)pthread_mutex_unlock(&g->lock);
    return there_is ? HL_OK : HL_E_BUSY;
}

void hl_generation_on_ready(hl_generation *g, void (*wake)(void *user), void *user) {
    (void)pthread_mutex_lock(&g->lock);
    g->wake = wake;
    g->wake_user = user;
    if (wake && (g->n > 0 || g->has_ended)) wake(user);
    (void)pthread_mutex_unlock(&g->lock);
}

/* Under lock. */
static void cancel(hl_generation *g) {
    if (g->is_cancelled) return;
    g->is_cancelled = true;
    g->n = 0; /* what was not read yet is nobody's any more */
    if (!g->has_ended) hl_runner_cancel(g->runner, g);
}

void hl_generation_cancel(hl_generation *g) {
    (void)pthread_mutex_lock(&g->lock);
    cancel(g);
    (void)pthread_mutex_unlock(&g->lock);
}

void hl_generation_answer_now(hl_generation *g) {
    (void)pthread_mutex_lock(&g->lock);
    if (!g->has_ended && !g->is_cancelled) hl_runner_answer_now(g->runner, g);
    (void)pthread_mutex_unlock(&g->lock);
}

void hl_generation_free(hl_generation *g) {
    if (!g) return;
    (void)pthread_mutex_lock(&g->lock);
    cancel(g);
    g->wake = NULL;
    leave(g);
}
