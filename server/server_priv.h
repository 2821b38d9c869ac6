/* SPDX-License-Identifier: MIT
 *
 * server_priv.h - what the files of server/ share.
 */
#ifndef HL_SERVER_SERVER_PRIV_H
#define HL_SERVER_SERVER_PRIV_H

#include <microhttpd.h>
#include <pthread.h>

#include "core/base/events.h"
#include "server/http/exchange.h"
#include "server/http/workers.h"
#include "server/metrics.h"
#include "server/server.h"

/* Counts for /metrics. Each is added to with __atomic_fetch_add() and read the same way. */
typedef struct hl_server_counts {
    uint64_t requests, errors, refused, completions, embeddings, cancelled;
    uint64_t prompt_tokens, cached_tokens, answer_tokens;
} hl_server_counts;

typedef struct hl_access {
    pthread_mutex_t lock;
    hl_keyring     *ring;
    hl_key         *keys; /* [n_keys] as they were in the database a second ago */
    size_t          n_keys;
} hl_access;

/* A socket that we listen on, and the event thread that answers on it. */
typedef struct hl_listener {
    int               fd; /* ours for good; the daemon has a copy */
    bool              is_unix;
    struct hl_daemon *daemon; /* NULL: not started */
} hl_listener;

/* libmicrohttpd's, with its event thread. A reload starts new ones; the old ones end with their
 * connections. */
typedef struct hl_daemon {
    struct hl_daemon  *next;
    struct MHD_Daemon *mhd;
    int64_t            since_ns; /* it accepts nothing more */
} hl_daemon;

/* Settings that a reload may change; read with hl_limit(). */
typedef struct hl_limits {
    size_t max_body_bytes, max_queue, max_queue_per_key;
    size_t require_keys; /* yes: 1 */
    size_t header_s, idle_s;
} hl_limits;

static inline size_t hl_limit(const size_t *limit) { return __atomic_load_n(limit, __ATOMIC_RELAXED); }

typedef struct hl_tls {
    char *cert, *key; /* PEM; NULL: no TLS */
} hl_tls;

typedef struct hl_pin        hl_pin;        /* pins.c */
typedef struct hl_connection hl_connection; /* connections.c */

enum { HL_MAX_LISTENERS = 16 };

struct hl_server {
    hl_host         *host;
    const hl_config *config;
    const hl_events *events;
    const char      *version;
    char             address[1024]; /* URLs, for people */
    hl_listener      listeners[HL_MAX_LISTENERS];
    size_t           n_listeners;
    char             unix_path[108]; /* of a socket that we made; "": none */
    hl_daemon       *retired;
    pthread_mutex_t  pins_lock; /* guards the list of pins */
    hl_pin          *pins;
    pthread_mutex_t  connections_lock; /* guards the list of connections */
    hl_connection   *connections;
    pthread_mutex_t  daemons_lock;           /* guards the daemons of listeners and those that are retired */
    char             last_words[300];        /* of libmicrohttpd; under lock */
    hl_workers      *workers, *long_workers; /* HL_R_LONG: so that short ones never wait for these, */
    hl_workers      *transfer_workers;       /* nor for HL_R_TRANSFER */
    hl_server_counts counts;
    hl_metrics      *metrics;  /* of each model */
    size_t           n_parked; /* that wait for a model to be loaded, without a worker; atomic */
    hl_limits        limits;
    char            *origins; /* server.origins; under lock */
    hl_access        access;
    bool             is_local;      /* only this machine can reach us */
    bool             checks_host;   /* it can by TCP: the Host header is checked against DNS rebinding */
    bool             is_tls;        /* on what is no Unix socket */
    bool             may_lack_keys; /* without keys, everybody may ask who reaches us */
    int              wake_fd, epoll_fd;
    pthread_t        watcher;
    bool             has_watcher, is_ending;    /* the watcher is to leave */
    hl_job           preload;                   /* loads server.preload and server.pinned */
    int              is_preloading, is_leaving; /* atomic: /ready says no */
    int              is_not_keeping;            /* atomic: the last response could not be kept */
    volatile int     ends_preload;              /* nothing more is preloaded */
    uint64_t         n_ids;                     /* of exchanges, so far; atomic */
    uint64_t         id_key;                    /* for ids where the system has no random numbers */
    pthread_mutex_t  lock;                      /* guards the list of exchanges */
    pthread_cond_t   is_empty;
    hl_exchange     *exchanges;
    bool             is_stopping; /* no exchange joins the list; under lock */
    size_t           n_exchanges;
};

/* Do as many requests wait as may? */
bool hl_server_is_full(const hl_server *s);

/* ---- gate.c: who may ask at all ---- */

/* Host header, Origin. fails HL_E_AUTH (403 here) with the reason */
HL_MUST_CHECK hl_status hl_gate_check(hl_server *s, const char *host, const char *origin, hl_err *err);
/* Is this Origin one that browsers may be answered for? */
bool hl_gate_allows_origin(hl_server *s, const char *origin);

/* ---- pins.c ---- */

/* Give up those of models that are to go: unloaded, replaced, deleted. in  model  deleted, too; NULL: none */
void hl_pins_sweep(hl_server *s, const char *model);
void hl_pins_free(hl_server *s); /* nobody asks any more */

/* ---- connections.c: between requests ---- */

/* libmicrohttpd's callback. in  server  an hl_server */
void hl_connections_note(void *server, struct MHD_Connection *connection, void **socket_context,
                         enum MHD_ConnectionNotificationCode what);
