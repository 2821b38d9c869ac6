/* SPDX-License-Identifier: MIT
 *
 * models.h - from a name to the files of a model: the store, its names, and Modelfiles.
 *
 * The one idea: the files are the truth. Manifests and blobs lie in a models folder in Ollama's
 * layout (an existing Ollama folder is used in place); the database beside it holds an index that can
 * be rebuilt from them, and what only people can make: chats, bench results, usage.
 * Every object returned here owns all the texts it points to, and is freed as a whole.
 */
#ifndef HL_MODELS_MODELS_H
#define HL_MODELS_MODELS_H

#include "core/base/events.h"
#include "hyperlama/base.h"

/* ---- Names: [host/][namespace/]model[:tag] ------------------------------------------------- */

enum {
    HL_NAME_HOST_BYTES = 351, /* 350 characters and the end */
    HL_NAME_PART_BYTES = 81,  /* 80 characters and the end */
    HL_NAME_TEXT_BYTES = HL_NAME_HOST_BYTES + 3 * HL_NAME_PART_BYTES,
    HL_DIGEST_BYTES = 65, /* sha256 as 64 lower-case hex digits and the end; no "sha256:" */
};

typedef struct hl_name {
    char host[HL_NAME_HOST_BYTES];  /* "registry.ollama.ai" unless given */
    char space[HL_NAME_PART_BYTES]; /* namespace; "library" unless given */
    char model[HL_NAME_PART_BYTES];
    char tag[HL_NAME_PART_BYTES]; /* "latest" unless given */
    bool has_tag;                 /* the text said the tag: a bare name may find another one */
} hl_name;

/* Parse and check a name, with or without scheme; every part is safe as a file name afterwards.
 * fails  HL_E_ARG  the part that is wrong, named */
HL_MUST_CHECK hl_status hl_name_parse(const char *text, hl_name *ret_name, hl_err *err);

/* Write the short form: default host and namespace left out, the tag always there. */
void hl_name_format(const hl_name *name, char ret_text[HL_NAME_TEXT_BYTES]);
void hl_name_format_full(const hl_name *name, char ret_text[HL_NAME_TEXT_BYTES]); /* all four parts */
bool hl_name_eq(const hl_name *a, const hl_name *b); /* ASCII case does not matter */

/* ---- The store ----------------------------------------------------------------------------- */

/* Let SQLite take its memory from where this library does, in the whole process: for programs, when they
 * start, before SQLite is used at all. A program that uses SQLite for itself, too, leaves this out.
 * fails  HL_E_BUSY  too late: SQLite is in use */
HL_MUST_CHECK hl_status hl_store_use_mem(hl_err *err);

typedef struct hl_store hl_store;

typedef struct hl_store_options {
    const char      *models_path; /* holds blobs/ and manifests/; made on the first import */
    const char      *db_path;     /* "hyperlama.db"; NULL: work without a database */
    const char      *dirs;   /* folders of GGUF files that are models, too, ':' between them; NULL: none */
    const hl_events *events; /* NULL: silence; must outlive the store */
} hl_store_options;

/* Open the store; clean up after killed imports; bring the database up to date.
 *
 * A models folder that does not exist or cannot be written is no error (an empty or read-only store), nor is
 * a database that cannot be used: it is newer than this program, another process holds it, there is no room
 * on the disk. The store works without it then, after a warning event ("database-unusable") that says why;
 * only what lives in it alone (hl_store_add_results(), hl_store_list_results()) fails.
 * fails  HL_E_ARG (a path too long), HL_E_CANCEL, HL_E_NOMEM
 * thread one store may be used by several threads (calls take turns, but nobody waits for hashing and
 * copying); any number of processes */
HL_MUST_CHECK hl_status hl_store_open(const hl_store_options *options, hl_store **ret_store, hl_err *err);
void                    hl_store_close(hl_store *s); /* NULL is allowed */

/* What tells a models folder from every other one, a copy of it included: two processes that have the same
 * fingerprint see the same models. Without waiting: nothing is opened as a store, or locked.
 * fails  HL_E_NOT_FOUND  there is no such folder; HL_E_IO */
