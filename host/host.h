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
#include "hyperlama/models.h"
#include "hyperlama/runner.h"

/* Where things live. Absolute where the environment allows it; each ends without a slash. */
typedef struct hl_paths {
    char *home;    /* $HYPERLAMA_HOME, else $XDG_DATA_HOME/hyperlama, else ~/.local/share/hyperlama */
    char *models;  /* setting store.models_dir (so OLLAMA_MODELS too), else home/models */
    char *db;      /* home/hyperlama.db */
    char *cache;   /* home/cache */
    char *history; /* home/history */
    /* $HYPERLAMA_CONFIG, else $XDG_CONFIG_HOME/hyperlama/hyperlama.ini, else ~/.config/... */
    char *config_file;
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
void                    hl_host_free(hl_host *h); /* after its loaded models; NULL is allowed */

/* fails as hl_store_open(), hl_engine_new(). The host owns what is returned.
 * in     n_threads  -1: what the settings say */
HL_MUST_CHECK hl_status hl_host_store(hl_host *h, hl_store **ret_store, hl_err *err);
HL_MUST_CHECK hl_status hl_host_engine(hl_host *h, int32_t n_threads, hl_engine **ret_engine, hl_err *err);

/* What a name or a path means: the files of one model. */
typedef struct hl_source {
    char              *label;  /* the stored name with its tag, or the path */
    hl_stored_model   *stored; /* NULL: a file that is not in the store */
    const char *const *paths;  /* [n_paths], the shards in order; belongs to this */
    size_t             n_paths;
    const char        *one_path[1];
} hl_source;

/* A path when it ends in .gguf or a file of that name with a '/' in it exists, else a stored name.
 *
 * in     how  HL_OPEN_FOR_SHOW or HL_OPEN_FOR_LOAD
 * fails  HL_E_NOT_FOUND  with the nearest names and what to do; as hl_store_open_model() */
HL_MUST_CHECK hl_status hl_host_find(hl_host *h, const char *text, int how, hl_source **ret_source,
                                     hl_err *err);
void                    hl_source_free(hl_source *s); /* NULL is allowed */

/* hl_store_remove(), and what the key/value cache on disk keeps for weights that are gone with it.
 *
 * out    ret_cache_bytes  of that cache; may be NULL
 * fails  as hl_host_store(), hl_store_remove() */
HL_MUST_CHECK hl_status hl_host_remove(hl_host *h, const char *name, hl_removed *ret_removed,
                                       uint64_t *ret_cache_bytes, hl_err *err);

/* A model that answers. */
typedef struct hl_loaded {
    hl_host   *host;
    hl_model  *model;
    hl_model  *draft;   /* NULL: none */
    hl_runner *runner;  /* NULL: loaded for its vocabulary only */
    int64_t    load_ns; /* how long it took */
    int32_t    n_ctx;
} hl_loaded;

/* Open the files of a source; with `options` make a runner too. hl_conversation_options() makes options.
 *
 * in     options  NULL: only vocabulary and keys
 * fails  as hl_model_open() and hl_runner_new(), with the label in front
 * owns   hl_loaded_free(), before the host goes */
HL_MUST_CHECK hl_status hl_host_load(hl_host *h, const hl_source *source, const hl_options *options,
                                     hl_loaded **ret_loaded, hl_err *err);
void                    hl_loaded_free(hl_loaded *l); /* NULL is allowed */
/* Let answers from now on use a context of n_ctx tokens (0: the usual). False: it needs to be loaded again
 * for that. */
bool hl_loaded_set_ctx(hl_loaded *l, int32_t n_ctx);

/* The session parameters that options and settings ask for. */
void hl_host_session_params(const hl_host *h, const hl_options *options, hl_session_params *ret_params);

/* Count that the model was used, for `list`. After the answer, because it may wait for another process. */
void hl_host_count_use(hl_host *h, const hl_source *source);

#endif
