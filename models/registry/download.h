/* SPDX-License-Identifier: MIT
 *
 * download.h - files of a model, fetched at the same time and in ranges, hashed while they come.
 *
 * What lies there already is not fetched: blobs of the store, and what an earlier download left (partial.h).
 * The number of requests at a time grows while that makes it faster. What fails is tried again, later and
 * later; nothing that came is lost by that, nor by the end of the process.
 */
#ifndef HL_MODELS_REGISTRY_DOWNLOAD_H
#define HL_MODELS_REGISTRY_DOWNLOAD_H

#include "core/net/transfers.h"
#include "models/registry/partial.h"

typedef struct hl_download {
    /* in */
    const char *url;
    const char *media_type;              /* for whoever commits it */
    char        digest[HL_DIGEST_BYTES]; /* "": not known; found out */
    uint64_t    size_bytes;              /* UINT64_MAX: not known; found out */
    /* out */
    uint64_t   n_done, n_fetched; /* bytes that are there; of those, fetched by this call */
    bool       is_present;        /* it was in the store */
    bool       is_waiting;        /* another process fetches it */
    hl_partial partial;           /* unless it was: complete, on disk, locked by us */
} hl_download;

typedef struct hl_download_plan {
    hl_store    *s;
    hl_net      *net;
    hl_download *files;
    size_t       n_files;
    int          n_most;         /* requests at a time; 0: up to 8 */
    int64_t      deadline_ns;    /* of hl_clock_ns(); 0: none */
    bool         trusts_anybody; /* as in hl_net_call */
    /* What authorizes requests now; NULL: nothing. */
    const char *(*authorization)(void *user);
    /* A request was refused (401, 403): find another authorization. HL_OK: it is worth another try. */
    hl_status (*renew)(void *user, const hl_http_reply *a, hl_err *err);
    /* Some bytes more of this file; false: stop. */
    bool (*progress)(void *user, const hl_download *d);
    void *user;
} hl_download_plan;

/* Fetch all files. After a failure what came stays for the next time.
 *
 * in     files  zeroed but for what they ask for; after a call hl_downloads_done() frees what they hold
 * fails  HL_E_CANCEL  asked to stop
 *        HL_E_FORMAT  what came is not what was announced: size, digest
 *        HL_E_NOT_FOUND, HL_E_AUTH, HL_E_NET  as the server says, after some tries
 *        HL_E_IO      no room, ...; HL_E_NOMEM */
HL_MUST_CHECK hl_status hl_download_all(const hl_download_plan *plan, hl_err *err);

/* Close all; `drop`: their files are of no use any more. */
void hl_downloads_done(hl_download *files, size_t n, bool drop);

#endif
