/* SPDX-License-Identifier: MIT
 *
 * resident.h - models that stay loaded: shared by all who ask, kept for a while, unloaded when others need
 * the room.
 *
 * A resident is a loaded model with a count of users. While somebody uses it, it stays; after that it stays
 * as long as its last user asked, unless another model needs its memory: then the one that was used longest
 * ago goes first. A model that drafts for another is a resident, too: it is shared with whoever asks for it
 * by its own name, and stays as long as those that draft with it. One table per host; `ps` reads it, `stop`
 * marks in it. Any thread.
 */
#ifndef HL_HOST_RESIDENT_H
#define HL_HOST_RESIDENT_H

#include "host/host.h"

typedef struct hl_resident hl_resident;

enum { HL_KEEP_FOREVER = -1, HL_KEEP_DEFAULT = -2 /* what the settings say */ };

/* The model of `source`, loaded under `options`: the one that is there, or a new one. Waits while another
 * thread loads the same. What is there and cannot be used under these options (more context than its cache
 * holds, another batch size) makes room for a new one: at once when nobody uses it, else when its users are
 * done.
 *
 * in     source   only looked at: a model with a system text of its own shares the weights of the one it was
 *                 made from
 *        options  hl_conversation_options() makes them
 * fails  HL_E_NOMEM    it does not fit beside what is in use: with the numbers
 *        HL_E_BUSY     as many models as the settings allow are in use
 *        as hl_host_open_model() and hl_runner_new()
 * owns   hl_host_release() exactly once */
HL_MUST_CHECK hl_status hl_host_acquire(hl_host *h, const hl_source *source, const hl_options *options,
                                        hl_resident **ret_resident, hl_err *err);

/* Somebody who waits for what others load, without a thread. */
typedef struct hl_load_wait {
    struct hl_load_wait *next;
    char                 weights[128]; /* that are waited for; "": nothing is */
    void (*wake)(void *user); /* it makes sense to ask again: called once, with the host's lock held */
    void *user;
} hl_load_wait;

enum { HL_MOST_LOADS = 4 }; /* at the same time, of those who do not wait */

/* The same for those who must not wait: what another thread loads, and what would be loaded beside
 * HL_MOST_LOADS others, is HL_E_BUSY, and w->weights is set. hl_host_wait() then tells when to ask again. */
HL_MUST_CHECK hl_status hl_host_try_acquire(hl_host *h, const hl_source *source, const hl_options *options,
                                            hl_load_wait *w, hl_resident **ret_resident, hl_err *err);
/* Have w->wake called when that makes sense, perhaps before this returns; w is the host's until then. */
void hl_host_wait(hl_host *h, hl_load_wait *w);
/* Call w->wake now, if it was not called yet. */
void hl_host_stop_waiting(hl_host *h, hl_load_wait *w);

/* in     r        NULL is allowed
 *        keep_ms  how long it stays when nobody uses it; 0: not at all; HL_KEEP_... */
void hl_host_release(hl_host *h, hl_resident *r, int64_t keep_ms);

/* For those who hold it. */
hl_runner *hl_resident_runner(const hl_resident *r);
int64_t    hl_resident_load_ns(const hl_resident *r); /* how long loading took */
/* Keep it whatever happens: neither time nor other models' need for memory unloads it any more;
 * hl_host_unload() does. */
void hl_host_pin(hl_host *h, hl_resident *r, bool pinned);

/* Should those who hold it let go? It was told to go, another one took its place, or its file is gone. */
bool hl_resident_is_leaving(hl_host *h, const hl_resident *r);

/* Unload a model as soon as nobody uses it; nobody new gets it. NULL: all.
 * fails  HL_E_NOT_FOUND  it is not loaded */
hl_status hl_host_unload(hl_host *h, const hl_source *source, hl_err *err);

/* Unload what has stayed long enough, and what was removed from the disk.
 * Returns how many ms from now the next one is due; -1: none. */
int64_t hl_host_expire(hl_host *h);

typedef struct hl_resident_info {
    char     label[512];   /* of the source that was asked for last */
    char     weights[128]; /* names them: the digest of a stored blob, or a file's identity */
    uint64_t weights_bytes, cache_bytes;
    uint64_t experts_kept_bytes;   /* of weights; others are read from disk as they are chosen. 0: all */
    uint64_t cache_used_bytes;     /* of cache_bytes, now */
    int32_t  n_running, n_waiting; /* answers */
    int32_t  n_ctx;                /* 0: it only drafts, or is remote and nobody says */
    uint32_t n_users;              /* who hold it */
    uint32_t n_targets;            /* models that draft with it */
    int64_t  keep_ms;              /* until it goes; -1: never, or it is in use */
    bool     is_loading, is_pinned;
    bool     is_remote; /* its answers come from elsewhere */
} hl_resident_info;

/* Those that are there now, the newest first. The host's functions may be called from fn.
 * fails  HL_E_NOMEM */
typedef void            hl_resident_fn(void *user, const hl_resident_info *info);
HL_MUST_CHECK hl_status hl_host_each_resident(hl_host *h, hl_resident_fn *fn, void *user, hl_err *err);

/* Called by hl_host_free(): nobody uses any. */
void hl_residents_free(hl_host *h);

#endif
