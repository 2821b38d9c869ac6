/* SPDX-License-Identifier: MIT
 *
 * resident.c - the table of loaded models.
 *
 * All fields of residents are guarded by the host's lock; loading and unloading, which take time, happen
 * without it, on entries that nobody else touches: one that loads is marked, one that goes is taken off the
 * list first. An entry is a model, and a runner where somebody asked it to answer. One that drafts for others
 * may lose its runner, never its model. Its model is there before anything is waited for on its behalf, so
 * that two models may draft for each other.
 */
#include "host/resident.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/mem.h"
#include "host/host_priv.h"
#include "hyperlama/experts.h"

struct hl_resident {
    hl_resident *next;
    char         label[512]; /* as in hl_resident_info, likewise below */
    char         weights[128];
    char        *path;           /* of the first file; NULL: it is remote */
    hl_model    *model;          /* NULL while it is opened, and of a remote one */
    hl_runner   *runner;         /* NULL: nobody asked it to answer */
    hl_resident *draft;          /* counted there as a target; NULL: the runner has none */
    int32_t      n_batch, n_ctx; /* as asked for; 0: not */
    int64_t      load_ns;
    uint32_t     n_users, n_targets;
    bool         is_loading; /* its model is opened, or its runner made */
    bool         is_pinned;
    bool         is_gone;  /* what computes for it has ended by itself, and that was counted */
    bool         is_stale; /* goes as soon as nobody uses it, and nobody new gets it */
    int64_t      last_ns;  /* when the last user left */
    int64_t      until_ns; /* when it goes; INT64_MAX: never. Counts while n_users is 0 */
};

static int64_t keep_until(const hl_host *h, int64_t keep_ms) {
    if (keep_ms == HL_KEEP_DEFAULT) keep_ms = 1000 * hl_config_int(h->config, HL_SETTING_server_keep_alive_s);
    if (keep_ms < 0 || keep_ms > INT64_MAX / 2000000) return INT64_MAX;
    return hl_clock_ns() + keep_ms * 1000000;
}

static void lock(hl_host *h) { (void)pthread_mutex_lock(&h->lock); }
static void unlock(hl_host *h) { (void)pthread_mutex_unlock(&h->lock); }
static void tell(hl_host *h);
static void wait_for_change(hl_host *h) { (void)pthread_cond_wait(&h->changed, &h->lock); }

/* ---- Under lock ---- */

/* The newest of these weights. */
static hl_resident *find(const hl_host *h, const char *weights) {
    hl_resident *r = h->residents;
    while (r && (r->is_stale || strcmp(r->weights, weights) != 0)) r = r->next;
    return r;
}

/* May somebody go on who wants these weights and must not wait? */
static bool may_go_on(const hl_host *h, const char *weights) {
    const hl_resident *wanted = find(h, weights);
    int                n_loading = 0;
    if (wanted && !wanted->is_loading && wanted->runner) return true;
    for (const hl_resident *r = h->residents; r; r = r->next) n_loading += r->is_loading;
    return !(wanted && wanted->is_loading) && n_loading < HL_MOST_LOADS;
}

/* Something has changed, for threads that wait and for those who wait without. */
static void tell(hl_host *h) {
    (void)pthread_cond_broadcast(&h->changed);
    for (hl_load_wait **at = &h->waits; *at;) {
        hl_load_wait *w = *at;
        if (!may_go_on(h, w->weights)) {
            at = &w->next;
            continue;
        }
        *at = w->next;
        w->wake(w->user); /* and w may be another one's */
    }
}

static void unlink_resident(hl_host *h, hl_resident *r) {
    hl_resident **at = &h->residents;
    while (*at != r) at = &(*at)->next;
    *at = r->next;
}

/* Could something of it go? Of one that drafts for others, its runner. */
static bool is_idle(const hl_resident *r) { return r->n_users == 0 && (r->runner || r->n_targets == 0); }

/* The idle one that was used longest ago, those that shall stay for ever last. NULL: all are in use.
 * in     that_answers  only those count that have a runner */
