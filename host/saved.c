/* SPDX-License-Identifier: MIT
 *
 * saved.c - what the key/value cache on disk keeps, by the models whose it is.
 */
#include <stdio.h>
#include <string.h>

#include "core/base/mem.h"
#include "host/host_priv.h"
#include "hyperlama/sched.h"

enum { MAX_SAVED = 1 << 16 };

typedef struct listing {
    hl_saved_info *v;
    size_t         n, cap;
    bool           failed;
} listing;

/* Builds and shapes have folders of their own: they are one here. */
static void add(void *user, const char *weights, uint64_t n_blocks, uint64_t bytes) {
    listing *l = user;
    size_t   i = 0;
    while (i < l->n && strcmp(l->v[i].weights, weights) != 0) i++;
    if (i == l->n) {
        if (l->n == l->cap) {
            const size_t   cap = l->cap ? 2 * l->cap : 16;
            hl_saved_info *grown = l->n < MAX_SAVED ? hl_resize(l->v, cap, sizeof *grown) : NULL;
            l->failed |= !grown;
            if (!grown) return;
            l->v = grown;
            l->cap = cap;
        }
        l->v[l->n] = (hl_saved_info){0};
        (void)snprintf(l->v[l->n++].weights, sizeof l->v[i].weights, "%s", weights);
    }
    l->v[i].n_blocks += n_blocks;
    l->v[i].bytes += bytes;
}

/* The weights of a stored model as the cache names them; false: it has none that could be there. */
static bool name_weights(hl_host *h, const char *name, char *ret, size_t cap) {
    hl_source *source = NULL;
    if (hl_host_find_stored(h, name, HL_OPEN_FOR_SHOW, &source, NULL) != HL_OK) return false;
    const bool ok = source->n_paths > 0 && hl_source_name_weights(source, ret, cap);
    hl_source_free(source);
    return ok;
}

static hl_status add_names(hl_host *h, listing *l, hl_err *err) {
    hl_store      *store = NULL;
    hl_store_list *models = NULL;
    char           weights[sizeof l->v->weights];
    hl_status      status = hl_host_store(h, &store, err);
    if (status == HL_OK) status = hl_store_list_models(store, NULL, &models, err);
    for (size_t m = 0; status == HL_OK && m < models->n; m++) {
        if (!name_weights(h, models->entries[m].text, weights, sizeof weights)) continue;
        for (size_t i = 0; i < l->n; i++)
            if (!l->v[i].label[0] && strcmp(l->v[i].weights, weights) == 0)
                (void)snprintf(l->v[i].label, sizeof l->v[i].label, "%s", models->entries[m].text);
    }
    hl_store_list_free(models);
    return status;
}

hl_status hl_host_list_saved(hl_host *h, hl_saved_info **ret, size_t *ret_n, hl_err *err) {
    char      folder[4096];
    listing   l = {0};
    hl_status status = HL_OK;
    if (hl_host_saved_folder(h, folder, sizeof folder)) hl_sched_each_saved(folder, add, &l);
    if (l.failed) status = hl_fail(err, HL_E_NOMEM, "saved blocks: no memory");
    if (status == HL_OK && l.n > 0) status = add_names(h, &l, err);
    if (status != HL_OK) {
        hl_free(l.v);
        return status;
    }
    *ret = l.v;
    *ret_n = l.n;
    return HL_OK;
}

hl_status hl_host_remove_saved(hl_host *h, const char *name, uint64_t *ret_bytes, hl_err *err) {
    char           folder[4096];
    hl_source     *source = NULL;
    hl_saved_info *all = NULL;
    size_t         n = 0;
    hl_status      status = HL_OK;
    char           weights[sizeof all->weights];
    *ret_bytes = 0;
    if (name) status = hl_host_find_stored(h, name, HL_OPEN_FOR_SHOW, &source, err);
    hl_source_free(source);
    if (status == HL_OK && !name) status = hl_host_list_saved(h, &all, &n, err);
    if (status != HL_OK || !hl_host_saved_folder(h, folder, sizeof folder)) return status;
    if (name && name_weights(h, name, weights, sizeof weights))
        *ret_bytes = hl_sched_remove_saved(folder, weights);
    for (size_t i = 0; i < n; i++) *ret_bytes += hl_sched_remove_saved(folder, all[i].weights);
    hl_free(all);
    return HL_OK;
}