enum { HL_FINGERPRINT_BYTES = 33 };
HL_MUST_CHECK hl_status hl_store_fingerprint(const char *models_path, char ret[HL_FINGERPRINT_BYTES],
                                             hl_err *err);

/* ---- List and find ------------------------------------------------------------------------- */

typedef struct hl_store_entry {
    hl_name     name;
    const char *text;                    /* short form of the name */
    char        digest[HL_DIGEST_BYTES]; /* sha256 of the manifest; people see the first 12 digits */
    uint64_t    size_bytes;              /* config and all layers */
    int64_t     modified_ms;             /* of the manifest, since 1970-01-01 UTC */
    int64_t     last_used_ms;            /* -1 not known */
    const char *format;                  /* "gguf"; "" when the config does not say, as all below */
    const char *family;                  /* "llama" */
    const char *parameter_size;          /* "134.5M" */
    const char *quantization;            /* "Q4_1" */
} hl_store_entry;

typedef struct hl_store_list {
    size_t                n;
    const hl_store_entry *entries; /* newest first */
} hl_store_list;

/* List the models whose short name starts with `prefix` (NULL: all; case does not matter).
 * Manifests that cannot be read are left out with a warning event. Free with hl_store_list_free(). */
HL_MUST_CHECK hl_status hl_store_list_models(hl_store *s, const char *prefix, hl_store_list **ret_list,
                                             hl_err *err);
void                    hl_store_list_free(hl_store_list *list); /* NULL is allowed */

/* Find the stored name that `text` means: the case of letters does not matter, and a name without a
 * tag means "latest" or else the only tag of that model on this machine.
 *
 * out    ret_name  spelled as on disk
 * fails  HL_E_NOT_FOUND  with the nearest names
 *        HL_E_ARG        no name at all, or several tags and none of them "latest": they are listed */
HL_MUST_CHECK hl_status hl_store_find(hl_store *s, const char *text, hl_name *ret_name, hl_err *err);

/* ---- One model ----------------------------------------------------------------------------- */

typedef struct hl_param { /* one "PARAMETER name value"; a list (stop) is one entry per value */
    const char *name;
    const char *value; /* as a Modelfile would say it: "0.7", "true", "<|im_end|>" */
} hl_param;

typedef struct hl_stored_message {
    const char *role;    /* "system", "user", "assistant" */
    hl_view     content; /* terminated; may hold NUL bytes */
} hl_stored_message;

typedef struct hl_stored_layer {
    const char *media_type; /* "application/vnd.ollama.image.model" */
    char        digest[HL_DIGEST_BYTES];
    uint64_t    size_bytes;
    const char *path; /* of the blob */
} hl_stored_layer;

/* What a manifest says, with its small blobs read. Texts are NULL when the model has none. */
typedef struct hl_stored_model {
    hl_store_entry         entry;
    bool                   is_watched; /* a file of a watched folder: no manifest, config and layers */
    const char            *manifest_json;
    const char            *config_json;
    size_t                 n_layers; /* as in the manifest */
    const hl_stored_layer *layers;
    size_t                 n_shards; /* 1, or the parts of a split model, in order; 0: no GGUF model */
    const char *const     *shard_paths;
    const char            *projector_path; /* GGUF of vision or audio */
    size_t                 n_adapters;
    const char *const     *adapter_paths; /* GGUF LoRA, in the order in which they are applied */
    const char            *draft_path;    /* GGUF draft model */
    const char            *template_text; /* Go template of a Modelfile; the GGUF may carry a Jinja one */
    const char            *system;
    /* The record of a model whose answers come from elsewhere; it has no files. The caller knows what it
     * says */
    const char              *remote_json;
    const char              *params_json; /* JSON object */
    size_t                   n_params;
    const hl_param          *params; /* params_json as a list */
    size_t                   n_messages;
    const hl_stored_message *messages;
    size_t                   n_licenses;
    const char *const       *licenses;
    const char              *renderer, *parser, *requires_version; /* names that the config blob gives */
} hl_stored_model;

enum {
    HL_OPEN_FOR_SHOW = 0, /* read what there is; blobs may be missing */
    HL_OPEN_FOR_LOAD = 1, /* the blobs must be whole, and unchanged since they were imported */
};