static hl_resident *find_idle(const hl_host *h, bool that_answers) {
    hl_resident *best = NULL;
    for (hl_resident *r = h->residents; r; r = r->next) {
        if (!is_idle(r) || r->is_pinned || (that_answers && !r->runner)) continue;
        const bool stays = r->until_ns == INT64_MAX, best_stays = best && best->until_ns == INT64_MAX;
        if (!best || (stays == best_stays ? r->last_ns < best->last_ns : best_stays)) best = r;
    }
    return best;
}

/* An entry that is about to be loaded. */
static hl_status add_loading(hl_host *h, const hl_source *source, const char *weights, hl_resident **ret,
                             hl_err *err) {
    hl_resident *r = hl_new(1, sizeof *r);
    if (r && !source->remote) r->path = hl_strdup(source->paths[0]);
    if (!r || (!source->remote && !r->path)) {
        hl_free(r);
        return hl_fail(err, HL_E_NOMEM, "model '%s': no memory", source->label);
    }
    (void)snprintf(r->label, sizeof r->label, "%s", source->label);
    (void)snprintf(r->weights, sizeof r->weights, "%s", weights);
    r->is_loading = true;
    r->next = h->residents;
    h->residents = r;
    *ret = r;
    return HL_OK;
}

static bool is_gone(const hl_resident *r) {
    hl_runner_info info;
    hl_runner_get_info(r->runner, &info);
    return info.is_gone;
}

/* Of these weights; else the one that was used longest ago, emptied. */
static hl_start_record *start_of(hl_host *h, const char *weights) {
    hl_start_record *oldest = &h->starts[0];
    for (size_t i = 0; i < sizeof h->starts / sizeof *h->starts; i++) {
        if (strcmp(h->starts[i].weights, weights) == 0) return &h->starts[i];
        if (h->starts[i].started_ns < oldest->started_ns) oldest = &h->starts[i];
    }
    *oldest = (hl_start_record){0};
    (void)snprintf(oldest->weights, sizeof oldest->weights, "%s", weights);
    return oldest;
}

/* It is left alone for 1, 2, 4, .. 60 s; one that ran for longer than that begins again. */
static void count_failed_start(hl_host *h, const char *weights) {
    enum { LONGEST_S = 60 };
    const int64_t    second = 1000000000, now = hl_clock_ns();
    hl_start_record *s = start_of(h, weights);
    if (now - s->started_ns > LONGEST_S * second) s->n_failures = 0;
    s->n_failures++;
    const int64_t rest_s = s->n_failures < 7 ? 1ll << (s->n_failures - 1) : LONGEST_S;
    s->next_ns = now + rest_s * second;
}

static bool fits(const hl_resident *r, const hl_options *o) {
    hl_runner_info info;
    hl_runner_get_info(r->runner, &info);
    if (info.is_gone) return false;
    const bool has_room =
        hl_ctx_within(o, o->num_ctx, info.n_ctx_train) <= info.n_ctx_cap || info.n_ctx_cap == info.n_ctx_most;
    return has_room && (o->num_batch == 0 || o->num_batch == r->n_batch);
}

static void resident_free(hl_resident *r) {
    hl_free(r->path);
    hl_free(r);
}

/* ---- Under lock, which is given up meanwhile ---- */

static void drop_draft(hl_host *h, hl_resident *draft);

/* Unload one that is_idle(): the runner, then the model unless others draft with it, then its own draft. */
static void unload(hl_host *h, hl_resident *r) {
    hl_runner   *runner = r->runner;
    hl_resident *draft = r->draft;
    hl_model    *model = r->n_targets == 0 ? r->model : NULL;
    const bool   is_gone = r->n_targets == 0;
    hl_event(h->events, HL_LOG_INFO, "host", "unload", "model=%s", r->label);
    r->runner = NULL;
    r->draft = NULL;
    if (is_gone)
        unlink_resident(h, r);
    else
        r->n_targets++; /* the model must outlive the runner, whoever leaves meanwhile */
    unlock(h);
    hl_runner_free(runner);
    hl_model_close(model);
    if (is_gone) resident_free(r);
    lock(h);
    drop_draft(h, draft);
    if (!is_gone) drop_draft(h, r);
    tell(h);
}

