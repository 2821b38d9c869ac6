/* SPDX-License-Identifier: MIT
 *
 * http_client.h - one HTTP request and its response, whole or as it comes, by libcurl.
 */
#ifndef HL_CORE_NET_HTTP_CLIENT_H
#define HL_CORE_NET_HTTP_CLIENT_H

#include "core/base/str.h"

/* Some bytes of a response. It may take its time: the server waits meanwhile. False: no more, close the
 * connection. */
typedef bool hl_http_body_fn(void *user, hl_view bytes);

/* What the headers of a response say. */
typedef struct hl_http_head {
    char    content_type[80]; /* in small letters; "": none */
    int64_t retry_after_ms;   /* hl_retry_after_ms(); -1: nothing */
} hl_http_head;

typedef struct hl_http_call {
    const char        *method; /* "GET" */
    const char        *url;
    hl_view            body;       /* without a pointer: none. Sent as JSON */
    const char        *unix_path;  /* asked through this socket instead of the URL's host; NULL: no */
    const char        *key;        /* shown as Authorization: Bearer; NULL or "": none */
    bool               trusts_all; /* whoever answers: only to ask who that is */
    const char        *ca_file;    /* PEM with the authorities to trust; NULL: the system's */
    const char *const *headers;    /* [n_headers] more of them, "Name: value" */
    size_t             n_headers;
    int64_t            connect_ms; /* 0: 2 s */
    int64_t            total_ms;   /* 0: as long as it takes */
    hl_http_body_fn   *on_body; /* takes the bodies of statuses below 300 as they come; NULL: ret_body does */
    bool (*is_over)(void *user); /* asked each 100 ms whether to stop; NULL: hl_stop_watch()'s flag counts */
    void         *user;          /* of both */
    hl_http_head *head;          /* filled before the first byte of the body comes; NULL: nobody asks */
} hl_http_call;

/* Ask, and wait for all of the answer. No proxy, no redirect: for servers that somebody named. Headers of a
 * response may have 64 KiB in all.
 *
 * in     ret_body  initialised; its limit is the longest answer that is taken
 * out    *ret_code  the HTTP status, 200..599; after a failure, too, where one came
 * fails  HL_E_NET (refused, cut short, no HTTP), HL_E_LIMIT, HL_E_NOMEM
 *        HL_E_AUTH    somebody answers whose certificate no trusted authority has signed for this name
 *        HL_E_CANCEL  it was to stop: is_over() or the flag, looked at each 100 ms, or on_body() */
HL_MUST_CHECK hl_status hl_http_ask(const hl_http_call *call, hl_str *ret_body, int *ret_code, hl_err *err);

/* "/run/x.sock" of "unix:/run/x.sock" or "unix:///run/x.sock"; NULL: it is no such address. */
const char *hl_http_unix_path(const char *address);

/* The base URL of an address as settings have it: "127.0.0.1:11434", "host", "http://host:1", "[::1]:11434".
 * Of a Unix socket it is http://localhost. An address that stands for all of a machine's is asked as its
 * loopback. Without a port it is 11434.
 * fails HL_E_LIMIT */
HL_MUST_CHECK hl_status hl_http_base_url(const char *address, char *ret, size_t cap, hl_err *err);

#endif