void hl_connection_begin(hl_server *s, struct MHD_Connection *connection); /* a request's headers are there */
void hl_connection_end(hl_server *s, struct MHD_Connection *connection);   /* it was answered, or is gone */
void hl_connections_cut(hl_server *s); /* those that take too long; the watcher's */

/* End those whose clients closed before a request was whole; the watcher's. Returns whether any waits. */
bool hl_connections_look(hl_server *s);

/* How many of `wanted` connections the process has descriptors for; raises its soft limit first. */
unsigned hl_connections_most(hl_server *s, size_t wanted);

/* ---- framing.c ---- */

/* fails HL_E_FORMAT  two readers of these headers could see two different requests */
HL_MUST_CHECK hl_status hl_framing_check(struct MHD_Connection *connection, hl_err *err);

/* ---- access.c: whoever asks, and what they may ---- */

HL_MUST_CHECK hl_status hl_access_start(hl_server *s, hl_err *err);
void                    hl_access_stop(hl_server *s); /* also after a failed start */
void                    hl_access_refresh(hl_server *s);
bool                    hl_access_has_keys(hl_server *s);
/* May who shows these headers (NULL: absent) take x's route? Then the request is signed with the key's name,
 * owner and priority.
 * fails  HL_E_AUTH  *ret_code is 401 (no key, or an unknown one) or 403 (it may do less) */
HL_MUST_CHECK hl_status hl_access_check(hl_exchange *x, const char *authorization, const char *x_api_key,
                                        unsigned *ret_code, hl_err *err);
/* The header x-request-priority: whoever has a key may step back behind its priority, not in front of it.
 * in     text  NULL: absent
 * fails  HL_E_ARG */
HL_MUST_CHECK hl_status hl_access_read_priority(hl_exchange *x, const char *text, hl_err *err);
/* fails HL_E_BUSY  as many requests of this key as may be wait or are being answered */
HL_MUST_CHECK hl_status hl_access_check_queue(hl_exchange *x, hl_err *err);

/* ---- preload.c: models that are loaded before somebody asks ---- */

void hl_preload_start(hl_server *s);

/* ---- hangup.c: clients that leave while nothing is sent to them, pings, models whose time is over ---- */

HL_MUST_CHECK hl_status hl_hangup_start(hl_server *s, hl_err *err);
void                    hl_hangup_stop(hl_server *s);
/* Look for the end of its client from now on. False: we are stopping. */
HL_MUST_CHECK bool hl_hangup_add(hl_server *s, hl_exchange *x);
/* It is WORKING now; before x is parked. False: we are stopping, and nothing may be suspended any more. */
HL_MUST_CHECK bool hl_hangup_begin_work(hl_server *s, hl_exchange *x);
/* Its client is gone, or is to go: under the server's lock. While a worker has it, it must stay parked: on
 * being resumed libmicrohttpd reads, and may close and free it. The worker sees is_gone and hands it back
 * soon. */
void hl_exchange_end(hl_exchange *x);
void hl_hangup_remove(hl_server *s, hl_exchange *x);
/* Has nothing been sent for so long that a ping is due? */
bool hl_hangup_take_ping(const hl_server *s, const hl_exchange *x);
/* The request with this id that is under way; if there is one, the server's lock is held until
 * hl_exchange_let_go(). NULL: none */
hl_exchange *hl_exchange_hold(hl_server *s, hl_view id);
void         hl_exchange_let_go(hl_server *s);
/* Let its answer end soon, as far as it was taken; its client stays and is told. Under the server's lock. */
void hl_exchange_cancel(hl_exchange *x);
/* Let its reasoning end, where it reasons now. Under the server's lock. */
void hl_exchange_answer_now(hl_exchange *x);

/* ---- listen.c ---- */

/* Open what server.host says, or take over the sockets that are given, which are ours from here on.
 * fails  HL_E_ARG, HL_E_BUSY (with who has the address), HL_E_IO */
HL_MUST_CHECK hl_status hl_listen_open(hl_server *s, const int *given, size_t n_given, hl_err *err);
void                    hl_listen_close(hl_server *s);

/* ---- tls.c ---- */

/* The files that server.tls_cert and server.tls_key name; both NULL when neither does.
 * owns   hl_tls_done(), which also forgets the key; not after a failure
 * fails  HL_E_ARG (one without the other), HL_E_FORMAT, HL_E_NOT_FOUND, HL_E_IO */
HL_MUST_CHECK hl_status hl_tls_read(const hl_config *config, hl_tls *ret, hl_err *err);
void                    hl_tls_done(hl_tls *t);

/* ---- http_server.c ---- */

HL_MUST_CHECK hl_status hl_http_start(hl_server *s, const int *given, size_t n_given, hl_err *err);
/* New event threads with these settings and certificates; connections that are there go on as they began.
 * fails  as hl_tls_read(); HL_E_FORMAT (no certificate and key that go together): all is as it was */
HL_MUST_CHECK hl_status hl_http_restart(hl_server *s, const hl_config *config, hl_err *err);
void                    hl_http_sweep(hl_server *s); /* end what a restart left, once its connections have */
void                    hl_http_stop(hl_server *s, int64_t drain_ms);
void                    hl_exchange_wake(hl_exchange *x); /* any thread: there is something to do for it */
/* Have a worker do fn(x) for an answer that is under way, then look at it again. Event thread, which parks it
 * next and touches nothing that fn does until hl_exchange_is_aside() is false. */
void hl_exchange_step_aside(hl_exchange *x, void (*fn)(hl_exchange *x));
bool hl_exchange_is_aside(const hl_exchange *x);

#endif