/* A draft that nobody asked for by its name goes with the last model that uses it. */
static void drop_draft(hl_host *h, hl_resident *draft) {
    if (!draft) return;
    draft->n_targets--;
    if (draft->n_users > 0 || draft->n_targets > 0 || draft->is_pinned) return;
    if (draft->is_stale || draft->until_ns <= hl_clock_ns()) unload(h, draft);
}

/* One that was not loaded after all, or was used by nobody else. */
static void give_up(hl_host *h, hl_resident *r) {
    r->is_loading = false;
    if (is_idle(r) && !r->runner && !r->is_pinned) unload(h, r);
    tell(h);
}

/* The model of an entry that is_loading. */
static hl_status open_model(hl_host *h, hl_resident *r, const hl_source *source, hl_err *err) {
    hl_model *model = NULL;
    unlock(h);
    const hl_status status = hl_source_open(h->engine, source, false, &model, err);
    lock(h);
    if (status == HL_OK) r->model = model;
    tell(h);
    return status;
}

/* What drafts for `of`, which is loading: a resident that counts `of` as a target, or `of` itself. */
typedef struct chosen_draft {
    hl_resident *resident; /* NULL: it is the model itself */
    hl_model    *model;    /* NULL: none */
    bool         is_asked; /* the settings name it, so that it must be had */
} chosen_draft;

static hl_status hold_draft_of(hl_host *h, const hl_resident *of, const hl_source *source, chosen_draft *ret,
                               hl_err *err) {
    char weights[128];
    if (!hl_source_name_weights(source, weights, sizeof weights))
        return hl_fail(err, HL_E_NOT_FOUND, "model '%s': its file is gone", source->label);
    if (strcmp(weights, of->weights) == 0) {
        ret->model = of->model;
        return HL_OK;
    }
    hl_resident *r = find(h, weights);
    while (r && !r->model) {
        wait_for_change(h);
        r = find(h, weights);
    }
    hl_status  status = HL_OK;
    const bool is_new = !r;
    if (is_new) status = add_loading(h, source, weights, &r, err);
    if (status != HL_OK) return status;
    r->n_targets++;
    if (is_new) status = open_model(h, r, source, err);
    if (is_new) r->is_loading = false;
    if (status != HL_OK) {
        drop_draft(h, r);
        return status;
    }
    *ret = (chosen_draft){.resident = r, .model = r->model, .is_asked = ret->is_asked};
    return HL_OK;
}

static hl_status hold_draft(hl_host *h, const hl_resident *of, const hl_source *source, chosen_draft *ret,
                            hl_err *err) {
    hl_err     why = {0};
    hl_source *draft = NULL;
    unlock(h);
    hl_status status = hl_host_find_draft(h, source, &draft, &ret->is_asked, &why);
    lock(h);
    if (status == HL_OK && draft) status = hold_draft_of(h, of, draft, ret, &why);
    if (status != HL_OK && !ret->is_asked) { /* it never changes an answer: without it they are only slower */
        hl_host_tell_no_draft(h, source, &why);
        status = HL_OK;
    }
    hl_source_free(draft);
    if (status == HL_OK) return HL_OK;
    (void)hl_fail_within(&why, status, "draft model");
    if (err) *err = why;
    return status;
}

/* Make a remote one answer. */
static hl_status open_remote(hl_host *h, hl_resident *r, const hl_source *source, const hl_options *options,
                             hl_err *err) {
    hl_runner       *runner = NULL;
    hl_start_record *s = start_of(h, r->weights);
    const int64_t    rest_ms = (s->next_ns - hl_clock_ns()) / 1000000;
    if (s->n_failures > 0 && rest_ms > 0)
        return hl_fail(err, HL_E_BUSY, "it ended %d times in a row, and is started again in %lld ms",
                       s->n_failures, (long long)rest_ms);
    s->started_ns = hl_clock_ns();
    unlock(h);
    const hl_status status = hl_host_open_remote(h, source, &runner, err);
    lock(h);
    if (status == HL_OK) r->runner = runner;
    if (status == HL_OK) r->n_batch = options->num_batch;
    if (status == HL_E_NET) count_failed_start(h, r->weights);
    r->is_gone = false;
    return status;
}