/* Find a model by name (as hl_store_find) and read its manifest and small blobs.
 *
 * fails  HL_E_CHANGED    HL_OPEN_FOR_LOAD: a blob's size differs, or its time or inode does and then
 *                        its sha256 too: says what changed and what to do
 *        HL_E_NOT_FOUND  as hl_store_find; or a blob is missing
 *        HL_E_FORMAT     manifest, config, params or messages are malformed
 * cost   HL_OPEN_FOR_LOAD reads a blob in full only when its time or inode changed
 * owns   free with hl_stored_model_free() */
HL_MUST_CHECK hl_status hl_store_open_model(hl_store *s, const char *text, int how,
                                            hl_stored_model **ret_model, hl_err *err);
void                    hl_stored_model_free(hl_stored_model *m); /* NULL is allowed */

/* ---- Import, copy, remove ------------------------------------------------------------------ */

typedef struct hl_store_progress {
    const char *what;        /* "hashing", "copying", "writing manifest", "done" */
    const char *path;        /* the file at hand; "" when there is none */
    uint64_t    done_bytes;  /* of all files, within this step */
    uint64_t    total_bytes; /* 0 not known */
} hl_store_progress;

/* Called from the thread that called the store, at most every few MiB; it may ask the store for lists
 * and models. Return false to cancel. */
typedef bool hl_store_progress_fn(void *user, const hl_store_progress *p);

typedef struct hl_import_options {          /* all zero is the default */
    const char              *template_text; /* NULL: none, here and below */
    const char              *system;
    const hl_param          *params;
    size_t                   n_params;
    const hl_stored_message *messages;
    size_t                   n_messages;
    const char *const       *licenses;
    size_t                   n_licenses;
    const char              *projector_path;
    const char *const       *adapter_paths;
    size_t                   n_adapters;
    const char              *draft_path;
    const char              *renderer, *parser, *requires_version; /* names that are only kept */
    /* A model like this one, of hl_store_open_model(). All its layers are shared but for what is said here:
     * the texts replace its own ("": none), parameters those of the same name, licences are added; projector,
     * adapters and draft replace its own, and so do weights, where there are paths. */
    const hl_stored_model *base;
    const char            *remote_json; /* instead of files: becomes hl_stored_model.remote_json */
    const char            *remote_host, *remote_model; /* of it, as lists show them */
    bool                   copy;                       /* never link: the store gets a file of its own */
    hl_store_progress_fn  *progress;
    void                  *progress_user;
} hl_import_options;

/* What a GGUF file says that it is: "model" unless it says otherwise, "projector", "adapter" or its own
 * word. */
enum { HL_FILE_KIND_BYTES = 32 };
HL_MUST_CHECK hl_status hl_model_file_kind(const char *path, char ret_kind[HL_FILE_KIND_BYTES], hl_err *err);

/* Is this the name of a part of a split model: "x-00002-of-00003", without ".gguf"? *ret_i is 1, 2, ...
 * out    the length of what stands in front of that; 0: it is no part (and i and n are 1) */
size_t hl_split_stem(hl_view name, uint32_t *ret_i, uint32_t *ret_n);

/* fails  HL_E_ARG  an unknown name, or a value that is not of the parameter's kind */
HL_MUST_CHECK hl_status hl_param_check(const hl_param *param, hl_err *err);

/* Bring GGUF files into the store under a name, replacing what had the name.
 *
 * A file is hard-linked into the blobs folder, else reflinked, else copied. The parts of a split
 * model become one layer each. The manifest is written last: before that nothing is visible.
 *
 * in     paths    the file or the first part of a split model (the others are found beside it), or all
 *                 parts in order; none where options have a remote record, and none where they have a base
 *                 whose weights stay
 *        options  NULL: defaults
 * out    ret_name what was written; NULL is allowed
 * fails  HL_E_FORMAT, HL_E_UNSUPPORTED  not a GGUF file we can read
 *        HL_E_CANCEL   progress said no, or hl_stop_watch()'s flag was set; nothing recorded
 *        HL_E_CHANGED  a file changed while it was read
 *        HL_E_IO       disk full, read-only folder, ...; nothing recorded, run again after the remedy
 *        HL_E_ARG, HL_E_NOT_FOUND, HL_E_NOMEM
 * cost   reads each file once; a second time only when it must be copied */
