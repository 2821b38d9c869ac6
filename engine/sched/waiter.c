/* SPDX-License-Identifier: MIT
 *
 * waiter.c - a caller's thread that waits for what it asked the scheduler for.
 */
#include <time.h>

#include "core/base/clock.h"
#include "engine/sched/sched_priv.h"

/* Waits with a time limit go by the clock that nobody sets. */
void hl_sched_cond_init(pthread_cond_t *cond) {
    pthread_condattr_t attr;
    (void)pthread_condattr_init(&attr);
    (void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    (void)pthread_cond_init(cond, &attr);
    (void)pthread_condattr_destroy(&attr);
}

void hl_waiter_init(hl_waiter *w) {
    *w = (hl_waiter){.done = false};
    (void)pthread_mutex_init(&w->lock, NULL);
    hl_sched_cond_init(&w->is_done);
}

void hl_waiter_free(hl_waiter *w) {
    (void)pthread_cond_destroy(&w->is_done);
    (void)pthread_mutex_destroy(&w->lock);
}

bool hl_waiter_wait(hl_waiter *w, const volatile int *watched) {
    enum { LOOK_NS = 50000000 };
    (void)pthread_mutex_lock(&w->lock);
    while (!w->done && !hl_stop_is_set(watched)) {
        const int64_t         until = hl_clock_ns() + LOOK_NS;
        const struct timespec at = {.tv_sec = until / 1000000000, .tv_nsec = until % 1000000000};
        if (watched)
            (void)pthread_cond_timedwait(&w->is_done, &w->lock, &at);
        else
            (void)pthread_cond_wait(&w->is_done, &w->lock);
    }
    const bool done = w->done;
    (void)pthread_mutex_unlock(&w->lock);
    return done;
}

void hl_waiter_tell(hl_waiter *w, hl_status status, const hl_usage *usage, const hl_err *err) {
    (void)pthread_mutex_lock(&w->lock);
    w->status = status;
    w->usage = *usage;
    if (err) w->err = *err;
    w->done = true;
    (void)pthread_cond_signal(&w->is_done);
    (void)pthread_mutex_unlock(&w->lock);
}