/* Make it answer: model, draft, runner. */
static hl_status load_once(hl_host *h, hl_resident *r, const hl_source *source, const hl_options *options,
                           hl_err *err) {
    chosen_draft draft = {0};
    hl_runner   *runner = NULL;
    bool         is_drafting = false;
    if (source->remote) return open_remote(h, r, source, options, err);
    hl_status status = r->model ? HL_OK : open_model(h, r, source, err);
    if (status == HL_OK) status = hold_draft(h, r, source, &draft, err);
    if (status != HL_OK) return status;
    unlock(h);
    status = hl_host_make_runner(h, source, options, r->model, draft.model, !draft.is_asked, &runner,
                                 &is_drafting, err);
    lock(h);
    if (status == HL_OK) {
        r->runner = runner;
        r->draft = is_drafting ? draft.resident : NULL;
        r->n_batch = options->num_batch;
        r->n_ctx = options->num_ctx;
    }
    if (!is_drafting) drop_draft(h, draft.resident);
    return status;
}

/* The same, unloading idle ones while it does not fit. */
static hl_status load(hl_host *h, hl_resident *r, const hl_source *source, const hl_options *options,
                      hl_err *err) {
    const int64_t start_ns = hl_clock_ns();
    for (;;) {
        hl_err          why = {0};
        const hl_status status = load_once(h, r, source, options, &why);
        if (status == HL_OK) break;
        hl_resident *idle = status == HL_E_NOMEM ? find_idle(h, false) : NULL;
        if (!idle) {
            (void)hl_fail_within(&why, status, "model '%s'", source->label);
            if (err) *err = why;
            return status;
        }
        unload(h, idle);
    }
    r->load_ns = hl_clock_ns() - start_ns;
    hl_event(h->events, HL_LOG_INFO, "host", "load", "model=%s ms=%lld", r->label,
             (long long)(r->load_ns / 1000000));
    return HL_OK;
}

/* Is there room in the table for one more that answers? Those that only draft do not count. When one was
 * unloaded for it, the table may have changed: *ret_again. */
static hl_status make_room(hl_host *h, bool *ret_again, hl_err *err) {
    const int64_t most = hl_config_int(h->config, HL_SETTING_server_max_loaded_models);
    size_t        n = 0;
    for (const hl_resident *r = h->residents; r; r = r->next) n += r->runner || r->n_users > 0;
    *ret_again = most > 0 && n >= (size_t)most;
    if (!*ret_again) return HL_OK;
    hl_resident *idle = find_idle(h, true);
    if (!idle)
        return hl_fail(err, HL_E_BUSY,
                       "%zu models are in use, the limit is %lld (server.max_loaded_models); try later", n,
                       (long long)most);
    unload(h, idle);
    return HL_OK;
}

/* Others that nobody will ask for: of these weights, under options that are of no use any more, or of a name
 * that has come to mean these weights. */
static void replace_others(hl_host *h, const hl_resident *by) {
    for (hl_resident *r = h->residents, *next = NULL; r; r = next) {
        next = r->next;
        const bool is_same = strcmp(r->weights, by->weights) == 0,
                   is_namesake = strcmp(r->label, by->label) == 0;
        if (r == by || r->is_stale || r->is_loading || !(is_same || is_namesake)) continue;
        r->is_stale = true;
        if (!is_idle(r)) continue;
        unload(h, r);
        next = h->residents; /* the list may be another one now */
    }
}

/* in     r  one of these weights that cannot be used as it is; NULL: there is none */
static hl_status load_new(hl_host *h, hl_resident *r, const hl_source *source, const char *weights,
                          const hl_options *options, hl_resident **ret, hl_err *err) {
    bool      again = false;
    hl_status status = make_room(h, &again, err);
    if (status != HL_OK || again) return status;
    if (!r || r->runner)
        status = add_loading(h, source, weights, &r, err); /* beside the one that is in use */
    if (status != HL_OK) return status;
    r->is_loading = true;
    r->n_users++;
    status = load(h, r, source, options, err);
    if (status != HL_OK) {
        r->n_users--;
        give_up(h, r);
        return status;
    }
    r->is_loading = false;
    replace_others(h, r);
    tell(h);
    *ret = r;
    return HL_OK;
}

