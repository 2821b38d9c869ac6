/* SPDX-License-Identifier: MIT
 *
 * host.c - names to files to loaded models.
 */
#include "host/host.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/mem.h"

struct hl_host {
    const hl_config *config;
    const hl_paths  *paths;
    const hl_events *events;
    hl_store        *store; /* NULL: not opened yet; likewise below */
    hl_engine       *engine;
    int32_t          n_threads; /* the engine's, as asked for */
};

hl_status hl_host_new(const hl_config *config, const hl_paths *paths, const hl_events *events,
                      hl_host **ret_host, hl_err *err) {
    hl_host *h = hl_new(1, sizeof *h);
    if (!h) return hl_fail(err, HL_E_NOMEM, "host: no memory");
    *h = (hl_host){.config = config, .paths = paths, .events = events};
    *ret_host = h;
    return HL_OK;
}

void hl_host_free(hl_host *h) {
    if (!h) return;
    hl_engine_free(h->engine);
    hl_store_close(h->store);
    hl_free(h);
}

hl_status hl_host_store(hl_host *h, hl_store **ret_store, hl_err *err) {
    if (!h->store) {
        hl_err                 ignored;
        const hl_store_options options = {
            .models_path = h->paths->models, .db_path = h->paths->db, .events = h->events};
        (void)hl_make_folder(h->paths->home, &ignored); /* a store that cannot be written can still be read */
        const hl_status status = hl_store_open(&options, &h->store, err);
        if (status != HL_OK) return status;
    }
    *ret_store = h->store;
    return HL_OK;
}

static void pass_event(void *user, int level, const char *component, const char *event, const char *fields) {
    const hl_host *h = user;
    hl_event(h->events, (hl_log_level)level, component, event, "%s", fields ? fields : "");
}

hl_status hl_host_engine(hl_host *h, int32_t n_threads, hl_engine **ret_engine, hl_err *err) {
    if (n_threads < 0 || hl_config_origin(h->config, HL_SETTING_engine_n_threads) == HL_ORIGIN_FLAG)
        n_threads = (int32_t)hl_config_int(h->config, HL_SETTING_engine_n_threads);
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

static bool ends_in(const char *text, const char *end) {
    const size_t n = strlen(text), n_end = strlen(end);
    return n >= n_end && strcmp(text + n - n_end, end) == 0;
}

static bool is_path(const char *text) {
    if (strchr(text, '/') && access(text, F_OK) == 0) return true;
    return ends_in(text, ".gguf") && (access(text, F_OK) == 0 || strchr(text, '/') || !strchr(text, ':'));
}

void hl_source_free(hl_source *s) {
    if (!s) return;
    hl_stored_model_free(s->stored);
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
        return hl_fail(err, status, "%.300s; `hyperlama import FILE.gguf NAME` brings one in", why.text);
    }
    if (status != HL_OK) return status;
    s->label = hl_strdup(s->stored->entry.text);
    s->paths = s->stored->shard_paths;
    s->n_paths = s->stored->n_shards;
    return HL_OK;
}

hl_status hl_host_find(hl_host *h, const char *text, int how, hl_source **ret_source, hl_err *err) {
    hl_status  status = HL_OK;
    hl_source *s = hl_new(1, sizeof *s);
    if (!s) return hl_fail(err, HL_E_NOMEM, "model '%.100s': no memory", text);
    if (is_path(text)) {
        s->label = hl_strdup(text);
        s->one_path[0] = s->label;
        s->paths = s->one_path;
        s->n_paths = 1;
        if (access(text, R_OK) != 0)
            status = hl_fail(err, HL_E_NOT_FOUND, "file '%.200s': cannot be read", text);
    } else {
        status = find_stored(h, text, how, s, err);
    }
    if (status == HL_OK && !s->label) status = hl_fail(err, HL_E_NOMEM, "model '%.100s': no memory", text);
    if (status != HL_OK) {
        hl_source_free(s);
        return status;
    }
    *ret_source = s;
    return HL_OK;
}

