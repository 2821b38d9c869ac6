/* SPDX-License-Identifier: MIT
 *
 * store_priv.h - shared by the files of the store: its body, paths, the lock, walking, blobs.
 *
 * Functions here expect the store's mutex to be held; those that change files expect the folder's
 * lock, too.
 */
#ifndef HL_MODELS_STORE_PRIV_H
#define HL_MODELS_STORE_PRIV_H

#include <limits.h>
#include <pthread.h>
#include <sys/stat.h>

#include "core/base/events.h"
#include "core/gguf/gguf.h"
#include "models/db/db.h"
#include "models/manifest.h"
#include "models/name.h"

enum { HL_STORE_ID_BYTES = 33, HL_STORE_TEXT_MAX_BYTES = 16 << 20 };

struct hl_store {
    pthread_mutex_t  mutex;
    const hl_events *events;
    hl_db           *db;                    /* NULL: none, or it cannot be used */
    char            *db_path;               /* NULL: none is wanted */
    int64_t          db_due_ns;             /* when one that could not be used is tried again */
    hl_status        db_status;             /* why it could not, */
    hl_err           db_why;                /* in words */
    char             id[HL_STORE_ID_BYTES]; /* of the models folder; "" until something is written to it */
    char             place
        [HL_STORE_ID_BYTES]; /* device and inode of the folder: what the index of names goes by until then */
    char                   *dirs;          /* watched folders, ':' between them; NULL: none */
    struct hl_watched_list *watched;       /* as they were at the last walk */
    char                    models_path[]; /* terminated, no slash at the end */
};

/* Under what the index has the names of this folder: a row counts only while its manifest's time and size are
 * the same, so that a folder we never wrote to (another program's) needs no id of ours. */
static inline const char *hl_store_names_id(const hl_store *s) { return s->id[0] ? s->id : s->place; }

/* ---- paths; false when it does not fit PATH_MAX, which open() rules out ---- */
void hl_store_path(const hl_store *s, const char *below, char ret[PATH_MAX]);
void hl_store_blob_path(const hl_store *s, const char *digest, char ret[PATH_MAX]);
void hl_store_manifest_path(const hl_store *s, const hl_name *name, char ret[PATH_MAX]);

/* ---- the folder's lock: the file .hyperlama, which also holds the folder's id ---- */
/* Make the folders when they are missing and take the lock. fails HL_E_BUSY after a while, HL_E_IO */
HL_MUST_CHECK hl_status hl_store_lock(hl_store *s, int *ret_fd, hl_err *err);
void                    hl_store_unlock(int fd);

/* ---- names on disk ---- */
typedef struct hl_disk_name {
    hl_name  name; /* spelled as on disk */
    int64_t  mtime_ns;
    uint64_t n_bytes;
    size_t   watched; /* 0: of a manifest; else one above its place in the list of watched files */
} hl_disk_name;

typedef struct hl_disk_names {
    hl_disk_name *v;
    size_t        n, cap;
} hl_disk_names;

/* Read all names; a folder that is not there has none. Free with hl_free(ret->v). */
HL_MUST_CHECK hl_status hl_store_walk(hl_store *s, hl_disk_names *ret, hl_err *err);
/* The same in another folder of this shape. */
HL_MUST_CHECK hl_status hl_store_walk_folder(const char *folder, hl_disk_names *ret, hl_err *err);

/* Find a name that is equal but for case; false when there is none or the walk failed. */
HL_MUST_CHECK hl_status hl_store_find_exact(hl_store *s, const hl_name *name, hl_disk_name *ret, hl_err *err);

/* As hl_store_find(), without taking the mutex. What is found in a watched folder stays true until the next
 * walk. */
HL_MUST_CHECK hl_status hl_store_find_disk(hl_store *s, const char *text, hl_disk_name *ret, hl_err *err);

/* ---- kinds of layers ---- */
typedef enum hl_layer_kind {
    HL_LAYER_SHARD,
    HL_LAYER_PROJECTOR,
    HL_LAYER_ADAPTER,
    HL_LAYER_DRAFT, /* files of their own */
    HL_LAYER_TEMPLATE,
    HL_LAYER_SYSTEM,
    HL_LAYER_LICENSE,
    HL_LAYER_PARAMS,
    HL_LAYER_MESSAGES,
    HL_LAYER_REMOTE, /* small texts */
    HL_LAYER_OTHER,
} hl_layer_kind;

hl_layer_kind hl_layer_kind_of(const char *media_type);
bool          hl_layer_is_text(hl_layer_kind kind);

/* ---- manifests ---- */
/* Read and parse a manifest file into the arena; ret_text (its bytes) may be NULL. */
HL_MUST_CHECK hl_status hl_store_read_manifest(hl_store *s, const hl_name *name, hl_arena *arena,
                                               hl_view *ret_text, hl_manifest *ret, hl_err *err);
/* Fill an entry from the index or, when that is stale, from the files. */
HL_MUST_CHECK hl_status hl_store_read_entry(hl_store *s, const hl_disk_name *on_disk, hl_arena *arena,
                                            hl_store_entry *ret, hl_err *err);

