/* SPDX-License-Identifier: MIT
 *
 * host.h - from a name to a loaded runner: the front door of host/ for server and cli.
 *
 * Composes what must not know each other: the store (names, manifests) and the engine (weights, tokens).
 */
#ifndef HL_HOST_HOST_H
#define HL_HOST_HOST_H

#include "core/base/config.h"
#include "host/options.h"
#include "hyperlama/base.h"
#include "hyperlama/engine.h"
#include "hyperlama/native.h"
#include "models/models.h"
#include "models/registry.h"
#include "hyperlama/runner.h"

/* Where things live. Absolute where the environment allows it; each ends without a slash. */
typedef struct hl_paths {
    char *home;    /* $HYPERLAMA_HOME, else $XDG_DATA_HOME/hyperlama, else ~/.local/share/hyperlama */
    char *models;  /* setting store.models_dir (so OLLAMA_MODELS too), else home/models */
    char *dirs;    /* setting store.dirs, with homes in place of "~"; NULL: none */
    char *user;    /* $HOME; NULL: not set */
    char *db;      /* home/hyperlama.db */
    char *cache;   /* home/cache */
    char *logs;    /* home/logs: what engines of other programs say */
    char *history; /* home/history */
    /* $HYPERLAMA_CONFIG, else $XDG_CONFIG_HOME/hyperlama/hyperlama.ini, else ~/.config/... */
    char        *config_file;
    char        *profiles; /* engines.ini beside it: the user's launch profiles */
    char *const *envp;     /* the environment, as it was given */
} hl_paths;

/* fails  HL_E_ARG    no home folder: neither HYPERLAMA_HOME nor HOME is set
 *        HL_E_NOMEM
 * owns   hl_paths_done(), also after a failure */
HL_MUST_CHECK hl_status hl_paths_init(hl_paths *p, char *const *envp, hl_err *err);
/* Put the models folder where the settings say. Call after the settings are read. */
HL_MUST_CHECK hl_status hl_paths_apply(hl_paths *p, const hl_config *config, hl_err *err);
void                    hl_paths_done(hl_paths *p);

/* Can something be written at `path`, or where it would be made? */
bool hl_path_is_writable(const char *path);

/* The store and the engine, each opened when it is needed first. */
typedef struct hl_host hl_host;

/* in     all three must outlive the host; settings are read when something is opened
 * fails  HL_E_NOMEM */
HL_MUST_CHECK hl_status hl_host_new(const hl_config *config, const hl_paths *paths, const hl_events *events,
                                    hl_host **ret_host, hl_err *err);
void                    hl_host_free(hl_host *h); /* after all users of its models; NULL is allowed */

/* fails as hl_store_open(), hl_engine_new(). The host owns what is returned.
 * in     n_threads  -1: what the settings say */
HL_MUST_CHECK hl_status hl_host_store(hl_host *h, hl_store **ret_store, hl_err *err);
HL_MUST_CHECK hl_status hl_host_engine(hl_host *h, int32_t n_threads, hl_engine **ret_engine, hl_err *err);
/* hl_store_fingerprint() of its models folder. False: there is none. */
bool hl_host_fingerprint(const hl_host *h, char ret[HL_FINGERPRINT_BYTES]);
/* The home where it may only be read: what would be kept there is not. NULL: it can be written, or made */
const char *hl_host_read_only_home(const hl_host *h);

/* The keys of a server on this machine: those in this host's database.
 * fails  as hl_keyring_open()
 * owns   hl_keyring_close() */
HL_MUST_CHECK hl_status hl_host_open_keyring(const hl_host *h, hl_keyring **ret_ring, hl_err *err);

/* What a name or a path means: the files of one model. */
typedef struct hl_source {
    char              *label;  /* the stored name with its tag, or the path */
    hl_stored_model   *stored; /* NULL: a file that is not in the store */
    hl_stored_model   *base;   /* of a preset, which `stored` is then; else NULL */
    const char *const *paths;  /* [n_paths], the shards in order; belongs to this */
    size_t             n_paths;
    const char        *one_path[1];
    char              *alias;  /* that stood for it; NULL: none did */
    size_t             i_next; /* of what the alias stands for, after this one */
    /* The record of a model whose answers come from elsewhere (host/remote/remote_model.h): there are no
     * files. NULL: there are */
    const char *remote;
    char       *own_remote; /* the same, where no stored model has it */
    /* [n_added] adapters beside those that are stored with it: hl_source_add_adapter() */
    struct hl_source_adapter *added;
    size_t                    n_added;
} hl_source;

