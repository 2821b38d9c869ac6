/* SPDX-License-Identifier: MIT
 *
 * workers.c - a queue of jobs and the threads that take from it.
 */
#include "server/http/workers.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <time.h>

#include "core/base/mem.h"

enum { IDLE_S = 30 };

struct hl_workers {
    pthread_mutex_t lock; /* guards all below */
    pthread_cond_t  has_job, has_left;
    hl_job         *first, *last;
    size_t          n_queued;
    uint32_t        n_threads, n_idle, n_threads_cap;
    bool            is_ending;
};

hl_status hl_workers_new(uint32_t n_threads_cap, hl_workers **ret_workers, hl_err *err) {
    hl_workers *w = hl_new(1, sizeof *w);
    if (!w) return hl_fail(err, HL_E_NOMEM, "server: no memory");
    w->n_threads_cap = n_threads_cap;
    (void)pthread_mutex_init(&w->lock, NULL);
    pthread_condattr_t attr;
    (void)pthread_condattr_init(&attr);
    (void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&w->has_job, &attr);
    (void)pthread_cond_init(&w->has_left, &attr);
    (void)pthread_condattr_destroy(&attr);
    *ret_workers = w;
    return HL_OK;
}

/* The next job; NULL: time to leave. Under lock. */
static hl_job *wait_for_job(hl_workers *w) {
    struct timespec until;
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += IDLE_S;
    w->n_idle++;
    int waited = 0;
    while (!w->first && !w->is_ending && waited != ETIMEDOUT)
        waited = pthread_cond_timedwait(&w->has_job, &w->lock, &until);
    w->n_idle--;
    hl_job *job = w->first;
    if (!job) return NULL;
    w->first = job->next;
    if (!w->first) w->last = NULL;
    w->n_queued--;
    return job;
}

static void *work(void *user) {
    hl_workers *w = user;
    hl_job     *job;
    (void)pthread_mutex_lock(&w->lock);
    while ((job = wait_for_job(w)) != NULL) {
        (void)pthread_mutex_unlock(&w->lock);
        job->fn(job->user);
        (void)pthread_mutex_lock(&w->lock);
    }
    w->n_threads--;
    (void)pthread_cond_broadcast(&w->has_left);
    (void)pthread_mutex_unlock(&w->lock);
    return NULL;
}

/* Signals are the main thread's. Under lock. */
static void add_thread(hl_workers *w) {
    pthread_t      thread;
    pthread_attr_t attr;
    sigset_t       all, before;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    (void)pthread_attr_init(&attr);
    (void)pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    if (pthread_create(&thread, &attr, work, w) == 0) w->n_threads++;
    (void)pthread_attr_destroy(&attr);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
}

/* False: there is no thread to do it. */
static bool post(hl_workers *w, hl_job *job, bool must) {
    (void)pthread_mutex_lock(&w->lock);
    if (w->n_idle <= w->n_queued && w->n_threads < w->n_threads_cap) add_thread(w);
    const bool is_queued = must || w->n_threads > 0;
    if (is_queued) {
        job->next = NULL;
        if (w->last)
            w->last->next = job;
        else
            w->first = job;
        w->last = job;
        w->n_queued++;
        (void)pthread_cond_signal(&w->has_job);
    }
    (void)pthread_mutex_unlock(&w->lock);
    return is_queued;
}

void hl_workers_post(hl_workers *w, hl_job *job) {
    if (!post(w, job, false)) job->fn(job->user);
}

void hl_workers_post_again(hl_workers *w, hl_job *job) { (void)post(w, job, true); }

size_t hl_workers_n_queued(hl_workers *w) {
    (void)pthread_mutex_lock(&w->lock);
    const size_t n = w->n_queued;
    (void)pthread_mutex_unlock(&w->lock);
    return n;
}

void hl_workers_free(hl_workers *w) {
    if (!w) return;
    (void)pthread_mutex_lock(&w->lock);
    w->is_ending = true;
    (void)pthread_cond_broadcast(&w->has_job);
    while (w->n_threads > 0) (void)pthread_cond_wait(&w->has_left, &w->lock);
    (void)pthread_mutex_unlock(&w->lock);
    (void)pthread_cond_destroy(&w->has_left);
    (void)pthread_cond_destroy(&w->has_job);
    (void)pthread_mutex_destroy(&w->lock);
    hl_free(w);
}