/* ---- blobs ---- */
int64_t hl_mtime_ns(const struct stat *st);
void    hl_blob_row_of(const struct stat *st, const char *digest, int origin, hl_blob_row *ret);
bool    hl_blob_row_fits(const hl_blob_row *row, const struct stat *st); /* size, time, inode */

/* sha256 of an open file; `fn` (NULL: none) sees progress and may cancel. Lets go of the store's mutex
 * meanwhile, so that lists and lookups do not wait for minutes. */
typedef hl_status       hl_progress_step_fn(void *user, size_t n, hl_err *err);
HL_MUST_CHECK hl_status hl_store_hash(hl_store *s, int fd, const char *path, hl_progress_step_fn *fn,
                                      void *user, char ret_hex[HL_DIGEST_BYTES], hl_err *err);

/* What is known of a blob: its row in the index, or else the folder's own record. */
bool hl_store_known(hl_store *s, const char *digest, hl_blob_row *ret);

/* ---- which blobs are ours (own.c): a record for each, in a folder beside them ---- */
#define HL_OWN_FOLDER ".hyperlama-blobs"

typedef struct hl_own {
    hl_blob_row row;     /* device is not known; origin is never HL_BLOB_FOUND */
    int64_t     born_ns; /* 0 not known */
} hl_own;

/* Write the record of a blob that is about to get its name; fd is open on it. Under the lock. */
HL_MUST_CHECK hl_status hl_own_put(hl_store *s, const hl_blob_row *row, int fd, hl_err *err);
bool                    hl_own_find(const hl_store *s, const char *digest, hl_own *ret);
void                    hl_own_drop(const hl_store *s, const char *digest);
/* A blob that somebody sent is a model's now: it goes with it, at once. Under the lock. */
void hl_own_settle(hl_store *s, const char *digest);
/* Is the file at `path`, of which st is, still the one that we placed? Never true for what another program
 * wrote. */
bool hl_own_is(const hl_own *o, const char *path, const struct stat *st);

/* Call fn for every record. They are read before the first call, so that fn may drop them. */
typedef void            hl_own_fn(void *user, const hl_own *o);
HL_MUST_CHECK hl_status hl_own_each(const hl_store *s, hl_own_fn *fn, void *user, hl_err *err);

/* ---- partial files (place.c) ---- */
/* Make a partial file of a new name and lock it, so that nobody sweeps it. -1: errno says why not. */
int hl_store_create_partial(hl_store *s, char ret_path[PATH_MAX]);
/* Record a finished, synced partial file as ours and give it its name among the blobs. Under the lock. */
HL_MUST_CHECK hl_status hl_store_commit_partial(hl_store *s, int fd, const char *partial, const char *digest,
                                                int origin, hl_err *err);

/* ---- small files (place.c) ---- */
/* Write a small blob unless it is there; fills all of `ret`. media_type is kept by reference. */
HL_MUST_CHECK hl_status hl_store_put_text(hl_store *s, const char *media_type, hl_view text,
                                          hl_blob_layer *ret, hl_err *err);
/* Put a text at a path in the models folder, by way of a temporary file among the blobs: the next process
 * sweeps that away, and beside `path` it might pass for a name. */
HL_MUST_CHECK hl_status hl_store_put_file(hl_store *s, const char *path, hl_view text, hl_err *err);
/* Write the manifest of a name, likewise. */
HL_MUST_CHECK hl_status hl_store_put_manifest(hl_store *s, const hl_name *name, hl_view text, hl_err *err);

/* ---- the layers of a new model (layers.c) ---- */
typedef struct hl_blob_layers {
    hl_store      *s;
    hl_blob_layer *v; /* media types are kept by reference */
    size_t         n, cap;
} hl_blob_layers;

void                    hl_blob_layers_done(hl_blob_layers *l);
HL_MUST_CHECK hl_status hl_blob_layers_add(hl_blob_layers *l, const hl_blob_layer *layer, hl_err *err);

typedef struct hl_model_texts { /* NULL and empty: none */
    const char              *template_text, *system, *remote_json;
    hl_view                  params_json;
    const hl_stored_message *messages;
    size_t                   n_messages;
    const char *const       *licenses;
    size_t                   n_licenses;
} hl_model_texts;

/* Write each text that there is as a blob, and add its layer. Under the lock. */
HL_MUST_CHECK hl_status hl_blob_layers_add_texts(hl_blob_layers *l, const hl_model_texts *t, hl_err *err);

/* Add the layers of another model that are files, or of kinds unknown here, but for those of a kind whose bit
 * is in `without`. Their blobs must still be there. Under the lock. */
HL_MUST_CHECK hl_status hl_blob_layers_add_files(hl_blob_layers *l, const hl_stored_model *m,
                                                 uint32_t without, hl_err *err);

/* Write the config and, last of all, the manifest. Under the lock.
 * in/out name  spelled as on disk afterwards, where a name that differs only in case is there already */
HL_MUST_CHECK hl_status hl_store_put_model(const hl_blob_layers *l, hl_view config, hl_name *name,
                                           hl_err *err);

