/* SPDX-License-Identifier: MIT
 *
 * host_priv.h - what host.c, load.c and resident.c share.
 */
#ifndef HL_HOST_HOST_PRIV_H
#define HL_HOST_HOST_PRIV_H

#include <pthread.h>

#include "host/resident.h"

/* How starting an engine of another program has gone lately. */
typedef struct hl_start_record {
    char    weights[128];        /* as of its resident; "": nothing */
    int     n_failures;          /* one after the other: it did not start, or ended by itself */
    int64_t started_ns, next_ns; /* when it may be tried again */
} hl_start_record;

struct hl_host {
    const hl_config *config;
    const hl_paths  *paths;
    const hl_events *events;
    hl_store        *store; /* NULL: not opened yet; likewise below */
    hl_engine       *engine;
    bool             is_locked;  /* this process, by hl_host_lock_down() */
    bool             is_cut_off; /* hl_host_cut_off(); atomic */
    int32_t          n_threads;  /* the engine's, as asked for */

    pthread_mutex_t lock; /* guards all that is not const; free while a model is loaded or unloaded */
    pthread_cond_t  changed;
    hl_resident    *residents;
    hl_load_wait   *waits;
    hl_start_record starts[8];
};

/* As hl_host_open_model(), without the label in front of what went wrong. */
HL_MUST_CHECK hl_status hl_source_open(hl_engine *engine, const hl_source *source, bool vocab_only,
                                       hl_model **ret_model, hl_err *err);

/* What drafts for a model: what the settings name, else what is stored with it.
 *
 * out    ret_draft     NULL: nothing; hl_source_free(), while `of` lives
 *        ret_is_asked  the settings name it
 * fails  as hl_host_find() */
HL_MUST_CHECK hl_status hl_host_find_draft(hl_host *h, const hl_source *of, hl_source **ret_draft,
                                           bool *ret_is_asked, hl_err *err);
void                    hl_host_tell_no_draft(const hl_host *h, const hl_source *of, const hl_err *why);

/* in     draft           NULL: none; both models must outlive the runner
 *        may_lack_draft  where it does not work with the draft, do without and tell
 * fails  as hl_runner_new() */
HL_MUST_CHECK hl_status hl_host_make_runner(hl_host *h, const hl_source *source, const hl_options *options,
                                            hl_model *model, hl_model *draft, bool may_lack_draft,
                                            hl_runner **ret_runner, bool *ret_is_drafting, hl_err *err);

/* A runner of a source that is remote; its engine, if it has one of ours, is started.
 * fails  as hl_remote_model_open() */
HL_MUST_CHECK hl_status hl_host_open_remote(hl_host *h, const hl_source *source, hl_runner **ret_runner,
                                            hl_err *err);

/* What names the weights on disk, or a remote model's record: the digest that a stored blob is called by,
 * else the file's identity and time. */
bool hl_source_name_weights(const hl_source *source, char *ret, size_t cap);

/* ---- adapters.c ---- */

/* fails  as hl_model_add_adapter() */
HL_MUST_CHECK hl_status hl_source_add_adapters(const hl_source *s, hl_model *m, hl_err *err);
void                    hl_source_free_adapters(hl_source *s); /* those that were added */
/* A word that is another one for other adapters or scales, in their order; "" without. False: no room. */
bool hl_source_name_adapters(const hl_source *s, char *ret, size_t cap);

/* Where the key/value cache on disk is. */
bool hl_host_saved_folder(const hl_host *h, char *ret, size_t cap);

/* How much context these options ask of a model that was trained for n_ctx_train (0: unknown). */
int32_t hl_ctx_within(const hl_options *o, int32_t n_ctx, int32_t n_ctx_train);

#endif
