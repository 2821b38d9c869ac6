/* SPDX-License-Identifier: MIT
 *
 * watched.h - folders of GGUF files that are used where they lie: found, named, described.
 *
 * Trees of any shape; those of the Hugging Face cache (models--ORG--REPO/snapshots/REVISION/...) and of
 * LM Studio (PUBLISHER/REPO/FILE.gguf) give names that people know from there.
 */
#ifndef HL_MODELS_WATCHED_H
#define HL_MODELS_WATCHED_H

#include "models/store_priv.h"

typedef struct hl_watched {
    hl_name     name;
    const char *path;      /* of the only file, or of the first part */
    const char *projector; /* the one that lies beside it; NULL: none */
    struct stat st;        /* of `path` */
    uint32_t    n_parts;
    uint64_t    n_bytes; /* of all parts that are there */
} hl_watched;

typedef struct hl_watched_list {
    hl_watched *v;
    size_t      n;
    hl_arena    arena;
} hl_watched_list;

/* Find the models in all folders; what cannot be read is an event. In order of their paths, each name once.
 * in     dirs  folders with ':' between them
 * fails  HL_E_NOMEM, HL_E_CANCEL
 * owns   hl_watched_done(), also after a failure */
HL_MUST_CHECK hl_status hl_watched_scan(const char *dirs, const hl_events *events, hl_watched_list *ret,
                                        hl_err *err);
void                    hl_watched_done(hl_watched_list *l);

/* The name of a file by where it lies in a folder: "sub/Llama-3-8B.Q4_K_M.gguf" is Llama-3-8B:Q4_K_M.
 * False: nothing of the path can stand in a name. */
bool hl_watched_name(const char *below, hl_name *ret_name);

/* The path of part i (1, 2, ...) of a split model, given its first; false when it is none. */
bool hl_watched_part(const char *first, uint32_t i, uint32_t n, char ret[PATH_MAX]);

/* Under the store's mutex, for a name of the last walk. What a header says is kept in the index.
 * fails  HL_E_NOT_FOUND  the file is no model: an adapter, say; HL_E_NOMEM, HL_E_CANCEL. One that cannot be
 *                        read is an entry that says little */
HL_MUST_CHECK hl_status hl_watched_read_entry(hl_store *s, const hl_disk_name *on_disk, hl_arena *arena,
                                              hl_store_entry *ret, hl_err *err);
HL_MUST_CHECK hl_status hl_watched_read_model(hl_store *s, const hl_disk_name *on_disk, hl_arena *arena,
                                              hl_stored_model *ret, hl_err *err);

#endif
