/* SPDX-License-Identifier: MIT
 *
 * load.c - from the files of a model to one that answers.
 */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/mem.h"
#include "host/conversation.h"
#include "host/host_priv.h"

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
    p.n_ctx = options ? options->num_ctx : (int32_t)hl_config_int(h->config, HL_SETTING_engine_n_ctx);
    p.n_batch = options ? options->num_batch : (int32_t)hl_config_int(h->config, HL_SETTING_engine_n_batch);
    *ret_params = p;
}

/* It may be longer than the model was trained for, but nothing else tells why answers get worse. */
static void note_long_context(const hl_loaded *l) {
    hl_model_info info;
    hl_model_get_info(l->model, &info);
    if (info.n_ctx_train <= 0 || l->n_ctx <= info.n_ctx_train) return;
    hl_event(
        l->host->events, HL_LOG_WARN, "host", "context-above-training",
        "why=\"the context of %d tokens is longer than the %d that the model was trained for: answers get "
        "worse behind that place\"",
        (int)l->n_ctx, (int)info.n_ctx_train);
}

bool hl_loaded_set_ctx(hl_loaded *l, int32_t n_ctx) {
    const hl_sched *s = l->runner ? hl_runner_sched(l->runner) : NULL;
    if (!s || n_ctx < 0 || n_ctx > hl_sched_n_ctx_cap(s)) return false;
    l->n_ctx = n_ctx > 0 ? n_ctx : hl_sched_n_ctx(s);
    note_long_context(l);
    return true;
}

void hl_loaded_free(hl_loaded *l) {
    if (!l) return;
    hl_runner_free(l->runner);
    hl_model_close(l->draft);
    hl_model_close(l->model);
    hl_free(l);
}

/* The draft that is stored with a model. It never changes an answer, so that one which cannot be had costs
 * speed only. */
static void load_stored_draft(hl_host *h, hl_engine *engine, const hl_stored_model *m, hl_model **ret_draft) {
    hl_err why = {0};
    if (hl_model_open(engine, &m->draft_path, 1, NULL, ret_draft, &why) != HL_OK)
        hl_event(h->events, HL_LOG_WARN, "host", "draft-unusable",
                 "model=\"%s\" why=\"%s\" action=\"working without it\"", m->entry.text, why.text);
}

/* The draft model: the one that the settings name, else the one stored with the model. */
static hl_status load_draft(hl_host *h, hl_engine *engine, const hl_source *of, hl_model **ret_draft,
                            hl_err *err) {
    const char *name = hl_config_text(h->config, HL_SETTING_engine_draft);
    hl_source  *source = NULL;
    if (name[0] == '\0' && of->stored && of->stored->draft_path)
        load_stored_draft(h, engine, of->stored, ret_draft);
    if (name[0] == '\0') return HL_OK;
    hl_status status = hl_host_find(h, name, HL_OPEN_FOR_LOAD, &source, err);
    if (status == HL_OK) status = hl_model_open(engine, source->paths, source->n_paths, NULL, ret_draft, err);
    hl_source_free(source);
    return status == HL_OK ? HL_OK : hl_fail_within(err, "draft model");
}

bool hl_source_name_weights(const hl_source *source, char *ret, size_t cap) {
    const char *path = source->paths[0], *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path;
    struct stat st;
    if (strncmp(base, "sha256-", 7) == 0)
        return snprintf(ret, cap, "%s+%zu", base, source->n_paths) < (int)cap;
    if (stat(path, &st) != 0) return false;
    return snprintf(ret, cap, "file:%llx:%llx:%llx:%lld.%09ld", (unsigned long long)st.st_dev,
                    (unsigned long long)st.st_ino, (unsigned long long)st.st_size,
                    (long long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec) < (int)cap;
}

bool hl_host_saved_folder(const hl_host *h, char *ret, size_t cap) {
    return h->paths->cache && snprintf(ret, cap, "%s/kv", h->paths->cache) < (int)cap;
}

/* A home that is for reading only is somebody's choice, and costs nothing but the cache. */
static bool can_save(const hl_host *h, const char *folder) {
    if (hl_path_is_writable(folder)) return true;
    hl_event(h->events, HL_LOG_INFO, "host", "no-disk-cache", "path=\"%s\" why=\"it cannot be written\"",
             folder);
    return false;
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
            .max_itl_ms = (int32_t)hl_config_int(h->config, HL_SETTING_engine_max_itl_ms),
            .kv_type = session.kv_type,
            .kv_budget_bytes = (uint64_t)hl_config_int(h->config, HL_SETTING_engine_kv_budget_mib) * MIB,
            .draft = l->draft,
            .cache_quota_bytes = (uint64_t)hl_config_int(h->config, HL_SETTING_cache_quota_mib) * MIB,
        }};
    if (strcmp(hl_config_text(h->config, HL_SETTING_engine_speculate), "off") == 0)
        params.sched.speculate = HL_SPECULATE_OFF;
    if (params.sched.cache_quota_bytes > 0 && hl_source_name_weights(source, weights, sizeof weights) &&
        hl_host_saved_folder(h, folder, sizeof folder) && can_save(h, folder)) {
        params.sched.cache_dir = folder;
        params.sched.cache_key = weights;
    }
    const hl_status status = hl_runner_new(l->model, &params, &l->runner, err);
    if (status != HL_OK) return status;
    l->n_ctx = hl_sched_n_ctx(hl_runner_sched(l->runner));
    note_long_context(l);
    return HL_OK;
}

