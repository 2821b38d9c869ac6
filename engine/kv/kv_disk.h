/* SPDX-License-Identifier: MIT
 *
 * kv_disk.h - blocks of the key/value cache in files, so that what was read once need not be read again after
 * a restart.
 *
 * A file is one block of 64 tokens. Its name is a keyed hash of all tokens up to its end, chained from block
 * to block, so whoever has the tokens finds the file, and nobody finds another's by chance or by intent (the
 * key is the folder's own secret). A file says what it is - build, weights, number format, shape, tokens -
 * and carries codes under the same key; one that is damaged, foreign, half-written or made by somebody who
 * does not know the secret is passed over with one event. When the disk gets full, files leave until a part
 * of it is free again. Writing is done by a thread of its own, which renames a file into place when it is
 * whole. Any number of processes may use a folder, and anybody may delete any of its files at any time.
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

typedef struct hl_kv_disk_params {
    const char *dir; /* made when it is missing */
    /* of all files in it; the least recently used leave, ends of texts before their start */
    uint64_t         quota_bytes;
    const char      *weights; /* names the weights: a digest */
    const char      *build;   /* what else decides the bits: version, instruction sets, commit */
    const hl_events *events;  /* must outlive the result */
} hl_kv_disk_params;

/* in     pool  must outlive the result
 * fails  HL_E_IO     the folder can neither be made nor read
 *        HL_E_NOMEM */
HL_MUST_CHECK hl_status hl_kv_disk_open(const hl_kv_disk_params *p, hl_kv_pool *pool, hl_kv_disk **ret_disk,
                                        hl_err *err);
void                    hl_kv_disk_close(hl_kv_disk *d); /* writes what is queued first; NULL is allowed */

hl_kv_key hl_kv_disk_root(const hl_kv_disk *d); /* of no tokens */
/* Of the 64 positions behind `parent`. */
hl_kv_key hl_kv_disk_key(const hl_kv_disk *d, hl_kv_key parent, const hl_prefix_key *keys);

/* Fill `block` from its file. False: there is none that is good. */
bool hl_kv_disk_load(hl_kv_disk *d, hl_kv_key key, hl_kv_key parent, const hl_prefix_key *keys,
                     uint32_t block);
bool hl_kv_disk_has(const hl_kv_disk *d, hl_kv_key key); /* a file of that name */
bool hl_kv_disk_will_have(hl_kv_disk *d, hl_kv_key key); /* or it waits to be written */

/* Queue a block for writing. It must not change, and stays referenced, until hl_kv_disk_take_done() gives it
 * back. False: the queue is full, or writing does not work at present. */
bool hl_kv_disk_save(hl_kv_disk *d, hl_kv_key key, hl_kv_key parent, const hl_prefix_key *keys,
                     uint32_t block);
/* A block whose writing ended, well or not; false: none. */
bool hl_kv_disk_take_done(hl_kv_disk *d, uint32_t *ret_block);

/* Delete all blocks of these weights, whatever build and shape they are of; returns the bytes. Any process,
 * any time. */
uint64_t hl_kv_disk_remove(const char *dir, const char *weights);

/* How many blocks there are of whose weights, folder by folder. Any process, any time. */
typedef void hl_kv_disk_each_fn(void *user, const char *weights, uint64_t n_blocks, uint64_t bytes);
void         hl_kv_disk_each(const char *dir, hl_kv_disk_each_fn *fn, void *user);

typedef struct hl_kv_disk_stats {
    uint64_t n_saved, n_loaded, n_refused; /* blocks; refused: damaged or foreign */
    uint64_t used_bytes;
} hl_kv_disk_stats;

void hl_kv_disk_get_stats(hl_kv_disk *d, hl_kv_disk_stats *ret_stats); /* any thread */

#endif