HL_MUST_CHECK hl_status hl_store_import(hl_store *s, const char *const *paths, size_t n_paths,
                                        const char *name, const hl_import_options *options, hl_name *ret_name,
                                        hl_err *err);

/* Store a model like one that was opened, with what was changed in the record since: template, system text,
 * parameters, messages and licences are written as the record says ("" and empty lists: none). All else -
 * weights, projector, adapter, draft, layers of other kinds, every key of the config - is the record's,
 * shared with the model that it came from. Replaces what had the name.
 *
 * in     m  of hl_store_open_model(), or a copy with other texts; its layers must still be in the store
 * out    ret_name  what was written; NULL is allowed
 * fails  HL_E_NOT_FOUND  a layer of the record is gone
 *        HL_E_ARG        a parameter that is unknown, or not of its kind
 *        HL_E_IO, HL_E_BUSY, HL_E_LIMIT, HL_E_NOMEM; nothing recorded */
HL_MUST_CHECK hl_status hl_store_save_model(hl_store *s, const hl_stored_model *m, const char *name,
                                            hl_name *ret_name, hl_err *err);

/* ---- Blobs by themselves: what clients send before they make a model of it ---- */

/* Is this blob in the store, as it was when it was placed?
 * in     digest  "sha256:" or "sha256-" and 64 hex digits
 * out    ret_size_bytes  NULL is allowed
 * fails  HL_E_NOT_FOUND; HL_E_ARG  no digest */
HL_MUST_CHECK hl_status hl_store_find_blob(hl_store *s, const char *digest, uint64_t *ret_size_bytes,
                                           hl_err *err);

/* A blob that comes in pieces, from one thread at a time. It has its name after hl_upload_finish(), in one
 * step, or never; unless a model names it, it goes with the first gc after an hour.
 * in     size_bytes  UINT64_MAX: not known
 * fails  HL_E_ARG no digest; HL_E_IO no room, read-only folder; HL_E_LIMIT, HL_E_NOMEM, HL_E_BUSY
 * owns   hl_upload_free(), which drops what was not finished */
typedef struct hl_upload hl_upload;
HL_MUST_CHECK hl_status  hl_upload_begin(hl_store *s, const char *digest, uint64_t size_bytes,
                                         hl_upload **ret_upload, hl_err *err);
bool hl_upload_is_present(const hl_upload *u); /* it was there already: pieces are let go */
/* fails HL_E_FORMAT more than size_bytes; HL_E_IO */
HL_MUST_CHECK hl_status hl_upload_add(hl_upload *u, hl_view bytes, hl_err *err);
/* fails HL_E_FORMAT too short, or another digest; HL_E_IO, HL_E_BUSY */
HL_MUST_CHECK hl_status hl_upload_finish(hl_upload *u, hl_err *err);
void                    hl_upload_free(hl_upload *u); /* NULL is allowed */

/* A file among the blobs that is being made: it has no name yet that counts, and goes with
 * hl_store_drop_draft(), or with the process that makes it. hl_store_import() may take it as a source
 * before that.
 * fails  HL_E_IO, HL_E_BUSY
 * owns   hl_store_drop_draft() */
typedef struct hl_store_draft {
    char path[4096];
    int  fd; /* open for writing, and locked */
} hl_store_draft;
HL_MUST_CHECK hl_status hl_store_new_draft(hl_store *s, hl_store_draft *ret, hl_err *err);
void                    hl_store_drop_draft(hl_store_draft *d);

/* The file of a blob that somebody placed among the blobs under its digest.
 * in     digest  "sha256:" or "sha256-" and 64 hex digits
 * owns   the caller frees *ret_path with hl_free()
 * fails  HL_E_ARG it is no digest; HL_E_NOT_FOUND, HL_E_IO, HL_E_NOMEM */
HL_MUST_CHECK hl_status hl_store_locate_blob(hl_store *s, const char *digest, char **ret_path, hl_err *err);

/* Give a stored model a second name; blobs are shared. Replaces what had the name. */
HL_MUST_CHECK hl_status hl_store_copy(hl_store *s, const char *source, const char *target, hl_err *err);

