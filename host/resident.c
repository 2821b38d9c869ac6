/* SPDX-License-Identifier: MIT
 *
 * resident.c - the table of loaded models.
 *
 * All fields of residents are guarded by the host's lock; loading and unloading, which take time, happen
 * without it, on entries that nobody else touches: one that loads is marked, one that goes is taken off the
 * list first.
 */
#include "host/resident.h"

#include <stdio.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/mem.h"
#include "host/host_priv.h"

struct hl_resident {
    hl_resident *next;
    char         label[512]; /* as in hl_resident_info, likewise below */
    char         weights[128];
    hl_loaded   *loaded; /* NULL while it loads */
    uint32_t     n_users;
    bool         is_stale; /* goes as soon as nobody uses it, and nobody new gets it */
    int64_t      last_ns;  /* when the last user left */
    int64_t      until_ns; /* when it goes; INT64_MAX: never. Counts while n_users is 0 */
};

static int64_t keep_until(const hl_host *h, int64_t keep_ms) {
    if (keep_ms == HL_KEEP_DEFAULT) keep_ms = 1000 * hl_config_int(h->config, HL_SETTING_server_keep_alive_s);
    if (keep_ms < 0 || keep_ms > INT64_MAX / 2000000) return INT64_MAX;
    return hl_clock_ns() + keep_ms * 1000000;
}

/* ---- under lock ---- */

static hl_resident *find(const hl_host *h, const char *weights) {
    hl_resident *r = h->residents;
    while (r && (r->is_stale || strcmp(r->weights, weights) != 0)) r = r->next;
    return r;
}

static void unlink_resident(hl_host *h, hl_resident *r) {
    hl_resident **at = &h->residents;
    while (*at != r) at = &(*at)->next;
    *at = r->next;
    h->n_residents--;
}

/* The idle one that was used longest ago, those that shall stay for ever last. NULL: all are in use. */
static hl_resident *find_idle(const hl_host *h) {
    hl_resident *best = NULL;
    for (hl_resident *r = h->residents; r; r = r->next) {
        if (r->n_users > 0) continue;
        const bool pinned = r->until_ns == INT64_MAX, best_pinned = best && best->until_ns == INT64_MAX;
        if (!best || (pinned == best_pinned ? r->last_ns < best->last_ns : best_pinned)) best = r;
    }
    return best;
}

/* ---- without lock: on what is on no list, or marked as loading ---- */

static void resident_free(hl_resident *r) {
    if (!r) return;
    hl_loaded_free(r->loaded);
    hl_free(r);
}

static void lock(hl_host *h) { (void)pthread_mutex_lock(&h->lock); }
static void unlock(hl_host *h) { (void)pthread_mutex_unlock(&h->lock); }

/* Under lock, which is given up meanwhile. */
static void unload(hl_host *h, hl_resident *r) {
    hl_event(h->events, HL_LOG_INFO, "host", "unload", "model=%s", r->label);
    unlink_resident(h, r);
    unlock(h);
    resident_free(r);
    lock(h);
    (void)pthread_cond_broadcast(&h->changed);
}

static bool fits(const hl_resident *r, const hl_options *o) {
    hl_runner_info info;
    hl_runner_get_info(r->loaded->runner, &info);
    return o->num_ctx <= info.n_ctx_cap;
}

/* An entry for one that is about to be loaded; under lock. */
static hl_status add_loading(hl_host *h, const hl_source *source, const char *weights, hl_resident **ret,
                             hl_err *err) {
    hl_resident *r = hl_new(1, sizeof *r);
    if (!r) return hl_fail(err, HL_E_NOMEM, "model '%s': no memory", source->label);
    (void)snprintf(r->label, sizeof r->label, "%s", source->label);
    (void)snprintf(r->weights, sizeof r->weights, "%s", weights);
    r->n_users = 1;
    r->next = h->residents;
    h->residents = r;
    h->n_residents++;
    *ret = r;
    return HL_OK;
}

/* Load it, unloading idle ones while it does not fit. Under lock, which is given up meanwhile. */
static hl_status load(hl_host *h, hl_resident *r, const hl_source *source, const hl_options *options,
                      hl_err *err) {
    for (;;) {
        hl_err     why = {0};
        hl_loaded *loaded = NULL;
        unlock(h);
        const hl_status status = hl_host_load(h, source, options, &loaded, &why);
        lock(h);
        if (status == HL_OK) {
            r->loaded = loaded;
            hl_event(h->events, HL_LOG_INFO, "host", "load", "model=%s ms=%lld", r->label,
                     (long long)(loaded->load_ns / 1000000));
            return HL_OK;
        }
        hl_resident *idle = status == HL_E_NOMEM ? find_idle(h) : NULL;
        if (!idle) {
            if (err) *err = why;
            return status;
        }
        unload(h, idle);
    }
}

/* Room in the table for one more. Under lock. */
static hl_status make_room(hl_host *h, hl_err *err) {
    const int64_t most = hl_config_int(h->config, HL_SETTING_server_max_loaded_models);
    while (most > 0 && h->n_residents >= (size_t)most) {
        hl_resident *idle = find_idle(h);
        if (!idle)
            return hl_fail(err, HL_E_BUSY,
                           "%zu models are in use, the limit is %lld (server.max_loaded_models); try later",
                           h->n_residents, (long long)most);
        unload(h, idle);
    }
    return HL_OK;
}

