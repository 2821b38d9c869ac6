/* SPDX-License-Identifier: MIT
 *
 * asking.c - a thread for each answer that comes over HTTP, and how it begins, waits and ends.
 */
#include "host/remote/asking.h"

#include <signal.h>
#include <string.h>
#include <time.h>

#include "core/base/clock.h"
#include "core/base/mem.h"
#include "core/base/stop.h"

enum { LOOK_NS = 100 * 1000 * 1000 };

static void reap(hl_askings *all, bool wait);

void hl_askings_init(hl_askings *all, void *engine) {
    pthread_condattr_t attr;
    all->engine = engine;
    (void)pthread_mutex_init(&all->lock, NULL);
    (void)pthread_condattr_init(&attr);
    (void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&all->changed, &attr);
    (void)pthread_condattr_destroy(&attr);
}

void hl_askings_done(hl_askings *all) {
    hl_askings_cancel_all(all);
    reap(all, true);
    (void)pthread_cond_destroy(&all->changed);
    (void)pthread_mutex_destroy(&all->lock);
}

/* ---- One answer ---- */

hl_status hl_asking_new(hl_askings *all, const hl_request *r, hl_generation *g, hl_asking **ret_asking,
                        hl_err *err) {
    hl_asking *a = hl_new(1, sizeof *a);
    if (!a) return hl_fail(err, HL_E_NOMEM, "answer: no memory");
    reap(all, false);
    a->all = all;
    a->generation = g;
    a->stop = hl_stop_watched();
    a->n_stops = atomic_load(&all->n_stops);
    a->began_ns = hl_clock_ns();
    a->deadline_ns = r->timeout_ms > 0 ? a->began_ns + r->timeout_ms * 1000000 : INT64_MAX;
    hl_json_init(&a->request);
    hl_str_init(&a->line, HL_ASKING_MAX_BYTES);
    hl_generation_set_data(g, a);
    *ret_asking = a;
    return HL_OK;
}

void hl_asking_free(hl_asking *a) {
    if (a->data && a->all->done) a->all->done(a->data);
    hl_json_done(&a->request);
    hl_str_done(&a->line);
    hl_free(a);
}

bool hl_asking_is_over(void *asking) {
    hl_asking  *a = asking;
    hl_askings *all = a->all;
    (void)pthread_mutex_lock(&all->lock);
    const bool is_cancelled = a->is_cancelled;
    (void)pthread_mutex_unlock(&all->lock);
    return is_cancelled || hl_stop_is_set(a->stop) || atomic_load(&all->n_stops) != a->n_stops ||
           hl_clock_ns() >= a->deadline_ns;
}

/* Until something has changed, or that long; under the lock. */
static void wait_for_change(hl_askings *all, int64_t ns) {
    const int64_t         until = hl_clock_ns() + (ns < LOOK_NS ? ns : LOOK_NS);
    const struct timespec t = {.tv_sec = until / 1000000000, .tv_nsec = until % 1000000000};
    (void)pthread_cond_timedwait(&all->changed, &all->lock, &t);
}

bool hl_asking_wait(hl_asking *a, int64_t ms) {
    hl_askings *all = a->all;
    for (int64_t until = hl_clock_ns() + ms * 1000000, left = 0; (left = until - hl_clock_ns()) > 0;) {
        if (hl_asking_is_over(a)) return false;
        (void)pthread_mutex_lock(&all->lock);
        if (!a->is_cancelled) wait_for_change(all, left);
        (void)pthread_mutex_unlock(&all->lock);
    }
    return !hl_asking_is_over(a);
}

/* False: it is over meanwhile. */
static bool wait_for_reader(hl_asking *a) {
    hl_askings *all = a->all;
    bool        is_paused = true;
    while (is_paused) {
        if (hl_asking_is_over(a)) return false;
        (void)pthread_mutex_lock(&all->lock);
        if (a->is_paused && !a->is_cancelled) wait_for_change(all, LOOK_NS);
        is_paused = a->is_paused;
        (void)pthread_mutex_unlock(&all->lock);
    }
    return true;
}

bool hl_asking_push_event(hl_asking *a, const hl_token_event *ev) {
    return wait_for_reader(a) && hl_generation_push(a->generation, ev);
}

bool hl_asking_push_token(hl_asking *a, const hl_token_event *ev) {
    if (!wait_for_reader(a)) return false;
    a->usage.answer_tokens++; /* until the response says how many there were */
    if (a->usage.first_token_ns == 0) a->usage.first_token_ns = hl_clock_ns() - a->began_ns;
    return hl_generation_push(a->generation, ev);
}