/* Copy a model into a folder of its own: its GGUF files, a Modelfile that names them, its manifest. Copies
 * are compared with the digests, and the folder gets its name when it is whole.
 *
 * in     dir  is not there, or empty
 *        fn   told of progress; may be NULL
 * fails  HL_E_EXISTS       the folder is there and not empty
 *        HL_E_CHANGED      a blob is not what its digest says
 *        HL_E_UNSUPPORTED  no GGUF weights, or texts that no Modelfile can say
 *        HL_E_IO, HL_E_CANCEL, HL_E_NOMEM; nothing is left behind */
HL_MUST_CHECK hl_status hl_stored_model_export(const hl_stored_model *m, const char *dir,
                                               hl_store_progress_fn *fn, void *user, hl_err *err);

typedef struct hl_removed {
    hl_name  name;
    size_t   n_blobs; /* deleted: written by hyperlama, and no other model uses them */
    uint64_t n_bytes; /* of those; links to files that live on elsewhere count 0 */
    size_t   n_kept;  /* unreferenced now, but not ours to delete */
} hl_removed;

/* Remove a model. The name must be exact but for case (no guessing of tags other than "latest").
 * out    ret_removed  NULL is allowed */
HL_MUST_CHECK hl_status hl_store_remove(hl_store *s, const char *text, hl_removed *ret_removed, hl_err *err);

/* The version before: what a pull replaced. Going back swaps the two, so that going back again undoes it.
 * fails  HL_E_NOT_FOUND  no such model, or no version before is kept; HL_E_IO, HL_E_BUSY
 * out    ret_name  NULL is allowed */
HL_MUST_CHECK hl_status hl_store_go_back(hl_store *s, const char *text, hl_name *ret_name, hl_err *err);
enum { HL_ORIGIN_BYTES = 2048 };
/* What was asked for when this model was pulled. False: it was not. */
bool hl_store_origin(hl_store *s, const char *text, char ret[HL_ORIGIN_BYTES]);
/* A pinned model is left alone by hl_store_pull(). */
HL_MUST_CHECK hl_status hl_store_pin(hl_store *s, const char *text, bool is_on, hl_err *err);
bool                    hl_store_is_pinned(hl_store *s, const char *text);

typedef struct hl_garbage { /* a file that no model needs */
    const char *path;
    uint64_t    n_bytes; /* that its deletion frees; links to files that live on elsewhere count 0 */
    const char *why;
    bool        is_kept; /* it stays, and why says why */
} hl_garbage;

typedef void hl_garbage_fn(void *user, const hl_garbage *g);

typedef struct hl_collect_options { /* all zero is the default */
    bool           dry_run;         /* delete nothing, tell what would be */
    bool           all;             /* what other programs left, too, when it is an hour old */
    hl_garbage_fn *fn;              /* told of each file; must not call the store */
    void          *user;
} hl_collect_options;

typedef struct hl_collected {
    size_t   n_files, n_kept;
    uint64_t n_bytes, n_kept_bytes;
} hl_collected;

/* Delete blobs that no manifest names: those that hyperlama placed, whatever became of the database, and with
 * `all` those of other programs. Models are not touched.
 *
 * fails  HL_E_FORMAT, HL_E_IO  a manifest cannot be read: nobody knows what it uses, and nothing is deleted
 *        HL_E_BUSY, HL_E_NOMEM */
HL_MUST_CHECK hl_status hl_store_collect(hl_store *s, const hl_collect_options *options, hl_collected *ret,
                                         hl_err *err);

typedef struct hl_blemish { /* something wrong with a model */
    const char *model;      /* short name */
    const char *text;       /* what, and what to do */
    bool        is_bad;     /* it cannot be used; else it may be as it should */
} hl_blemish;

typedef void hl_blemish_fn(void *user, const hl_blemish *b);

/* Look at all models: manifests, and each file that they name - is it there, a file, of its size, the one
 * that was imported.
 *
 * in     name    of one model, as hl_store_find() takes it; NULL: all
 *        verify  read all files, and compare their sha256
 *        fn      told of each blemish; may ask the store
 * fails  HL_E_IO the folder cannot be read; as hl_store_find(); HL_E_CANCEL, HL_E_NOMEM */
