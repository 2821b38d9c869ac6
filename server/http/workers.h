/* SPDX-License-Identifier: MIT
 *
 * workers.h - threads for what may wait: loading a model, rendering a prompt, asking the store.
 *
 * The event thread answers everybody and must never wait; what does is a job here. Threads are made when jobs
 * wait and none is idle, up to a limit, and leave after a while without work.
 */
#ifndef HL_SERVER_WORKERS_H
#define HL_SERVER_WORKERS_H

#include "hyperlama/base.h"

/* Part of whatever the job is about, so that posting never fails for memory. */
typedef struct hl_job {
    struct hl_job *next;
    void (*fn)(void *user);
    void *user;
} hl_job;

typedef struct hl_workers hl_workers;

/* fails HL_E_NOMEM */
HL_MUST_CHECK hl_status hl_workers_new(uint32_t n_threads_cap, hl_workers **ret_workers, hl_err *err);
/* After the last post: does what is queued, then ends. NULL is allowed. */
void hl_workers_free(hl_workers *w);

/* Any thread. Jobs begin in the order of posting. Without a thread to do it (the system gives none and there
 * is none yet) the job is done at once, on the caller's. */
void hl_workers_post(hl_workers *w, hl_job *job);
/* For those who hold a lock that jobs take: it is never done on the caller's thread. Without any other it is
 * done after the next post that finds one. */
void   hl_workers_post_again(hl_workers *w, hl_job *job);
size_t hl_workers_n_queued(hl_workers *w); /* posted, and not begun */

#endif