/* ---- large files (place.c) ---- */
typedef struct hl_import_file {
    char        path[PATH_MAX]; /* resolved */
    const char *media_type;
    int         fd; /* of the file; -1 not open */
    struct stat st; /* when it was opened */
    char        digest[HL_DIGEST_BYTES];
    bool        is_present;        /* the blob is there and sound */
    char        partial[PATH_MAX]; /* "" : link at commit; else a finished copy */
    int         partial_fd;        /* open and locked until commit, so that nobody sweeps it; -1 none */
} hl_import_file;

/* fails HL_E_CHANGED when the file is not what it was when it was opened. */
HL_MUST_CHECK hl_status hl_import_file_check(const hl_import_file *src, hl_err *err);

/* Is the blob there and sound? Reads it in full when the index does not vouch for it. */
HL_MUST_CHECK hl_status hl_store_find_sound_blob(hl_store *s, hl_import_file *src, hl_err *err);

/* Can the source be hard-linked among the blobs? Tries it. */
bool hl_store_can_link(hl_store *s, const hl_import_file *src);

/* Make a model of GGUF files whose digests are known: downloads, and blobs that are there. The first ones are
 * the model's parts, in order. A file that got its name has no `partial` afterwards.
 * in/out name  as hl_store_put_model() */
HL_MUST_CHECK hl_status hl_store_import_files(hl_store *s, hl_import_file *files, size_t n, hl_name *name,
                                              hl_err *err);

/* Clone or copy the source into a partial file; fn sees every piece of a copy. Lets go of the mutex. */
HL_MUST_CHECK hl_status hl_store_copy_in(hl_store *s, hl_import_file *src, hl_progress_step_fn *fn,
                                         void *user, hl_err *err);

/* Give the source its name among the blobs, and record that. Under the lock. */
HL_MUST_CHECK hl_status hl_store_commit_blob(hl_store *s, hl_import_file *src, hl_err *err);

/* Downloads that were broken off: a file and its map (models/registry/partial.h). */
#define HL_DOWNLOAD_HEAD     "hyperlama-download-"
#define HL_DOWNLOAD_TAIL     ""
#define HL_DOWNLOAD_MAP_TAIL ".map"

/* ---- versions.c; under the lock ---- */
void hl_store_before_folder(const hl_store *s, char ret[PATH_MAX]);
/* The manifest of a name becomes that of its version before. There may be none. */
/* Where a pulled model came from; NULL: it is another one now. */
void                    hl_store_note_origin(hl_store *s, const hl_name *name, const char *from);
HL_MUST_CHECK hl_status hl_store_keep_before(hl_store *s, const hl_name *name, hl_err *err);
/* The name is gone: so is what was kept for it. */
void hl_store_forget_versions(hl_store *s, const hl_name *name);

/* ---- gc.c ---- */
/* Delete blobs that this program placed and no manifest uses.
 * `removed` (NULL: none) is a manifest that is gone; ret (NULL: none) counts, its name stays. */
void hl_store_gc(hl_store *s, const hl_manifest *removed, hl_removed *ret);
/* Delete temporary files of processes that were killed. */
void hl_store_sweep(hl_store *s);
/* A path for a temporary file that no other process has. */
void hl_store_partial_path(const hl_store *s, char ret[PATH_MAX]);

/* ---- what a model says of itself (describe.c) ---- */
typedef struct hl_description {
    char     family[64]; /* general.architecture */
    char     parameter_size[32];
    char     quantization[HL_GGUF_FILE_TYPE_BYTES];
    uint64_t context_tokens, embedding_n; /* 0 not known */
} hl_description;

HL_MUST_CHECK hl_status hl_store_describe(const struct hl_gguf *g, hl_description *ret, hl_err *err);
/* Append the config blob; of `o` renderer, parser and the like. */
void hl_store_format_config(const hl_description *d, const hl_blob_layers *layers, const hl_import_options *o,
                            hl_str *s);
/* Append another model's config, all of it, with these layers instead of its own, with what `d` (NULL: none)
 * says of other weights, and with the names that `o` (NULL: none) gives for a renderer and the like.
 * fails  HL_E_FORMAT it is no JSON object; HL_E_NOMEM */
HL_MUST_CHECK hl_status hl_store_format_config_like(hl_view config, const hl_blob_layers *layers,
                                                    const hl_description *d, const hl_import_options *o,
                                                    hl_str *s, hl_err *err);

/* Append parameters as a JSON object with the types that Ollama gives them (params.c).
 * fails HL_E_ARG an unknown name or a value that is not of the parameter's kind */
HL_MUST_CHECK hl_status hl_params_format(const hl_param *params, size_t n, hl_str *s, hl_err *err);
struct json_t;
/* Append the parameters of a model as JSON: values that the list has as `json` (NULL: none) has them keep
 * their JSON form, and so do those that no list can say; the others are written as hl_params_format()
 * does. */
HL_MUST_CHECK hl_status hl_params_format_like(const char *json, const hl_param *params, size_t n, hl_str *s,
                                              hl_err *err);
/* A JSON value as a Modelfile would say it, in buf or in the value itself; NULL: it cannot. */
const char *hl_param_text(const struct json_t *v, char buf[40]);

#endif