HL_MUST_CHECK hl_status hl_store_check(hl_store *s, const char *name, bool verify, hl_blemish_fn *fn,
                                       void *user, size_t *ret_n_models, hl_err *err);

/* ---- What only people can make ------------------------------------------------------------- */

/* Remember that a model was loaded now. Failures end in a warning event: usage is a nicety. */
void hl_store_add_usage(hl_store *s, const hl_name *name);

typedef struct hl_bench_result {
    const char *machine, *cpu;  /* host name; CPU model */
    const char *build, *commit; /* "hyperlama 0.1.0 gcc 12.2.0"; git commit, "" not known */
    const char *isa, *kv_type;  /* "scalar avx2"; "f16"; "" not known */
    int32_t     n_threads;      /* 0 not known */
    int64_t     date_ms;        /* since 1970-01-01 UTC; the same in all rows of a run */
    const char *model, *digest; /* short name; sha256 of the manifest or file, "" not known */
    const char *metric;         /* "prefill", "decode", "ttft_warm" */
    int64_t     n;              /* what the metric is taken at: prompt tokens, users; 0 nothing */
    double      value;
    const char *unit;  /* "tokens/s", "ms" */
    double      share; /* of the machine's limit; 0 not known */
} hl_bench_result;

/* Keep bench results in the database, all or none. */
HL_MUST_CHECK hl_status hl_store_add_results(hl_store *s, const hl_bench_result *results, size_t n,
                                             hl_err *err);

typedef struct hl_bench_history {
    size_t                 n;
    const hl_bench_result *results; /* oldest run first, in each the order they were kept in */
} hl_bench_history;

/* The last `max_runs` runs of a model on a machine, whatever build and settings they were made with.
 *
 * out    ret_history  without results when there are none
 * fails  HL_E_IO  there is no database, or it cannot be read; HL_E_NOMEM
 * owns   the caller frees it with hl_bench_history_free(); all texts belong to it */
HL_MUST_CHECK hl_status hl_store_list_results(hl_store *s, const char *model, const char *machine,
                                              int32_t max_runs, hl_bench_history **ret_history, hl_err *err);
void                    hl_bench_history_free(hl_bench_history *h); /* NULL is allowed */

/* ---- Keys of a server ---------------------------------------------------------------------- */

enum {
    HL_KEY_NAME_BYTES = 65, /* 64 characters and the end */
    HL_KEY_TEXT_BYTES = 68, /* "hl-", 64 hex digits and the end */
    HL_KEY_PRIORITY_MOST = 100,
};

/* What a key may do; each may what those before it may. */
typedef enum hl_key_scope {
    HL_KEY_USE,    /* ask models, look at what there is */
    HL_KEY_MANAGE, /* make, copy and delete models */
    HL_KEY_ADMIN,  /* the server itself */
    HL_N_KEY_SCOPES
} hl_key_scope;

typedef struct hl_key {
    char         name[HL_KEY_NAME_BYTES]; /* letters, digits and . _ @ - */
    char         sha256[HL_DIGEST_BYTES]; /* of the key, which is kept nowhere */
    hl_key_scope scope;
    int32_t      priority; /* of its requests; higher ones go first */
    int64_t      created_ms;
} hl_key;

const char *hl_key_scope_name(hl_key_scope scope);
bool        hl_key_scope_parse(const char *text, hl_key_scope *ret_scope);

/* The keys in a database. One thread at a time; any number of processes. */
typedef struct hl_keyring hl_keyring;

/* in     events  may be NULL; else it must outlive the keyring
 * fails  as the database cannot be opened: HL_E_IO, HL_E_BUSY, HL_E_UNSUPPORTED (newer), HL_E_NOMEM */
HL_MUST_CHECK hl_status hl_keyring_open(const char *db_path, const hl_events *events, hl_keyring **ret_ring,
                                        hl_err *err);
void                    hl_keyring_close(hl_keyring *r); /* NULL is allowed */

/* Make a key.
 * out    ret_key  the key: the only time that anybody sees it
 * fails  HL_E_EXISTS  the name is taken
 *        HL_E_ARG     the name or the priority is none
 *        HL_E_IO, HL_E_BUSY */