static int32_t choose(const hl_config *c, hl_setting id, int32_t option, int32_t unsaid) {
    const bool by_flag = hl_config_origin(c, id) == HL_ORIGIN_FLAG;
    return option != unsaid && !by_flag ? option : (int32_t)hl_config_int(c, id);
}

void hl_host_session_params(const hl_host *h, const hl_options *options, hl_session_params *ret_params) {
    static const struct {
        const char      *word;
        hl_kv_cache_type type;
    } kinds[] = {{"f16", HL_KV_CACHE_F16},
                 {"f32", HL_KV_CACHE_F32},
                 {"bf16", HL_KV_CACHE_BF16},
                 {"q8_0", HL_KV_CACHE_Q8_0}};
    hl_session_params p = {0};
    const char       *kind = hl_config_text(h->config, HL_SETTING_engine_kv_type);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (strcmp(kind, kinds[i].word) == 0) p.kv_type = kinds[i].type;
    }
    p.n_ctx = choose(h->config, HL_SETTING_engine_n_ctx, options ? options->num_ctx : 0, 0);
    p.n_batch = choose(h->config, HL_SETTING_engine_n_batch, options ? options->num_batch : 0, 0);
    *ret_params = p;
}

bool hl_loaded_set_ctx(hl_loaded *l, int32_t n_ctx) {
    const hl_sched *s = l->runner ? hl_runner_sched(l->runner) : NULL;
    if (!s || n_ctx < 0 || n_ctx > hl_sched_n_ctx_cap(s)) return false;
    l->n_ctx = n_ctx > 0 ? n_ctx : hl_sched_n_ctx(s);
    return true;
}

void hl_loaded_free(hl_loaded *l) {
    if (!l) return;
    hl_runner_free(l->runner);
    hl_model_close(l->draft);
    hl_model_close(l->model);
    hl_free(l);
}

/* The model that guesses for others, when the settings name one. */
static hl_status load_draft(hl_host *h, hl_engine *engine, hl_model **ret_draft, hl_err *err) {
    const char *name = hl_config_text(h->config, HL_SETTING_engine_draft);
    hl_source  *source = NULL;
    if (name[0] == '\0') return HL_OK;
    hl_status status = hl_host_find(h, name, HL_OPEN_FOR_LOAD, &source, err);
    if (status == HL_OK) status = hl_model_open(engine, source->paths, source->n_paths, NULL, ret_draft, err);
    hl_source_free(source);
    return status == HL_OK ? HL_OK : hl_fail_within(err, "draft model '%s'", name);
}

/* What names the weights on disk: the digest that a stored blob is called by, else the file's identity and time. */
static bool name_weights(const hl_source *source, char *ret, size_t cap) {
    const char *path = source->paths[0], *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path;
    struct stat st;
    if (strncmp(base, "sha256-", 7) == 0)
        return snprintf(ret, cap, "%s+%zu", base, source->n_paths) < (int)cap;
    if (stat(path, &st) != 0) return false;
    return snprintf(ret, cap, "file:%llx:%llx:%llx:%lld.%09ld", (unsigned long long)st.st_dev,
                    (unsigned long long)st.st_ino, (unsigned long long)st.st_size,
                    (long long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec) < (int)cap;
}

static bool saved_folder(const hl_host *h, char *ret, size_t cap) {
    return h->paths->cache && snprintf(ret, cap, "%s/kv", h->paths->cache) < (int)cap;
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
        !name_weights(&source, weights, sizeof weights))
        weights[0] = '\0';
    status = hl_store_remove(store, name, ret_removed, err);
    uint64_t bytes = 0;
    if (status == HL_OK && weights[0] && access(source.paths[0], F_OK) != 0 &&
        saved_folder(h, folder, sizeof folder))
        bytes = hl_sched_remove_saved(folder, weights);
    if (ret_cache_bytes) *ret_cache_bytes = bytes;
    hl_stored_model_free(source.stored);
    hl_free(source.label);
    return status;
}

