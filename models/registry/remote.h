/* SPDX-License-Identifier: MIT
 *
 * remote.h - one server that models come from or go to: requests that are authorized and tried again.
 */
#ifndef HL_MODELS_REGISTRY_REMOTE_H
#define HL_MODELS_REGISTRY_REMOTE_H

#include "core/net/transfers.h"
#include "models/registry.h"

typedef struct hl_remote {
    const hl_remote_options *options;
    const hl_events         *events;
    hl_net                  *net;
    hl_net_options           net_options;
    char                    *base;          /* "https://registry.ollama.ai" */
    char                    *host;          /* of it, with a port where one was said */
    char                    *authorization; /* what requests show; NULL: nothing */
    const char              *actions; /* "pull" or "pull,push": asked for where a challenge names no scope */
    char                     repository[2 * HL_NAME_PART_BYTES]; /* "library/smollm2"; "": no registry */
    bool                     trusts_anybody;
    bool                     has_renewed; /* since the last request that was accepted */
} hl_remote;

/* The registry that a name is in.
 * fails  HL_E_ARG  plain http without `insecure`; HL_E_NOMEM
 * owns   hl_remote_done(), also after a failure */
HL_MUST_CHECK hl_status hl_remote_init_registry(hl_remote *r, const hl_remote_options *options,
                                                const hl_events *events, const hl_ref *ref, bool insecure,
                                                bool pushes, hl_err *err);
/* A server by its URL; `token` (NULL: none) is shown to it. */
HL_MUST_CHECK hl_status hl_remote_init_url(hl_remote *r, const hl_remote_options *options,
                                           const hl_events *events, const char *url, const char *token,
                                           bool insecure, hl_err *err);
void                    hl_remote_done(hl_remote *r);

/* Ask, with what authorizes us; go through a challenge once; try again later when the server is busy.
 *
 * in     call  its URL is whole; authorization and trusts_anybody are filled in here
 * out    *ret_transfer  has an answer, of any code but 401, 429 and 5xx
 * owns   hl_transfer_free()
 * fails  HL_E_AUTH, HL_E_NET, HL_E_CANCEL, HL_E_LIMIT, HL_E_NOMEM */
HL_MUST_CHECK hl_status hl_remote_ask(hl_remote *r, const hl_net_call *call, hl_transfer **ret_transfer,
                                      hl_err *err);

/* The server refused a request (401, 403): find out what it wants, and get it (auth.c).
 * fails  HL_E_AUTH  nothing more can be shown: says what could be done */
HL_MUST_CHECK hl_status hl_remote_renew(hl_remote *r, const hl_http_reply *a, hl_err *err);

/* Fail with what the server said in the body of an error, behind our words. */
hl_status hl_remote_fail(const hl_http_reply *a, const char *what, hl_err *err);
/* How long it asks us to wait (Retry-After, in seconds; five minutes at most); 0: it does not. */
int64_t hl_remote_asked_wait_ms(const hl_http_reply *a);
/* "bytes 0-99/1000" of a 206; *ret_size is UINT64_MAX where nobody knows it. False: it says no range. */
bool hl_remote_read_range(const hl_http_reply *a, uint64_t *ret_from, uint64_t *ret_to, uint64_t *ret_size);
uint64_t hl_remote_read_length(const hl_http_reply *a); /* UINT64_MAX: it is not said */
bool     hl_remote_is_encoded(const hl_http_reply *a);  /* compressed, though nobody asked */

#endif