/* An adapter that a model is opened with. */
typedef struct hl_source_adapter {
    char *path;
    float scale; /* of a stored one from the parameter adapter_scale, in order; 1 */
} hl_source_adapter;

/* Those that are stored with it, in their order, then those that were added. */
size_t            hl_source_n_adapters(const hl_source *s);
hl_source_adapter hl_source_adapter_at(const hl_source *s, size_t i); /* its path is the source's */

/* Open the model with one more from now on. The file is read when the model is.
 * in     path   copied
 *        scale  finite
 * fails  HL_E_UNSUPPORTED  the model's answers come from elsewhere
 *        HL_E_NOT_FOUND, HL_E_ARG  no such file; a folder: what to do with that
 *        HL_E_NOMEM */
HL_MUST_CHECK hl_status hl_source_add_adapter(hl_source *s, const char *path, float scale, hl_err *err);

/* A path when it ends in .gguf or a file of that name with a '/' in it exists; else a name: one of the
 * settings' (host/names.h), or a stored one. Of what an alias stands for, the first that is stored counts.
 *
 * in     how  HL_OPEN_FOR_SHOW or HL_OPEN_FOR_LOAD
 * fails  HL_E_NOT_FOUND  with the nearest names and what to do; as hl_store_open_model() */
HL_MUST_CHECK hl_status hl_host_find(hl_host *h, const char *text, int how, hl_source **ret_source,
                                     hl_err *err);
/* The i-th name that the settings make: of presets and aliases. NULL: no more. */
const char *hl_host_own_name(const hl_host *h, size_t i);
bool        hl_host_has_own_name(const hl_host *h, const char *text);
/* The same, but never a path: for names that come over the network. */
HL_MUST_CHECK hl_status hl_host_find_stored(hl_host *h, const char *text, int how, hl_source **ret_source,
                                            hl_err *err);
/* What an alias stands for next, where `s`, which it stood for, does not fit.
 * fails  HL_E_NOT_FOUND  nothing, or no alias stood for it; as hl_host_find() */
HL_MUST_CHECK hl_status hl_host_find_next(hl_host *h, const hl_source *s, int how, hl_source **ret_source,
                                          hl_err *err);
void                    hl_source_free(hl_source *s); /* NULL is allowed */

/* Is everything that is stored with a model what this build can answer with? Nothing is opened.
 * fails  HL_E_UNSUPPORTED  no GGUF weights */
HL_MUST_CHECK hl_status hl_source_can_answer(const hl_source *s, hl_err *err);

/* What can be done with a model here, in Ollama's words: "completion" or "embedding", "tools", "insert",
 * "thinking". What a file could do and this build cannot (vision, audio) is not among them, as clients act by
 * it. */
typedef struct hl_capabilities {
    const char *names[8];
    size_t      n;
} hl_capabilities;
void hl_capabilities_find(const hl_model *m, const hl_chat_caps *caps, hl_capabilities *ret);

/* hl_store_remove(), and what the key/value cache on disk keeps for weights that are gone with it.
 *
 * out    ret_cache_bytes  of that cache; may be NULL
 * fails  as hl_host_store(), hl_store_remove() */
HL_MUST_CHECK hl_status hl_host_remove(hl_host *h, const char *name, hl_removed *ret_removed,
                                       uint64_t *ret_cache_bytes, hl_err *err);

/* Lock this process before the files of `source` are read, as the setting security.lockdown says
 * (core/base/lockdown.h). Open to it from now on: these files and the draft's, the models folder, and of the
 * data folder what answers write. A chat may also save models and write its history.
 * Once, and before the engine is made: its threads are locked with us.
 *
 * in     also  [n_also] files and folders that the program reads while it answers; NULLs are skipped
 * fails  HL_E_UNSUPPORTED  the setting is "on" and this system cannot */
HL_MUST_CHECK hl_status hl_host_lock_down(hl_host *h, const hl_source *source, bool is_chat,
                                          const char *const *also, size_t n_also, hl_err *err);

/* Where a model could not be opened because this process is locked in, say that instead. */
void hl_host_add_why_locked(const hl_host *h, const hl_source *source, hl_err *err);

