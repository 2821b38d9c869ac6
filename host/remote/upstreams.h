/* SPDX-License-Identifier: MIT
 *
 * upstreams.h - the servers that answer for one remote model, and which of them is asked next.
 *
 * Where a model's answers come from other programs, its record (docs/formats/remote.md) names one or several
 * of them. A request goes to the one that has lately read the longest beginning of its prompt, unless that
 * one has much more to do than the others; one that fails is left alone for a while, longer each time.
 */
#ifndef HL_HOST_REMOTE_UPSTREAMS_H
#define HL_HOST_REMOTE_UPSTREAMS_H

#include <pthread.h>

#include "core/base/events.h"
#include "core/base/hash.h"
#include "core/base/str.h"

enum { HL_MOST_UPSTREAMS = 16, HL_MOST_HEADERS = 16 };

typedef struct hl_upstream {
    char  *url;   /* the base, ending in /v1 as a rule, without a slash behind it */
    char  *model; /* as it is called there */
    char  *key;   /* NULL: none. Never in messages */
    char  *ca_file;
    char  *headers[HL_MOST_HEADERS]; /* "Name: value" */
    size_t n_headers;
    /* under the lock */
    int32_t n_running;  /* requests of ours */
    int32_t n_failures; /* one after the other */
    int64_t down_until_ns;
    bool    continues; /* it goes on from a last message that is the assistant's; false: not asked yet */
} hl_upstream;

typedef struct hl_upstreams {
    hl_upstream each[HL_MOST_UPSTREAMS];
    size_t      n;
    int32_t     n_ctx;          /* most tokens of prompt and answer; 0: not known here */
    int64_t     connect_ms;     /* that making a connection may take */
    int64_t     first_token_ms; /* that may pass until the first byte of an answer */
    int64_t     idle_ms;        /* and between two */
    int32_t     n_attempts;     /* of a request, before its first token */

    pthread_mutex_t  lock;
    const hl_events *events;
    hl_hash_keys     keys;
    struct {
        uint64_t hash; /* of a prompt's beginning */
        uint8_t  by;   /* who has read it: 1 + number; 0: nobody */
    } seen[1024];
} hl_upstreams;

/* Read the record of a remote model.
 *
 * in     envp    where a key's variable is looked up
 *        events  may be NULL; else it must outlive what is made
 * fails  HL_E_FORMAT  with the field that is wrong, and what is expected
 *        HL_E_IO      a key's variable or file is not there
 *        HL_E_NOMEM
 * owns   hl_upstreams_free() */
HL_MUST_CHECK hl_status hl_upstreams_new(const char *json, char *const *envp, const hl_events *events,
                                         hl_upstreams **ret, hl_err *err);
void                    hl_upstreams_free(hl_upstreams *u); /* NULL is allowed */

/* Who is asked next. All may be down: then the one whose time is over first.
 *
 * in     prompt  the request's beginning counts; what was read is remembered for the one that is returned
 *        tried   bits of those that are not asked again for this request
 * out    ret_i   counted as running until hl_upstreams_done()
 * fails  HL_E_NET  all were tried */
HL_MUST_CHECK hl_status hl_upstreams_pick(hl_upstreams *u, hl_view prompt, uint32_t tried, size_t *ret_i,
                                          hl_err *err);
/* It answered, or failed: how long it is left alone is up to it or to us.
 * in     wait_ms  as it asked for by Retry-After; -1: it did not */
void hl_upstreams_done(hl_upstreams *u, size_t i, bool failed, int64_t wait_ms);

#endif