/* A stored draft may be of another vocabulary: nobody asked for it by name, and it is done without. */
static hl_status make_runner_with_draft(hl_host *h, const hl_source *source, const hl_options *options,
                                        hl_loaded *l, hl_err *err) {
    const bool is_stored = l->draft && hl_config_text(h->config, HL_SETTING_engine_draft)[0] == '\0';
    hl_err     why = {0};
    if (!is_stored) return make_runner(h, source, options, l, err);
    if (make_runner(h, source, options, l, &why) == HL_OK) return HL_OK;
    hl_model_close(l->draft);
    l->draft = NULL;
    const hl_status status = make_runner(h, source, options, l, err);
    if (status == HL_OK)
        hl_event(h->events, HL_LOG_WARN, "host", "draft-unusable",
                 "model=\"%s\" why=\"%s\" action=\"working without it\"", source->label, why.text);
    return status;
}

hl_status hl_host_load(hl_host *h, const hl_source *source, const hl_options *options, hl_loaded **ret_loaded,
                       hl_err *err) {
    const int64_t start_ns = hl_clock_ns();
    hl_engine    *engine = NULL;
    hl_loaded    *l = NULL;
    if (source->n_paths == 0)
        return hl_fail(err, HL_E_UNSUPPORTED, "model '%s' has no GGUF weights", source->label);
    if (options && source->stored &&
        source->stored->adapter_path) /* without it, another model would answer */
        return hl_fail(err, HL_E_NOT_YET, "model '%s' has an adapter, which this build cannot apply yet",
                       source->label);
    const int32_t n_threads = !options ? -1 : options->num_thread > 0 ? options->num_thread : 0;
    hl_status     status = hl_host_engine(h, n_threads, &engine, err);
    if (status != HL_OK) return status;
    l = hl_new(1, sizeof *l);
    if (!l) return hl_fail(err, HL_E_NOMEM, "model '%s': no memory", source->label);
    l->host = h;
    const hl_model_params model_params = {.vocab_only = !options};
    status = hl_model_open(engine, source->paths, source->n_paths, &model_params, &l->model, err);
    if (status == HL_OK && options) {
        status = load_draft(h, engine, source, &l->draft, err);
        if (status == HL_OK) status = make_runner_with_draft(h, source, options, l, err);
    }
    if (status != HL_OK) {
        hl_loaded_free(l);
        return hl_fail_within(err, "model '%s'", source->label);
    }
    l->load_ns = hl_clock_ns() - start_ns;
    *ret_loaded = l;
    return HL_OK;
}

void hl_host_count_use(hl_host *h, const hl_source *source) {
    hl_store *store = NULL;
    if (source->stored && hl_host_store(h, &store, NULL) == HL_OK)
        hl_store_add_usage(store, &source->stored->entry.name);
}

/* ---- as the partner of a conversation ---- */

static hl_status count(void *self, const hl_request *r, int32_t *ret_tokens, hl_err *err) {
    const hl_loaded *l = self;
    return hl_chat_count(l->model, r, ret_tokens, err);
}

static hl_status generate(void *self, const hl_request *r, hl_token_fn *on_token, void *user,
                          hl_usage *ret_usage, hl_err *err) {
    const hl_loaded *l = self;
    return hl_runner_generate(l->runner, r, on_token, user, ret_usage, err);
}

void hl_loaded_partner(hl_loaded *loaded, const hl_source *source, hl_partner *ret_partner) {
    const hl_request r = {.stored_template = source->stored ? source->stored->template_text : NULL};
    hl_template_choice template;
    hl_chat_choose_template(loaded->model, &r, &template);
    *ret_partner = (hl_partner){.self = loaded,
                                .count = count,
                                .generate = generate,
                                .stored = source->stored,
                                .has_template = template.text.len > 0,
                                .n_ctx = loaded->n_ctx};
}
