/* SPDX-License-Identifier: MIT
 *
 * host_priv.h - what host.c and load.c share.
 */
#ifndef HL_HOST_HOST_PRIV_H
#define HL_HOST_HOST_PRIV_H

#include <pthread.h>

#include "host/resident.h"

struct hl_host {
    const hl_config *config;
    const hl_paths  *paths;
    const hl_events *events;
    hl_store        *store; /* NULL: not opened yet; likewise below */
    hl_engine       *engine;
    int32_t          n_threads; /* the engine's, as asked for */

    pthread_mutex_t lock; /* guards all that is not const; free while a model is loaded or unloaded */
    pthread_cond_t  changed;
    hl_resident    *residents; /* [n_residents] */
    size_t          n_residents;
};

/* What names the weights on disk: the digest that a stored blob is called by, else the file's identity and
 * time. */
bool hl_source_name_weights(const hl_source *source, char *ret, size_t cap);

/* Where the key/value cache on disk is. */
bool hl_host_saved_folder(const hl_host *h, char *ret, size_t cap);

#endif
