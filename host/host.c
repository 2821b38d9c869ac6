/* SPDX-License-Identifier: MIT
 *
 * host.c - the store and the engine, and names to the files of a model.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "core/base/file.h"
#include "core/base/mem.h"
#include "host/host_priv.h"
#include "host/names.h"
#include "host/remote/remote_model.h"
#include "hyperlama/sched.h"

hl_status hl_host_new(const hl_config *config, const hl_paths *paths, const hl_events *events,
                      hl_host **ret_host, hl_err *err) {
    hl_host *h = hl_new(1, sizeof *h);
    if (!h) return hl_fail(err, HL_E_NOMEM, "host: no memory");
    *h = (hl_host){.config = config, .paths = paths, .events = events};
    (void)pthread_mutex_init(&h->lock, NULL);
    (void)pthread_cond_init(&h->changed, NULL);
    *ret_host = h;
    return HL_OK;
}

void hl_host_free(hl_host *h) {
    if (!h) return;
    hl_residents_free(h);
    hl_engine_free(h->engine);
    hl_store_close(h->store);
    (void)pthread_cond_destroy(&h->changed);
    (void)pthread_mutex_destroy(&h->lock);
    hl_free(h);
}

/* Under lock. */
static hl_status open_store(hl_host *h, hl_store **ret_store, hl_err *err) {
    if (!h->store) {
        const hl_store_options options = {.models_path = h->paths->models,
                                          .db_path = h->paths->db,
                                          .dirs = h->paths->dirs,
                                          .events = h->events};
        const hl_status        status = hl_store_open(&options, &h->store, err);
        if (status != HL_OK) return status;
    }
    *ret_store = h->store;
    return HL_OK;
}

hl_status hl_host_store(hl_host *h, hl_store **ret_store, hl_err *err) {
    (void)pthread_mutex_lock(&h->lock);
    const hl_status status = open_store(h, ret_store, err);
    (void)pthread_mutex_unlock(&h->lock);
    return status;
}

hl_status hl_host_open_keyring(const hl_host *h, hl_keyring **ret_ring, hl_err *err) {
    return hl_keyring_open(h->paths->db, h->events, ret_ring, err);
}

bool hl_host_fingerprint(const hl_host *h, char ret[HL_FINGERPRINT_BYTES]) {
    return hl_store_fingerprint(h->paths->models, ret, NULL) == HL_OK;
}

const char *hl_host_read_only_home(const hl_host *h) {
    const char *home = h->paths->home;
    return access(home, F_OK) == 0 && access(home, W_OK) != 0 ? home : NULL;
}

static void pass_event(void *user, int level, const char *component, const char *event, const char *fields) {
    const hl_host *h = user;
    hl_event(h->events, (hl_log_level)level, component, event, "%s", fields ? fields : "");
}

/* Under lock. */
static hl_status open_engine(hl_host *h, int32_t n_threads, hl_engine **ret_engine, hl_err *err) {
    if (n_threads < 0) n_threads = (int32_t)hl_config_int(h->config, HL_SETTING_engine_n_threads);
    if (!h->engine) {
        const hl_engine_params params = {
            .n_threads = n_threads,
            .cpu = hl_config_text(h->config, HL_SETTING_engine_cpu),
            .activation_bits =
                strcmp(hl_config_text(h->config, HL_SETTING_engine_activation_bits), "16") == 0 ? 16 : 8,
            .on_event = pass_event,
            .event_user = h,
            .event_level = h->events ? (int)h->events->level : HL_LOG_ERROR};
        const hl_status status = hl_engine_new(&params, &h->engine, err);
        if (status != HL_OK) return status;
        h->n_threads = n_threads;
    } else if (h->n_threads != n_threads) {
        hl_event(h->events, HL_LOG_WARN, "host", "threads-fixed", "asked=%d have=%d action=ignored",
                 (int)n_threads, (int)h->n_threads);
    }
    *ret_engine = h->engine;
    return HL_OK;
}

hl_status hl_host_engine(hl_host *h, int32_t n_threads, hl_engine **ret_engine, hl_err *err) {
    (void)pthread_mutex_lock(&h->lock);
    const hl_status status = open_engine(h, n_threads, ret_engine, err);
    (void)pthread_mutex_unlock(&h->lock);
    return status;
}

static bool ends_in(const char *text, const char *end) {
    const size_t n = strlen(text), n_end = strlen(end);
    return n >= n_end && strcmp(text + n - n_end, end) == 0;
}

static bool is_path(const char *text) {
    if (text[0] == '/' || strncmp(text, "./", 2) == 0 || strncmp(text, "../", 3) == 0)
        return true; /* no name begins so */
    if (strchr(text, '/') && access(text, F_OK) == 0) return true;
    return ends_in(text, ".gguf") && (access(text, F_OK) == 0 || strchr(text, '/') || !strchr(text, ':'));
}

