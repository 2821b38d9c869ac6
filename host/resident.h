/* SPDX-License-Identifier: MIT
 *
 * resident.h - models that stay loaded: shared by all who ask, kept for a while, unloaded when others need
 * the room.
 *
 * A resident is a loaded model with a count of users. While somebody uses it, it stays; after that it stays
 * as long as its last user asked, unless another model needs its memory: then the one that was used longest
 * ago goes first. One table per host; `ps` reads it, `stop` marks in it. Any thread.
 */
#ifndef HL_HOST_RESIDENT_H
#define HL_HOST_RESIDENT_H

#include "host/host.h"

typedef struct hl_resident hl_resident;

enum { HL_KEEP_FOREVER = -1, HL_KEEP_DEFAULT = -2 /* what the settings say */ };

/* The model of `source`, loaded under `options`: the one that is there, or a new one. Waits while another
 * thread loads the same. What is there is loaded again when it cannot be used under these options (more
 * context than its cache holds) and nobody uses it.
 *
 * in     source   only looked at: a model with a system text of its own shares the weights of the one it was
 *                 made from
 * fails  HL_E_NOMEM  it does not fit beside what is in use: with the numbers
 *        HL_E_BUSY   as many models as the settings allow are in use, or it is in use under options that
 *                    exclude these
 *        as hl_host_load()
 * owns   hl_host_release() exactly once */
HL_MUST_CHECK hl_status hl_host_acquire(hl_host *h, const hl_source *source, const hl_options *options,
                                        hl_resident **ret_resident, hl_err *err);

/* in     keep_ms  how long it stays when nobody uses it; 0: not at all; HL_KEEP_... */
void hl_host_release(hl_host *h, hl_resident *r, int64_t keep_ms);

/* For those who hold it. */
hl_runner *hl_resident_runner(const hl_resident *r);
int64_t    hl_resident_load_ns(const hl_resident *r); /* how long loading took */

/* Unload a model as soon as nobody uses it; nobody new gets it. NULL: all.
 * fails  HL_E_NOT_FOUND  it is not loaded */
hl_status hl_host_unload(hl_host *h, const hl_source *source, hl_err *err);

/* Unload what has stayed long enough. Returns how many ms from now the next one is due; -1: none. */
int64_t hl_host_expire(hl_host *h);

typedef struct hl_resident_info {
    char     label[512];   /* of the source that was asked for last */
    char     weights[128]; /* names them: the digest of a stored blob, or a file's identity */
    uint64_t weights_bytes, cache_bytes;
    int32_t  n_ctx;
    uint32_t n_users;
    int64_t  keep_ms; /* until it goes; -1: never, or it is in use */
    bool     is_loading;
} hl_resident_info;

/* Returns how many there are; up to `cap` are written. */
size_t hl_host_list_residents(hl_host *h, hl_resident_info *ret_infos, size_t cap);

/* Called by hl_host_free(): nobody uses any. */
void hl_residents_free(hl_host *h);

#endif
