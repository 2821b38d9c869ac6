/* SPDX-License-Identifier: MIT
 *
 * asking.h - answers that come over HTTP: what runners of other programs have in common.
 *
 * Each answer on its way has a thread that asks, reads and pushes what comes into its generation. One that is
 * paused stops reading: the socket fills, and whoever answers has to wait. One that is cancelled closes the
 * connection.
 */
#ifndef HL_HOST_REMOTE_ASKING_H
#define HL_HOST_REMOTE_ASKING_H

#include <pthread.h>
#include <stdatomic.h>

#include "core/data/json.h"
#include "core/data/json_out.h"
#include "core/net/http_client.h"
#include "runner/runner_ops.h"

enum { HL_ASKING_MAX_BYTES = 64 << 20 /* of a line, and of an answer that is an error */ };

typedef struct hl_asking hl_asking;

/* All that are on their way from one runner. */
typedef struct hl_askings {
    void *engine;
    /* On the answer's thread: ask, and have the response read by hl_asking_take_lines(). What fails before a
     * line said that it is over, the generation ends with. */
    hl_status (*ask)(hl_asking *a, hl_err *err);
    /* One line of the response, without its end, which is not empty. False: no more */
    bool (*take_line)(hl_asking *a, hl_view line);
    void (*done)(void *data); /* frees hl_asking.data; NULL: there is none */

    atomic_uint     n_stops; /* calls of hl_runner_stop() */
    pthread_mutex_t lock;    /* guards what is shared of each, and the list */
    pthread_cond_t  changed; /* some is_cancelled or is_paused */
    hl_asking      *first;
} hl_askings;

/* One answer on its way. Its thread's alone, but for what stands last. */
struct hl_asking {
    hl_asking          *next;
    hl_askings         *all;
    hl_generation      *generation;
    hl_json_out         request; /* what is sent */
    void               *data;    /* the runner's own */
    const volatile int *stop;    /* what the thread of the request watched; NULL: nothing */
    unsigned            n_stops;
    int64_t             began_ns, deadline_ns; /* INT64_MAX: none */
    hl_str              line;                  /* that has not come to its end */
    hl_usage            usage;
    hl_status           status; /* that it ended with, as the response says it */
    hl_err              err;
    bool                has_ended; /* the response said so */
    pthread_t           thread;
    /* under the lock */
    bool is_cancelled, is_paused, is_done;
};

void hl_askings_init(hl_askings *all, void *engine);
void hl_askings_done(hl_askings *all); /* cancels all and waits for them */

/* A new one, to be filled and started; its `request` is an empty text.
 * fails HL_E_NOMEM */
HL_MUST_CHECK hl_status hl_asking_new(hl_askings *all, const hl_request *r, hl_generation *g,
                                      hl_asking **ret_asking, hl_err *err);
/* fails HL_E_NOMEM: it is still the caller's */
HL_MUST_CHECK hl_status hl_asking_start(hl_asking *a, hl_err *err);
void                    hl_asking_free(hl_asking *a); /* one that was not started */

/* ---- For its thread ---- */

/* The on_body and is_over of a call whose user is the asking. */
bool hl_asking_take_lines(void *asking, hl_view bytes);
bool hl_asking_is_over(void *asking);
/* Wait. False: it is over meanwhile. */
bool hl_asking_wait(hl_asking *a, int64_t ms);
/* Hand on some text. False: it is over meanwhile. */
bool hl_asking_push(hl_asking *a, hl_view text, bool is_thinking);
/* The same with all that is known of a token; it may have no text. */
bool hl_asking_push_token(hl_asking *a, const hl_token_event *ev);
/* Hand on an event that is no text. */
bool hl_asking_push_event(hl_asking *a, const hl_token_event *ev);

/* ---- hl_runner_ops that need nothing else; `engine` must begin with its hl_askings ---- */

void hl_askings_cancel(void *engine, hl_generation *g);
void hl_askings_pause(void *engine, hl_generation *g, bool paused);
void hl_askings_cancel_all(void *engine);

#endif