/* Its options are others now, and nobody uses it: its model stays. */
static void drop_runner(hl_host *h, hl_resident *r) {
    r->n_targets++;
    unload(h, r);
    r->n_targets--;
    if (r->is_stale && is_idle(r)) unload(h, r); /* since then */
}

/* in     w  NULL: wait */
static hl_status acquire(hl_host *h, const hl_source *source, const hl_options *options, hl_load_wait *w,
                         hl_resident **ret_resident, hl_err *err) {
    char         weights[128];
    hl_engine   *engine = NULL;
    hl_resident *got = NULL;
    hl_status    status = hl_source_can_answer(source, err);
    if (status != HL_OK) return status;
    if (!hl_source_name_weights(source, weights, sizeof weights))
        return hl_fail(err, HL_E_NOT_FOUND, "model '%s': its file is gone", source->label);
    status = hl_host_engine(h, options->num_thread > 0 ? options->num_thread : 0, &engine, err);
    lock(h);
    while (status == HL_OK && !got) {
        hl_resident *r = find(h, weights);
        if (r && r->runner && !r->is_gone && is_gone(r)) {
            r->is_gone = true;
            count_failed_start(h, weights);
        }
        if (w && !may_go_on(h, weights)) {
            memcpy(w->weights, weights, sizeof weights);
            status = hl_fail(err, HL_E_BUSY, "model '%s' waits for what others load", source->label);
        } else if (r && r->is_loading)
            wait_for_change(h);
        else if (r && r->runner && fits(r, options))
            got = r, r->n_users++;
        else if (r && r->runner && r->n_users == 0)
            drop_runner(h, r);
        else
            status = load_new(h, r, source, weights, options, &got, err);
    }
    if (got && strcmp(got->label, source->label) != 0) {
        (void)snprintf(got->label, sizeof got->label, "%s", source->label);
        replace_others(h, got);
    }
    unlock(h);
    if (status == HL_OK) *ret_resident = got;
    return status;
}

hl_status hl_host_acquire(hl_host *h, const hl_source *source, const hl_options *options,
                          hl_resident **ret_resident, hl_err *err) {
    return acquire(h, source, options, NULL, ret_resident, err);
}

hl_status hl_host_try_acquire(hl_host *h, const hl_source *source, const hl_options *options, hl_load_wait *w,
                              hl_resident **ret_resident, hl_err *err) {
    w->weights[0] = '\0';
    return acquire(h, source, options, w, ret_resident, err);
}

void hl_host_wait(hl_host *h, hl_load_wait *w) {
    lock(h);
    if (may_go_on(h, w->weights)) {
        w->wake(w->user);
    } else {
        hl_load_wait **at = &h->waits; /* behind those who came before */
        while (*at) at = &(*at)->next;
        w->next = NULL;
        *at = w;
    }
    unlock(h);
}

void hl_host_stop_waiting(hl_host *h, hl_load_wait *w) {
    lock(h);
    hl_load_wait **at = &h->waits;
    while (*at && *at != w) at = &(*at)->next;
    if (*at) {
        *at = w->next;
        w->wake(w->user);
    }
    unlock(h);
}

void hl_host_release(hl_host *h, hl_resident *r, int64_t keep_ms) {
    if (!r) return;
    lock(h);
    r->last_ns = hl_clock_ns();
    r->until_ns = keep_until(h, keep_ms);
    r->n_users--;
    if (is_idle(r) && !r->is_pinned && (r->is_stale || keep_ms == 0)) unload(h, r);
    tell(h);
    unlock(h);
}

hl_runner *hl_resident_runner(const hl_resident *r) { return r->runner; }
int64_t    hl_resident_load_ns(const hl_resident *r) { return r->load_ns; }

