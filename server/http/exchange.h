/* SPDX-License-Identifier: MIT
 *
 * exchange.h - one HTTP request and its response, as handlers see them.
 *
 * Life: the event thread collects the body; the handler runs (on a worker, or on the event thread for
 * HL_R_INLINE) and leaves either a whole response in `out` or a completion, whose events the event thread
 * turns into bytes as the client takes them. A client that is gone sets `is_gone`, which workers watch.
 */
#ifndef HL_SERVER_HTTP_EXCHANGE_H
#define HL_SERVER_HTTP_EXCHANGE_H

#include "core/data/json.h"
#include "core/data/json_out.h"
#include "host/resident.h"
#include "models/models.h"
#include "server/http/feed.h"
#include "server/http/workers.h"
#include "server/routes.h"

struct MHD_Connection;
struct hl_completion;
struct hl_server;

typedef enum hl_exchange_state {
    HL_X_RECEIVING,
    HL_X_WORKING,   /* a worker has it; the connection is suspended */
    HL_X_READY,     /* the handler has run */
    HL_X_ANSWERING, /* a completion is under way */
    HL_X_ANSWERED,  /* the response is MHD's */
} hl_exchange_state;

typedef struct hl_exchange {
    /* For handlers. */
    struct hl_server *server;
    const hl_route   *route; /* NULL: refused before there was one */
    hl_method         method;
    hl_view           rest;         /* of the path: what "{x}" or "{x...}" stands for, decoded */
    hl_str            body;         /* of HL_R_UPLOAD: the next piece */
    bool              is_last;      /* there is no piece after it */
    uint64_t          n_announced;  /* bytes of the whole body; UINT64_MAX: the client did not say */
    hl_upload        *upload;       /* the handler's, where it runs for each piece; freed with the exchange */
    char              id[24];       /* "req_9f2c...": in the log and in every answer's headers */
    hl_json_out       out;          /* the response, or what a stream has yet to send */
    unsigned          code;         /* 200 unless it is set */
    const char       *content_type; /* JSON unless it is set */
    /* The prompt did not fit: for the words in which a dialect says so. 0: it did */
    int32_t               overflow_tokens, overflow_ctx;
    hl_refusal            refusal;                     /* by a server that was to answer */
    struct hl_completion *completion;                  /* NULL: `out` is all, or a feed answers */
    hl_feed               feed;                        /* hl_feed_start() */
    char                  key_name[HL_KEY_NAME_BYTES]; /* whose key was shown; "": none was asked for */
    char                  keeper[HL_KEY_NAME_BYTES +
                20]; /* who finds again what it keeps: this key, and no later one of its name */
    uint64_t              owner;      /* for the scheduler: the same for all requests of a key */
    int32_t               priority;
    const char           *problem; /* OpenAI's word for what is wrong; NULL: the status says enough */
    /* The rest is http_server.c's. */
    struct MHD_Connection *connection;
    hl_exchange_state      state;     /* WORKING to READY by a worker, else by the event thread */
    volatile int is_gone, must_stop;  /* atomic. must_stop: its handler is to give up: gone, or cancelled */
    int          is_parked, is_woken; /* suspended; wakes are counted as one. Atomic */
    int          is_cancelled;        /* somebody asked for its answer's end. Atomic */
    int          is_aside;            /* a worker does work_aside. Atomic */
    bool         is_orphan;           /* it is over, and that worker frees it; under the server's lock */
    void (*work_aside)(struct hl_exchange *x);
    bool                has_failed; /* code and out are those of an error */
    bool                was_logged;
    char               *path;       /* decoded */
    char               *model;      /* as the body names it; NULL: not read yet, or none. Set once. Atomic */
    const char         *encoding;   /* of the body; NULL: as it is */
    size_t              n_sent;     /* of out */
    uint64_t            n_received; /* of the body, as it came */
    int64_t             start_ns, sent_ns;
    int                 fd;
    uint64_t            number; /* from 1 on; no two have the same */
    hl_job              job;
    hl_load_wait        load_wait;       /* set by hl_completion_load(): the handler runs again after it */
    struct hl_exchange *next, *previous; /* in the server's list, under its lock */
    bool                is_listed;
} hl_exchange;

/* ---- For handlers ---- */

/* The body as a JSON object, with fields of the types that server/body_fields.def says.
 * owns   json_decref(*ret_body)
 * fails  HL_E_FORMAT, HL_E_LIMIT, HL_E_NOMEM; HL_E_ARG a field of another type */
HL_MUST_CHECK hl_status hl_exchange_read_json(hl_exchange *x, json_t **ret_body, hl_err *err);

/* What stands behind the path: "limit" of "?limit=5". NULL: absent. While a handler runs. */
const char *hl_exchange_query(const hl_exchange *x, const char *name);

/* Fields of a JSON object; null counts as absent, whole numbers may come as 1.0.
 * out    *ret is untouched when the field is absent
 * fails  HL_E_ARG  another type, or out of range: names the field, what was found and what was expected */
HL_MUST_CHECK hl_status hl_field_view(const json_t *object, const char *key, hl_view *ret, hl_err *err);
/* As hl_field_view(), terminated: a NUL byte inside is refused, as what stands behind it would be lost. */
HL_MUST_CHECK hl_status hl_field_text(const json_t *object, const char *key, const char **ret, hl_err *err);
HL_MUST_CHECK hl_status hl_field_int(const json_t *object, const char *key, int64_t least, int64_t most,
                                     int64_t *ret, hl_err *err);
HL_MUST_CHECK hl_status hl_field_bool(const json_t *object, const char *key, bool *ret, hl_err *err);
/* NULL: absent or null. fails when it is there and of another type */
HL_MUST_CHECK hl_status hl_field_list(const json_t *object, const char *key, const json_t **ret, hl_err *err);
HL_MUST_CHECK hl_status hl_field_object(const json_t *object, const char *key, const json_t **ret,
                                        hl_err *err);

/* ---- For http_server.c ---- */

/* Put an error into `out` in the shape that the route's client expects, and its status into `code`. */
/* What stopped because somebody cancelled the request says so, instead of where it stopped. */
hl_status hl_exchange_name_cancel(const hl_exchange *x, hl_status status, hl_err *err);
void      hl_exchange_fail(hl_exchange *x, hl_status status, const hl_err *err);
void      hl_exchange_fail_as(hl_exchange *x, unsigned code, hl_status status, const hl_err *err);
/* The body decompressed, where it is not as it is. fails HL_E_FORMAT, HL_E_LIMIT, HL_E_UNSUPPORTED */
HL_MUST_CHECK hl_status hl_exchange_decode_body(hl_exchange *x, size_t limit_bytes, hl_err *err);

#endif
