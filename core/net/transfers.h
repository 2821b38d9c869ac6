/* SPDX-License-Identifier: MIT
 *
 * transfers.h - several HTTP requests at once on one thread, by libcurl: for whoever moves files.
 *
 * Proxies are those that curl's users know from the environment (http_proxy, https_proxy, no_proxy).
 * Redirects are followed with care: never from https to http, and what authorizes a request is shown to the
 * origin that it was meant for and to nobody else. Messages never hold what stands behind a URL's '?'.
 */
#ifndef HL_CORE_NET_TRANSFERS_H
#define HL_CORE_NET_TRANSFERS_H

#include "core/base/str.h"

typedef struct hl_net_options {
    const char *ca_file; /* PEM with the authorities to trust; NULL or "": the system's */
    const char *user_agent;
    int64_t     connect_ms, stall_ms; /* 0: 15 s, 30 s without a byte */
    int64_t     max_bytes_s;          /* of all transfers together; 0: as fast as it goes */
} hl_net_options;

/* Not thread-safe: one net per thread. */
typedef struct hl_net hl_net;

/* in     options  texts must outlive the net
 * fails  HL_E_NOMEM */
HL_MUST_CHECK hl_status hl_net_new(const hl_net_options *options, hl_net **ret_net, hl_err *err);
void                    hl_net_free(hl_net *net); /* after its transfers; NULL is allowed */

typedef struct hl_http_reply {
    int         code;    /* 0: none came */
    hl_str      headers; /* of the last response, lines as they came */
    hl_str      body;    /* of errors, and where nobody takes it; cut at the limit of the call */
    const char *url;     /* who answered, after redirects */
} hl_http_reply;

/* The value of a header, whatever the case of its name; the n-th of that name from 0. {0}: there is none. */
hl_view hl_http_reply_header(const hl_http_reply *a, const char *name, size_t n);

typedef struct hl_net_call {
    const char        *method, *url;
    const char *const *headers;       /* "Name: value", the last is NULL; NULL: none */
    const char        *authorization; /* shown to the URL's origin only; NULL: none */
    hl_view            body;          /* sent as it is; ptr NULL: none */
    /* or bytes that are asked for: up to n into buf; 0 only at the end, SIZE_MAX ends the transfer */
    size_t (*read)(void *user, char *buf, size_t n);
    uint64_t n_read_bytes;
    /* before the first byte of a body of a status below 300. False: no more */
    bool (*on_head)(void *user, const hl_http_reply *a);
    bool (*on_body)(void *user, hl_view bytes); /* takes such bodies; NULL: answer.body does */
    void  *user;                                /* of all three */
    size_t body_limit;     /* of answer.body; 0: 64 KiB. More is cut when nobody takes it */
    bool   trusts_anybody; /* certificates are not checked */
    bool   stays;          /* redirects are the caller's business */
    bool
        may_be_refused; /* a body is sent when the server has seen the head and wants it, or after a second */
} hl_net_call;

typedef struct hl_transfer hl_transfer;

/* Begin. All of the call is copied but for what body and user point to.
 * fails  HL_E_ARG the URL is none; HL_E_NOMEM
 * owns   hl_transfer_free(), which ends it wherever it is */
HL_MUST_CHECK hl_status hl_transfer_start(hl_net *net, const hl_net_call *call, hl_transfer **ret_transfer,
                                          hl_err *err);
void                    hl_transfer_free(hl_transfer *t); /* NULL is allowed */

bool                 hl_transfer_is_over(const hl_transfer *t);
const hl_http_reply *hl_transfer_reply(const hl_transfer *t);
/* Once it is over: HL_OK when there is an answer, whatever its code. fails HL_E_NET, HL_E_CANCEL (on_head()
 * or on_body() said no), HL_E_LIMIT, HL_E_NOMEM */
HL_MUST_CHECK hl_status hl_transfer_status(const hl_transfer *t, hl_err *err);

/* Move what can be moved; wait up to wait_ms for something to happen. fails HL_E_NOMEM */
HL_MUST_CHECK hl_status hl_net_step(hl_net *net, int wait_ms, hl_err *err);

/* Ask, and wait for all of the answer, looking at hl_stop_watch()'s flag meanwhile.
 * owns   hl_transfer_free(*ret_transfer); NULL after a failure
 * fails  as hl_transfer_start(), hl_transfer_status(); HL_E_CANCEL asked to stop */
HL_MUST_CHECK hl_status hl_net_ask(hl_net *net, const hl_net_call *call, hl_transfer **ret_transfer,
                                   hl_err *err);

#endif