static hl_status make_runner(hl_host *h, const hl_source *source, const hl_options *options, hl_loaded *l,
                             hl_err *err) {
    enum { MIB = 1 << 20 };
    hl_session_params session;
    char              weights[128], folder[4096];
    hl_host_session_params(h, options, &session);
    hl_runner_params params = {
        .sched = {
            .n_running_cap = (int32_t)hl_config_int(h->config, HL_SETTING_engine_n_parallel),
            .n_ctx = session.n_ctx,
            .n_batch = session.n_batch,
            .max_gap_ms = (int32_t)hl_config_int(h->config, HL_SETTING_engine_max_gap_ms),
            .kv_type = session.kv_type,
            .kv_budget_bytes = (uint64_t)hl_config_int(h->config, HL_SETTING_engine_kv_budget_mib) * MIB,
            .draft = l->draft,
            .cache_quota_bytes = (uint64_t)hl_config_int(h->config, HL_SETTING_cache_quota_mib) * MIB,
        }};
    if (strcmp(hl_config_text(h->config, HL_SETTING_engine_speculate), "off") == 0)
        params.sched.speculate = HL_SPECULATE_OFF;
    if (params.sched.cache_quota_bytes > 0 && name_weights(source, weights, sizeof weights) &&
        saved_folder(h, folder, sizeof folder)) {
        params.sched.cache_dir = folder;
        params.sched.cache_key = weights;
    }
    const hl_status status = hl_runner_new(l->model, &params, &l->runner, err);
    if (status == HL_OK) l->n_ctx = hl_sched_n_ctx(hl_runner_sched(l->runner));
    return status;
}

hl_status hl_host_load(hl_host *h, const hl_source *source, const hl_options *options, hl_loaded **ret_loaded,
                       hl_err *err) {
    const int64_t start_ns = hl_clock_ns();
    hl_engine    *engine = NULL;
    hl_loaded    *l = NULL;
    if (source->n_paths == 0)
        return hl_fail(err, HL_E_UNSUPPORTED, "model '%s' has no GGUF weights", source->label);
    hl_status status = hl_host_engine(h, options ? options->num_thread : -1, &engine, err);
    if (status != HL_OK) return status;
    l = hl_new(1, sizeof *l);
    if (!l) return hl_fail(err, HL_E_NOMEM, "model '%s': no memory", source->label);
    l->host = h;
    const hl_model_params model_params = {.vocab_only = !options};
    status = hl_model_open(engine, source->paths, source->n_paths, &model_params, &l->model, err);
    if (status == HL_OK && options) {
        status = load_draft(h, engine, &l->draft, err);
        if (status == HL_OK) status = make_runner(h, source, options, l, err);
    }
    if (status != HL_OK) {
        hl_loaded_free(l);
        return hl_fail_within(err, "model '%s'", source->label);
    }
    l->load_ns = hl_clock_ns() - start_ns;
    if (source->stored && options && h->store) hl_store_add_usage(h->store, &source->stored->entry.name);
    *ret_loaded = l;
    return HL_OK;
}

void hl_host_apply_stored(hl_host *h, const hl_stored_model *m, hl_options *o) {
    for (size_t i = 0; m && i < m->n_params; i++) {
        hl_err          why = {0};
        const hl_status status = hl_options_set(o, m->params[i].name, m->params[i].value, &why);
        if (status == HL_OK) continue;
        const hl_log_level level = status == HL_E_UNSUPPORTED ? HL_LOG_INFO : HL_LOG_WARN;
        hl_event(h->events, level, "host", "bad-parameter", "model=%s why=\"%s\" action=ignored",
                 m->entry.text, why.text);
    }
}