/* The native model in the files of a source, for those who look at files; for one that answers see
 * resident.h.
 *
 * in     vocab_only  only vocabulary and keys
 * fails  as hl_host_engine(), hl_model_open() and hl_model_add_adapter(), with the label in front;
 *        HL_E_UNSUPPORTED  no GGUF weights
 * owns   hl_model_close(), before the host goes */
HL_MUST_CHECK hl_status hl_host_open_model(hl_host *h, const hl_source *source, bool vocab_only,
                                           hl_model **ret_model, hl_err *err);

/* Would the model and a cache of its usual context fit what this machine has now? By the engine's own plan,
 * without loading it. True where nothing is known.
 * out    ret_plan  untouched where there is none */
bool hl_host_fits(const hl_host *h, const hl_model *m, hl_memory_plan *ret_plan);

/* The session parameters that options and settings ask for. */
void hl_host_session_params(const hl_host *h, const hl_options *options, hl_session_params *ret_params);
const char *hl_host_kv_type(const hl_host *h); /* the setting's word: "f16" */

/* Count that the model was used, for `list`. After the answer, because it may wait for another process. */
void hl_host_count_use(hl_host *h, const hl_source *source);

/* ---- Models elsewhere ---- */

/* hl_store_pull(), hl_store_push(), as the settings say. Before a model is fetched that does not fit the
 * disk, or the memory with its usual context, that is told with numbers (event "model-too-large"), or the
 * pull refused (registry.fit); for one of more than half the free memory its headers are fetched first.
 * fails  HL_E_UNSUPPORTED  registry.offline, or hl_host_cut_off()
 *        HL_E_LIMIT        it does not fit, and registry.fit is "refuse"; as those */
HL_MUST_CHECK hl_status hl_host_pull(hl_host *h, const char *name, const hl_pull_options *options,
                                     hl_pulled *ret_pulled, hl_err *err);
HL_MUST_CHECK hl_status hl_host_push(hl_host *h, const char *name, const hl_push_options *options,
                                     hl_err *err);
/* A model elsewhere, opened by its headers alone: for those who look at it before it is fetched. */
typedef struct hl_peek {
    char      label[HL_NAME_TEXT_BYTES]; /* the name that it would be stored as */
    hl_model *model;                     /* not for answers: its weights are zeros */
    /* of hl_coming, known in any case */
    uint64_t    total_bytes, missing_bytes;
    uint64_t    room_bytes;    /* UINT64_MAX: nobody knows */
    uint64_t    fetched_bytes; /* that came to find out */
    hl_headers *headers;
} hl_peek;

/* fails  as hl_host_pull(), hl_coming_fetch_headers(), hl_host_engine(), hl_model_open()
 * owns   hl_peek_free(), before the host goes */
HL_MUST_CHECK hl_status hl_host_peek(hl_host *h, const char *name, bool insecure, hl_peek **ret_peek,
                                     hl_err *err);
void                    hl_peek_free(hl_peek *p); /* NULL is allowed */

/* May anything be pulled or pushed? `name` is for the message. fails HL_E_UNSUPPORTED */
HL_MUST_CHECK hl_status hl_host_check_online(const hl_host *h, const char *name, hl_err *err);
/* No connection leaves this process any more: to be said before it is tried. */
void hl_host_cut_off(hl_host *h);

/* ---- What the key/value cache on disk keeps of each model (docs/formats/kv-cache.md) ---- */

typedef struct hl_saved_info {
    char     label[512];   /* a stored model with these weights; "": none has them (any more) */
    char     weights[128]; /* names them: the digest of a stored blob, or a file's identity */
    uint64_t n_blocks;     /* of 64 tokens */
    uint64_t bytes;
} hl_saved_info;

/* fails as hl_host_store(), hl_store_list_models()
 * owns  the caller frees *ret with hl_free() of core/base/mem.h
 * cost  looks at every file of the cache */
HL_MUST_CHECK hl_status hl_host_list_saved(hl_host *h, hl_saved_info **ret, size_t *ret_n, hl_err *err);

/* Delete what is kept of a stored model, or of all. Whoever uses it meanwhile reads its prompt again.
 * in     name  NULL: all
 * fails  HL_E_NOT_FOUND; as hl_host_list_saved() */
HL_MUST_CHECK hl_status hl_host_remove_saved(hl_host *h, const char *name, uint64_t *ret_bytes, hl_err *err);

#endif