bool hl_asking_push(hl_asking *a, hl_view text, bool is_thinking) {
    const hl_token_event ev = {.text = text, .is_thinking = is_thinking, .token = -1};
    return hl_asking_push_token(a, &ev);
}

bool hl_asking_take_lines(void *asking, hl_view bytes) {
    hl_asking *a = asking;
    for (const char *at = bytes.ptr, *end = at + bytes.len; at < end && !a->has_ended;) {
        const char  *line_end = memchr(at, '\n', (size_t)(end - at));
        const size_t n = (size_t)((line_end ? line_end : end) - at);
        hl_str_add(&a->line, at, n);
        at += n + 1;
        if (a->line.failed) return false;
        if (line_end && a->line.len > 0 && !a->all->take_line(a, hl_str_view(&a->line))) return false;
        if (line_end) hl_str_clear(&a->line);
    }
    return true;
}

static void end_generation(hl_asking *a, hl_status status, const hl_err *err) {
    const bool is_late = hl_clock_ns() >= a->deadline_ns;
    hl_err     why = err ? *err : (hl_err){0};
    if (a->has_ended)
        status = a->status, why = a->err;
    else if (a->line.failed && (status == HL_OK || status == HL_E_CANCEL))
        status = hl_str_check(&a->line, "the server's answer", &why);
    else if (status == HL_OK)
        status = hl_fail(&why, HL_E_NET, "the server's answer has no end");
    if (!a->has_ended && status == HL_E_CANCEL) {
        a->usage.end = is_late ? HL_END_TIMEOUT : HL_END_CANCEL;
        a->usage.total_ns = hl_clock_ns() - a->began_ns;
        status = HL_OK;
    }
    hl_generation_end(a->generation, status, &a->usage, &why);
}

static void *run(void *user) {
    hl_asking      *a = user;
    hl_askings     *all = a->all;
    hl_err          err = {0};
    const hl_status status = all->ask(a, &err);
    end_generation(a, status, &err);
    (void)pthread_mutex_lock(&all->lock);
    a->is_done = true;
    (void)pthread_mutex_unlock(&all->lock);
    return NULL;
}

/* Signals are the main thread's. */
hl_status hl_asking_start(hl_asking *a, hl_err *err) {
    hl_askings *all = a->all;
    sigset_t    every, before;
    (void)sigfillset(&every);
    (void)pthread_mutex_lock(&all->lock);
    (void)pthread_sigmask(SIG_SETMASK, &every, &before);
    const int rc = pthread_create(&a->thread, NULL, run, a);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (rc == 0) {
        a->next = all->first;
        all->first = a;
    }
    (void)pthread_mutex_unlock(&all->lock);
    return rc == 0 ? HL_OK : hl_fail(err, HL_E_NOMEM, "answer: the system gives no thread");
}

/* Take those off the list that have ended; or all, after waiting for them. */
static void reap(hl_askings *all, bool wait) {
    (void)pthread_mutex_lock(&all->lock);
    for (hl_asking **at = &all->first; *at;) {
        hl_asking *a = *at;
        if (!a->is_done && !wait) {
            at = &a->next;
            continue;
        }
        *at = a->next;
        (void)pthread_mutex_unlock(&all->lock);
        (void)pthread_join(a->thread, NULL);
        hl_asking_free(a);
        (void)pthread_mutex_lock(&all->lock);
        at = &all->first; /* the list may be another one now */
    }
    (void)pthread_mutex_unlock(&all->lock);
}

/* ---- Operations of a runner ---- */

void hl_askings_cancel(void *engine, hl_generation *g) {
    hl_askings *all = engine;
    (void)pthread_mutex_lock(&all->lock);
    ((hl_asking *)hl_generation_data(g))->is_cancelled = true;
    (void)pthread_cond_broadcast(&all->changed);
    (void)pthread_mutex_unlock(&all->lock);
}

void hl_askings_pause(void *engine, hl_generation *g, bool paused) {
    hl_askings *all = engine;
    (void)pthread_mutex_lock(&all->lock);
    ((hl_asking *)hl_generation_data(g))->is_paused = paused;
    (void)pthread_cond_broadcast(&all->changed);
    (void)pthread_mutex_unlock(&all->lock);
}

void hl_askings_cancel_all(void *engine) { atomic_fetch_add(&((hl_askings *)engine)->n_stops, 1); }