static hl_status load_new(hl_host *h, const hl_source *source, const char *weights, const hl_options *options,
                          hl_resident **ret, hl_err *err) {
    hl_resident *r = NULL;
    hl_status    status = make_room(h, err);
    if (status == HL_OK && find(h, weights)) return HL_OK; /* somebody was faster: look again */
    if (status == HL_OK) status = add_loading(h, source, weights, &r, err);
    if (status != HL_OK) return status;
    status = load(h, r, source, options, err);
    if (status != HL_OK) {
        unlink_resident(h, r);
        resident_free(r);
        r = NULL;
    }
    (void)pthread_cond_broadcast(&h->changed);
    *ret = r;
    return status;
}

hl_status hl_host_acquire(hl_host *h, const hl_source *source, const hl_options *options,
                          hl_resident **ret_resident, hl_err *err) {
    char         weights[128];
    hl_status    status = HL_OK;
    hl_resident *got = NULL;
    if (source->n_paths == 0)
        return hl_fail(err, HL_E_UNSUPPORTED, "model '%s' has no GGUF weights", source->label);
    if (!hl_source_name_weights(source, weights, sizeof weights))
        return hl_fail(err, HL_E_NOT_FOUND, "model '%s': its file is gone", source->label);
    lock(h);
    while (status == HL_OK && !got) {
        hl_resident *r = find(h, weights);
        if (!r)
            status = load_new(h, source, weights, options, &got, err);
        else if (!r->loaded)
            (void)pthread_cond_wait(&h->changed, &h->lock);
        else if (fits(r, options))
            got = r, r->n_users++;
        else if (r->n_users == 0)
            unload(h, r);
        else
            status = hl_fail(err, HL_E_BUSY,
                             "model '%s' is in use, and its cache holds less than a context of %d tokens; "
                             "try later",
                             source->label, (int)options->num_ctx);
    }
    if (got) (void)snprintf(got->label, sizeof got->label, "%s", source->label);
    unlock(h);
    if (status == HL_OK) *ret_resident = got;
    return status;
}

void hl_host_release(hl_host *h, hl_resident *r, int64_t keep_ms) {
    if (!r) return;
    lock(h);
    r->last_ns = hl_clock_ns();
    r->until_ns = keep_until(h, keep_ms);
    r->n_users--;
    if (r->n_users == 0 && (r->is_stale || keep_ms == 0)) unload(h, r);
    (void)pthread_cond_broadcast(&h->changed);
    unlock(h);
}

hl_runner *hl_resident_runner(const hl_resident *r) { return r->loaded->runner; }
int64_t    hl_resident_load_ns(const hl_resident *r) { return r->loaded->load_ns; }

hl_status hl_host_unload(hl_host *h, const hl_source *source, hl_err *err) {
    char weights[128] = "";
    bool found = false;
    if (source && (source->n_paths == 0 || !hl_source_name_weights(source, weights, sizeof weights)))
        return hl_fail(err, HL_E_NOT_FOUND, "model '%s' is not loaded", source->label);
    lock(h);
    for (hl_resident *r = h->residents, *next = NULL; r; r = next) {
        next = r->next;
        if (r->is_stale || (source && strcmp(r->weights, weights) != 0)) continue;
        found = true;
        r->is_stale = true;
        if (r->n_users > 0) continue;
        unload(h, r);
        next = h->residents; /* the list may be another one now */
    }
    unlock(h);
    return found || !source ? HL_OK : hl_fail(err, HL_E_NOT_FOUND, "model '%s' is not loaded", source->label);
}

int64_t hl_host_expire(hl_host *h) {
    int64_t due = INT64_MAX;
    lock(h);
    const int64_t now = hl_clock_ns();
    for (hl_resident *r = h->residents, *next = NULL; r; r = next) {
        next = r->next;
        if (r->n_users > 0) continue;
        if (r->until_ns <= now) {
            unload(h, r);
            next = h->residents;
            due = INT64_MAX;
        } else if (r->until_ns < due) {
            due = r->until_ns;
        }
    }
    unlock(h);
    return due == INT64_MAX ? -1 : (due - now + 999999) / 1000000;
}

static void describe(const hl_resident *r, int64_t now, hl_resident_info *ret) {
    hl_runner_info info = {0};
    if (r->loaded) hl_runner_get_info(r->loaded->runner, &info);
    *ret = (hl_resident_info){
        .weights_bytes = info.weights_bytes,
        .cache_bytes = info.cache_bytes,
        .n_ctx = info.n_ctx,
        .n_users = r->n_users,
        .keep_ms = r->n_users > 0 || r->until_ns == INT64_MAX ? -1 : (r->until_ns - now) / 1000000,
        .is_loading = !r->loaded,
    };
    (void)snprintf(ret->label, sizeof ret->label, "%s", r->label);
    (void)snprintf(ret->weights, sizeof ret->weights, "%s", r->weights);
}

size_t hl_host_list_residents(hl_host *h, hl_resident_info *ret_infos, size_t cap) {
    size_t n = 0;
    lock(h);
    const int64_t now = hl_clock_ns();
    for (const hl_resident *r = h->residents; r; r = r->next, n++)
        if (n < cap) describe(r, now, &ret_infos[n]);
    unlock(h);
    return n;
}

void hl_residents_free(hl_host *h) {
    while (h->residents) {
        hl_resident *r = h->residents;
        unlink_resident(h, r);
        resident_free(r);
    }
}