HL_MUST_CHECK hl_status hl_keyring_add(hl_keyring *r, const char *name, hl_key_scope scope, int32_t priority,
                                       char ret_key[HL_KEY_TEXT_BYTES], hl_err *err);
/* fails HL_E_NOT_FOUND, HL_E_IO, HL_E_BUSY */
HL_MUST_CHECK hl_status hl_keyring_revoke(hl_keyring *r, const char *name, hl_err *err);

/* All keys, by name.
 * owns   hl_free(*ret_keys); NULL when there is none */
HL_MUST_CHECK hl_status hl_keyring_list(hl_keyring *r, hl_key **ret_keys, size_t *ret_n, hl_err *err);

/* Were there keys that nobody has revoked? True with an empty list means that the database was lost. */
bool hl_keyring_had_keys(const hl_keyring *r);

/* May hl_keyring_list() give something else than at the last call, by whatever process? Costs microseconds.
 * When the file is another one now, it is opened. */
bool hl_keyring_has_changed(hl_keyring *r);
typedef struct hl_kept_response { /* an answer that is kept for whoever names its id */
    const char *id;
    const char *previous_id; /* that it went on from; NULL: none */
    const char
        *owner; /* the key that asked for it, which alone finds it again; NULL or "": none. Not read back */
    int64_t created_ms;
    hl_view input_json;    /* what was asked: a JSON list */
    hl_view response_json; /* what was answered */
} hl_kept_response;

/* Keep an answer in the database, and drop the oldest that are over the limits; this one stays whatever its
 * size. What is kept outlives the process, however it ends.
 *
 * in     max_rows   of all answers together; max_bytes of their texts
 * fails  HL_E_IO  there is no database, or no room; HL_E_BUSY another process holds it; HL_E_NOMEM */
HL_MUST_CHECK hl_status hl_store_keep_response(hl_store *s, const hl_kept_response *r, int64_t max_rows,
                                               int64_t max_bytes, hl_err *err);
/* in     owner  as it was kept
 * fails  HL_E_NOT_FOUND, also where it is somebody else's; HL_E_IO, HL_E_BUSY, HL_E_NOMEM
 * owns   the caller frees it with hl_kept_response_free() */
HL_MUST_CHECK hl_status hl_store_find_response(hl_store *s, const char *id, const char *owner,
                                               hl_kept_response **ret, hl_err *err);
void                    hl_kept_response_free(hl_kept_response *r); /* NULL is allowed */
/* fails  HL_E_NOT_FOUND; HL_E_IO, HL_E_BUSY */
HL_MUST_CHECK hl_status hl_store_drop_response(hl_store *s, const char *id, const char *owner, hl_err *err);

/* ---- Modelfiles ---------------------------------------------------------------------------- */

typedef struct hl_modelfile {
    size_t                   n_from; /* at least 1 */
    const char *const       *from;   /* as written: a name or a path */
    size_t                   n_params;
    const hl_param          *params;
    const unsigned          *param_lines;            /* [n_params] where each stands, from 1 */
    const char              *template_text, *system; /* NULL: none */
    const char              *renderer, *parser, *requires_version, *draft;
    size_t                   n_adapters;
    const char *const       *adapters;
    size_t                   n_licenses;
    const char *const       *licenses;
    size_t                   n_messages;
    const hl_stored_message *messages;
} hl_modelfile;

/* Parse a Modelfile: UTF-8, or UTF-16 with a byte order mark.
 * fails  HL_E_FORMAT  line number, what was found, what was expected; FROM is missing
 *        HL_E_LIMIT   text too long */
HL_MUST_CHECK hl_status hl_modelfile_parse(hl_view text, hl_modelfile **ret_file, hl_err *err);
void                    hl_modelfile_free(hl_modelfile *f); /* NULL is allowed */

/* Write a stored model as a Modelfile ("show --modelfile").
 * owns   the caller frees the text with hl_free() of core/base/mem.h */
HL_MUST_CHECK hl_status hl_modelfile_format(const hl_stored_model *m, char **ret_text, hl_err *err);
#endif