static void free_models(hl_source *s) {
    if (s->base) hl_preset_free(s->stored);
    hl_stored_model_free(s->base ? s->base : s->stored);
    s->base = s->stored = NULL;
}

void hl_source_free(hl_source *s) {
    if (!s) return;
    free_models(s);
    hl_source_free_adapters(s);
    hl_free(s->own_remote);
    hl_free(s->alias);
    hl_free(s->label);
    hl_free(s);
}

/* Find a stored model; on failure say what can be done about it. */
static hl_status find_stored(hl_host *h, const char *text, int how, hl_source *s, hl_err *err) {
    hl_store *store = NULL;
    hl_status status = hl_host_store(h, &store, err);
    if (status != HL_OK) return status;
    status = hl_store_open_model(store, text, how, &s->stored, err);
    if (status == HL_E_NOT_FOUND && err && !strstr(err->text, "did you mean")) {
        const hl_err why = *err;
        return hl_fail(err, status,
                       "%s; `hyperlama pull %.200s` gets it from a registry, `hyperlama import FILE.gguf "
                       "%.200s` makes it of a file",
                       why.text, text, text);
    }
    if (status != HL_OK) return status;
    s->label = hl_strdup(s->stored->entry.text);
    s->paths = s->stored->shard_paths;
    s->n_paths = s->stored->n_shards;
    s->remote = s->stored->remote_json;
    return HL_OK;
}

static hl_status find_named(hl_host *h, const char *text, int how, int depth, hl_source *s, hl_err *err);

/* The first of those that it stands for, from the i-th on, that is there. */
static hl_status find_alias(hl_host *h, const char *alias, size_t i, int how, int depth, hl_source *s,
                            hl_err *err) {
    char      name[HL_NAME_TEXT_BYTES];
    hl_err    why = {0};
    hl_status status = HL_E_NOT_FOUND;
    for (; status == HL_E_NOT_FOUND && hl_alias_at(h->config, alias, i, name, sizeof name); i++)
        status = strcasecmp(name, alias) == 0 ? find_stored(h, name, how, s, &why)
                                              : find_named(h, name, how, depth + 1, s, &why);
    if (status == HL_E_NOT_FOUND)
        return hl_fail(err, status, "alias '%s' stands for no model that is here: %s", alias, why.text);
    if (status == HL_OK) {
        hl_free(s->alias);
        s->alias = hl_strdup(alias); /* without memory there is no next one */
        s->i_next = i;
    }
    if (status != HL_OK && err) *err = why;
    return status;
}

static hl_status find_preset(hl_host *h, const char *preset, int how, int depth, hl_source *s, hl_err *err) {
    const char *model = hl_preset_model(h->config, preset);
    hl_err      why = {0};
    if (!model) return hl_fail(err, HL_E_ARG, "settings: [preset %s]: expected model = NAME", preset);
    hl_status status = strcasecmp(model, preset) == 0 ? find_stored(h, model, how, s, &why)
                                                      : find_named(h, model, how, depth + 1, s, &why);
    if (status == HL_OK && s->base)
        return hl_fail(err, HL_E_ARG, "settings: [preset %s]: '%s' is a preset, too; expected a model",
                       preset, model);
    if (status == HL_OK) {
        s->base = s->stored;
        status = hl_preset_make(h->config, preset, s->base, &s->stored, &why);
        if (status != HL_OK) s->stored = NULL;
    }
    if (status != HL_OK && err) *err = why;
    return status;
}

/* A name of the settings goes before a stored one: whoever writes it there means it. */
static hl_status find_named(hl_host *h, const char *text, int how, int depth, hl_source *s, hl_err *err) {
    enum { MAX_DEPTH = 4 };
    char bare[HL_NAME_TEXT_BYTES], first[HL_NAME_TEXT_BYTES];
    if (depth > MAX_DEPTH) return hl_fail(err, HL_E_ARG, "settings: aliases go round at '%.100s'", text);
    const size_t n = strlen(text);
    (void)snprintf(bare, sizeof bare, "%.*s", (int)(ends_in(text, ":latest") ? n - 7 : n), text);
    if (hl_preset_exists(h->config, bare)) return find_preset(h, bare, how, depth, s, err);
    if (hl_alias_at(h->config, bare, 0, first, sizeof first))
        return find_alias(h, bare, 0, how, depth, s, err);
    return find_stored(h, text, how, s, err);
}

static bool is_url(const char *text, hl_ref *ret) {
    return hl_ref_parse(text, ret, NULL) == HL_OK && ret->kind == HL_REF_URL;
}

