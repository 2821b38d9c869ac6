/* SPDX-License-Identifier: MIT
 *
 * partial.h - a file that is being downloaded: its bytes, what is known of them, and whose turn it is.
 *
 * Beside the bytes (blobs/hyperlama-<key>.download) lies a small text (.map): how long the file is to be, the
 * server's mark of its version, and checkpoints - "the first N bytes have this sha256". So any later process
 * can go on from the last checkpoint, and finds out on the way, while it hashes, whether what lies there is
 * what was written: a checkpoint that does not hold throws away what stands behind the one before it.
 * The lock on the file says who downloads. Whoever finds it taken waits, and sees in the map how far it is.
 */
#ifndef HL_MODELS_REGISTRY_PARTIAL_H
#define HL_MODELS_REGISTRY_PARTIAL_H

#include "core/data/sha256.h"
#include "models/store_priv.h"

enum { HL_PARTIAL_MARK_BYTES = 200, HL_PARTIAL_CHECKPOINT_BYTES = 16 << 20 };

typedef struct hl_checkpoint {
    uint64_t at;
    char     sha256[HL_DIGEST_BYTES]; /* of all bytes in front of it */
} hl_checkpoint;

typedef struct hl_partial {
    hl_store      *s;
    char           path[PATH_MAX], map_path[PATH_MAX];
    int            fd, map_fd;                  /* -1: not open. fd is locked */
    bool           is_others;                   /* hl_partial_open() failed as another process has it */
    uint64_t       size_bytes;                  /* UINT64_MAX not known */
    char           mark[HL_PARTIAL_MARK_BYTES]; /* ETag or the like; "": none */
    hl_checkpoint *checkpoints;
    size_t         n_checkpoints, cap;
} hl_partial;

/* Paths of the download with this key (64 hex digits: the digest, or the sha256 of where it comes from). */
void hl_partial_init(hl_partial *p, hl_store *s, const char *key);
/* Open it, made when it is not there, and read its map.
 * fails  HL_E_BUSY  another process or thread downloads it; HL_E_IO, HL_E_NOMEM */
HL_MUST_CHECK hl_status hl_partial_open(hl_partial *p, hl_err *err);
/* How far whoever holds it has come; 0: not known. */
uint64_t hl_partial_look(const hl_partial *p);

/* Begin a new map, with nothing in the file that counts. Room for all of it is asked for.
 * fails  HL_E_IO no room, with the numbers */
HL_MUST_CHECK hl_status hl_partial_begin(hl_partial *p, uint64_t size_bytes, const char *mark, hl_err *err);
/* Note how far it is, for those who wait. Failures do no harm. */
void                    hl_partial_note(const hl_partial *p, uint64_t n_done);
HL_MUST_CHECK hl_status hl_partial_add(hl_partial *p, uint64_t at, const char *sha256, hl_err *err);
/* Forget all checkpoints but the first n. */
HL_MUST_CHECK hl_status hl_partial_cut(hl_partial *p, size_t n, hl_err *err);

void hl_partial_settle(hl_partial *p); /* it has its name among the blobs: deletes the map */
void hl_partial_close(hl_partial *p);  /* keeps the files; another one may go on */
void hl_partial_drop(hl_partial *p);   /* deletes them */

#endif
