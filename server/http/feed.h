/* SPDX-License-Identifier: MIT
 *
 * feed.h - an answer of lines that come while work is done: pull, push, create (NDJSON).
 *
 * The handler reads the request and calls hl_feed_start(); the work then runs on a worker, adds lines, and
 * the event thread sends them as the client takes them. When the client leaves, or somebody cancels the
 * request, the flag that the worker's thread watches (hl_stop_watch()) is set, and the work is to end soon.
 */
#ifndef HL_SERVER_HTTP_FEED_H
#define HL_SERVER_HTTP_FEED_H

#include <pthread.h>

#include "core/data/json_out.h"

struct hl_exchange;

/* Work of a feed, on a worker. What it returns other than HL_OK becomes the last line, an error in the words
 * of the route's dialect; before the first line, the response's status. */
typedef hl_status hl_feed_fn(struct hl_exchange *x, void *user, hl_err *err);

typedef struct hl_feed {
    hl_feed_fn *work; /* NULL: the exchange has no feed */
    void       *user;
    void (*free_user)(void *user); /* NULL: nothing to free */
    pthread_mutex_t lock;
    hl_str          pending; /* lines that the event thread has not taken; under lock */
    hl_status       status;  /* of the work, when it is over */
    hl_err          err;
    bool            is_ended; /* its failure was written */
} hl_feed;

/* From a handler, which returns HL_OK next: answer with lines, made by `work`.
 * owns  user: free_user(user) is called when the exchange ends, also when the work never ran */
void hl_feed_start(struct hl_exchange *x, hl_feed_fn *work, void *user, void (*free_user)(void *user));

/* From the work: send a JSON object as a line. False: the client is gone or does not read, or the request was
 * cancelled: end soon. */
bool hl_feed_add(struct hl_exchange *x, hl_view json);

/* ---- For http_server.c ---- */

void hl_feed_run(struct hl_exchange *x);                   /* the work, on a worker */
void hl_feed_take(struct hl_exchange *x, hl_str *ret_out); /* what is pending */
void hl_feed_end(struct hl_exchange *x,
                 hl_json_out        *ret_out); /* its failure as a line, once: when it is over */
void hl_feed_done(hl_feed *f);

#endif