/* The model that was pulled from there. What stands behind '?' may be a key, and is not said. */
static hl_status find_url(hl_host *h, const char *text, const hl_ref *ref, int how, hl_source *s,
                          hl_err *err) {
    char      name[HL_NAME_TEXT_BYTES], from[HL_ORIGIN_BYTES];
    hl_store *store = NULL;
    hl_status status = hl_host_store(h, &store, err);
    if (status != HL_OK) return status;
    hl_name_format(&ref->name, name);
    if (hl_store_origin(store, name, from) && strcmp(from, text) == 0)
        return find_stored(h, name, how, s, err);
    return hl_fail(err, HL_E_NOT_FOUND, "no model from '%.*s' is here; `hyperlama pull` gets it",
                   (int)strcspn(text, "?#"), text);
}

static hl_status find_source(hl_host *h, const char *text, int how, bool may_be_path, hl_source **ret_source,
                             hl_err *err) {
    hl_ref     ref;
    hl_status  status = HL_OK;
    hl_source *s = hl_new(1, sizeof *s);
    if (!s) return hl_fail(err, HL_E_NOMEM, "model '%.100s': no memory", text);
    if (may_be_path && hl_remote_model_is_text(text)) {
        s->label = hl_strdup(text);
        status = hl_remote_model_make_record(text, h->paths->profiles, &s->own_remote, err);
        s->remote = s->own_remote;
    } else if (may_be_path && is_url(text, &ref)) {
        status = find_url(h, text, &ref, how, s, err);
    } else if (may_be_path && is_path(text)) {
        s->label = hl_strdup(text);
        s->one_path[0] = s->label;
        s->paths = s->one_path;
        s->n_paths = 1;
        if (access(text, R_OK) != 0)
            status = hl_fail(err, errno == EACCES ? hl_errno_io(errno) : HL_E_NOT_FOUND, "file '%.200s': %s",
                             text, strerror(errno));
    } else {
        status = find_named(h, text, how, 0, s, err);
    }
    if (status == HL_OK && !s->label) status = hl_fail(err, HL_E_NOMEM, "model '%.100s': no memory", text);
    if (status != HL_OK) {
        hl_source_free(s);
        return status;
    }
    *ret_source = s;
    return HL_OK;
}

const char *hl_host_own_name(const hl_host *h, size_t i) { return hl_own_name_at(h->config, i); }

bool hl_host_has_own_name(const hl_host *h, const char *text) {
    const char *name = NULL;
    for (size_t i = 0; (name = hl_own_name_at(h->config, i)) != NULL; i++)
        if (strcasecmp(name, text) == 0) return true;
    return false;
}

hl_status hl_host_find_next(hl_host *h, const hl_source *s, int how, hl_source **ret_source, hl_err *err) {
    if (!s->alias) return hl_fail(err, HL_E_NOT_FOUND, "model '%s': no alias stands for it", s->label);
    hl_source *next = hl_new(1, sizeof *next);
    if (!next) return hl_fail(err, HL_E_NOMEM, "model '%.100s': no memory", s->alias);
    hl_status status = find_alias(h, s->alias, s->i_next, how, 0, next, err);
    if (status == HL_OK && !next->label) status = hl_fail(err, HL_E_NOMEM, "model: no memory");
    if (status != HL_OK) {
        hl_source_free(next);
        return status;
    }
    hl_event(h->events, HL_LOG_INFO, "host", "alias-next", "alias=\"%s\" instead_of=\"%s\" model=\"%s\"",
             s->alias, s->label, next->label);
    *ret_source = next;
    return HL_OK;
}

hl_status hl_host_find(hl_host *h, const char *text, int how, hl_source **ret_source, hl_err *err) {
    return find_source(h, text, how, true, ret_source, err);
}

hl_status hl_host_find_stored(hl_host *h, const char *text, int how, hl_source **ret_source, hl_err *err) {
    return find_source(h, text, how, false, ret_source, err);
}

hl_status hl_host_remove(hl_host *h, const char *name, hl_removed *ret_removed, uint64_t *ret_cache_bytes,
                         hl_err *err) {
    hl_store *store = NULL;
    hl_source source = {0};
    char      weights[128] = "", folder[4096];
    hl_status status = hl_host_store(h, &store, err);
    if (status != HL_OK) return status;
    /* One that cannot be read can still be removed; what it left in the cache goes with time. */
    if (find_stored(h, name, HL_OPEN_FOR_SHOW, &source, NULL) == HL_OK && source.n_paths > 0 &&
        !hl_source_name_weights(&source, weights, sizeof weights))
        weights[0] = '\0';
    status = hl_store_remove(store, name, ret_removed, err);
    uint64_t bytes = 0;
    if (status == HL_OK && weights[0] && access(source.paths[0], F_OK) != 0 &&
        hl_host_saved_folder(h, folder, sizeof folder))
        bytes = hl_sched_remove_saved(folder, weights);
    if (ret_cache_bytes) *ret_cache_bytes = bytes;
    hl_stored_model_free(source.stored);
    hl_free(source.label);
    return status;
}
