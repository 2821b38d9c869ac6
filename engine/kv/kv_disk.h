/* SPDX-License-Identifier: MIT
 *
 * kv_disk.h - blocks of the key/value cache in files, so that what was read once need not be read again after
 * a restart.
 *
 * A file is one block of 64 tokens, or the state of recurrent layers behind such a block. Its name is a
 * keyed hash of all tokens up to its end, chained from block to block, so whoever has the tokens finds the
 * file, and nobody finds another's by chance or by intent (the key is the folder's own secret). A file says
 * what it is - build, weights, number format, shape, tokens - and carries codes under the same key; one that
 * is damaged, foreign, half-written or made by somebody who does not know the secret is passed over with one
 * event. When the disk gets full, files leave until a part of it is free again. Writing is done by a thread
 * of its own, which renames a file into place when it is whole. Any number of processes may use a folder, and
 * anybody may delete any of its files at any time.
 */
#ifndef HL_ENGINE_KV_KV_DISK_H
#define HL_ENGINE_KV_KV_DISK_H

#include "core/base/events.h"
#include "engine/kv/kv_pages.h"
#include "engine/kv/prefix_key.h"

typedef struct hl_kv_disk hl_kv_disk;

typedef struct hl_kv_key {
    uint64_t w[2];
} hl_kv_key;

/* What a file holds. A state has key, parent and tokens of the block that it is behind, and is of no use
 * without that block. */
typedef enum hl_kv_kind { HL_KV_BLOCK, HL_KV_STATE } hl_kv_kind;

typedef struct hl_kv_disk_params {
    const char *dir; /* made when it is missing */
    /* of all files in it; the least recently used leave, ends of texts before their start */
    uint64_t         quota_bytes;
    const char      *weights; /* names the weights: a digest */
    const char      *build;   /* what else decides the bits: version, instruction sets, commit */
    const hl_events *events;  /* must outlive the result */
} hl_kv_disk_params;

/* in     pool  must outlive the result, and so must its states, if it has some
 * fails  HL_E_IO     the folder can neither be made nor read
 *        HL_E_NOMEM */
HL_MUST_CHECK hl_status hl_kv_disk_open(const hl_kv_disk_params *p, hl_kv_pool *pool, hl_kv_disk **ret_disk,
                                        hl_err *err);
void                    hl_kv_disk_close(hl_kv_disk *d); /* writes what is queued first; NULL is allowed */

hl_kv_key hl_kv_disk_root(const hl_kv_disk *d); /* of no tokens */
/* Of the 64 positions behind `parent`. */
hl_kv_key hl_kv_disk_key(const hl_kv_disk *d, hl_kv_key parent, const hl_prefix_key *keys);

/* Fill `block`, of the pool or of its states, from its file. False: there is none that is good. */
bool hl_kv_disk_load(hl_kv_disk *d, hl_kv_kind kind, hl_kv_key key, hl_kv_key parent,
                     const hl_prefix_key *keys, uint32_t block);
bool hl_kv_disk_has(const hl_kv_disk *d, hl_kv_kind kind, hl_kv_key key); /* a file of that name */
bool hl_kv_disk_will_have(hl_kv_disk *d, hl_kv_kind kind, hl_kv_key key); /* or it waits to be written */

/* Queue a block for writing. It must not change, and stays referenced, until hl_kv_disk_take_done() gives it
 * back. False: the queue is full, or writing does not work at present, or a state is so large that a few of
 * its kind would fill the quota. */
bool hl_kv_disk_save(hl_kv_disk *d, hl_kv_kind kind, hl_kv_key key, hl_kv_key parent,
                     const hl_prefix_key *keys, uint32_t block);
/* A block whose writing ended, well or not; false: none. */
bool hl_kv_disk_take_done(hl_kv_disk *d, hl_kv_kind *ret_kind, uint32_t *ret_block);

/* Wait until hl_kv_disk_take_done() has something; false: nothing is queued, so it never will. */
bool hl_kv_disk_wait_done(hl_kv_disk *d);

/* Delete a state that others behind it make useless, unless it is being written just now. */
void hl_kv_disk_drop_state(hl_kv_disk *d, hl_kv_key key);

/* Delete all blocks of these weights, whatever build and shape they are of; returns the bytes. Any process,
 * any time. */
uint64_t hl_kv_disk_remove(const char *dir, const char *weights);

/* How many blocks there are of whose weights, folder by folder, and what they take with their states. Any
 * process, any time. */
typedef void hl_kv_disk_each_fn(void *user, const char *weights, uint64_t n_blocks, uint64_t bytes);
void         hl_kv_disk_each(const char *dir, hl_kv_disk_each_fn *fn, void *user);

typedef struct hl_kv_disk_stats {
    uint64_t n_saved, n_loaded; /* blocks */
    uint64_t n_saved_states, n_loaded_states;
    uint64_t n_refused; /* files that are damaged or foreign */
    uint64_t used_bytes;
} hl_kv_disk_stats;

void hl_kv_disk_get_stats(hl_kv_disk *d, hl_kv_disk_stats *ret_stats); /* any thread */

#endif