void hl_host_pin(hl_host *h, hl_resident *r, bool pinned) {
    lock(h);
    r->is_pinned = pinned;
    unlock(h);
}

hl_status hl_host_unload(hl_host *h, const hl_source *source, hl_err *err) {
    char weights[128] = "";
    bool found = false;
    if (source && ((source->n_paths == 0 && !source->remote) ||
                   !hl_source_name_weights(source, weights, sizeof weights)))
        return hl_fail(err, HL_E_NOT_FOUND, "model '%s' is not loaded", source->label);
    lock(h);
    for (hl_resident *r = h->residents, *next = NULL; r; r = next) {
        next = r->next;
        if (r->is_stale || (source && strcmp(r->weights, weights) != 0)) continue;
        found = true;
        r->is_stale = true;
        r->is_pinned = false;
        if (!is_idle(r)) continue;
        unload(h, r);
        next = h->residents; /* the list may be another one now */
    }
    unlock(h);
    return found || !source ? HL_OK : hl_fail(err, HL_E_NOT_FOUND, "model '%s' is not loaded", source->label);
}

/* From the store: nobody can ask for it any more. */
static bool is_removed(const hl_resident *r) { return r->path && access(r->path, F_OK) != 0; }

bool hl_resident_is_leaving(hl_host *h, const hl_resident *r) {
    lock(h);
    const bool is_leaving = r->is_stale || is_removed(r);
    unlock(h);
    return is_leaving;
}

int64_t hl_host_expire(hl_host *h) {
    int64_t due = INT64_MAX;
    lock(h);
    const int64_t now = hl_clock_ns();
    for (hl_resident *r = h->residents, *next = NULL; r; r = next) {
        next = r->next;
        const bool is_gone = is_removed(r);
        if (!is_idle(r) || (r->is_pinned && !is_gone)) continue;
        if (r->until_ns <= now || is_gone) {
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
    hl_model_info  model = {0};
    if (r->runner) hl_runner_get_info(r->runner, &info);
    if (r->model) hl_model_get_info(r->model, &model);
    const bool stays = !is_idle(r) || r->is_pinned || r->until_ns == INT64_MAX;
    *ret = (hl_resident_info){
        .weights_bytes = model.file_bytes,
        .experts_kept_bytes = r->model ? hl_model_experts_kept(r->model) : 0,
        .cache_bytes = info.cache_bytes,
        .cache_used_bytes = info.cache_used_bytes,
        .n_running = info.n_running,
        .n_waiting = info.n_waiting,
        .n_ctx = !r->path       ? info.n_ctx_train
                 : r->n_ctx > 0 ? info.n_ctx
                                : info.n_ctx_cap,
        .n_users = r->n_users,
        .n_targets = r->n_targets,
        .keep_ms = stays ? -1 : (r->until_ns - now) / 1000000,
        .is_loading = r->is_loading,
        .is_pinned = r->is_pinned,
        .is_remote = !r->path,
    };
    (void)snprintf(ret->label, sizeof ret->label, "%s", r->label);
    (void)snprintf(ret->weights, sizeof ret->weights, "%s", r->weights);
}

hl_status hl_host_each_resident(hl_host *h, hl_resident_fn *fn, void *user, hl_err *err) {
    size_t n = 0, i = 0;
    lock(h);
    for (const hl_resident *r = h->residents; r; r = r->next) n++;
    hl_resident_info *infos = hl_new(n + 1, sizeof *infos);
    const int64_t     now = hl_clock_ns();
    for (const hl_resident *r = h->residents; r && infos; r = r->next) describe(r, now, &infos[i++]);
    unlock(h);
    if (!infos) return hl_fail(err, HL_E_NOMEM, "loaded models: no memory");
    for (i = 0; i < n; i++) fn(user, &infos[i]);
    hl_free(infos);
    return HL_OK;
}

void hl_residents_free(hl_host *h) {
    for (hl_resident *r = h->residents; r; r = r->next) hl_runner_free(r->runner);
    while (h->residents) { /* no runner drafts with any of them any more */
        hl_resident *r = h->residents;
        h->residents = r->next;
        hl_model_close(r->model);
        resident_free(r);
    }
}
