/* SPDX-License-Identifier: MIT
 *
 * load.c - from the files of a model to one that answers.
 */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/mem.h"
#include "core/data/sha256.h"
#include "host/host_priv.h"
#include "host/remote/remote_model.h"
#include "hyperlama/experts.h"
#include "hyperlama/native.h"

const char *hl_host_kv_type(const hl_host *h) { return hl_config_text(h->config, HL_SETTING_engine_kv_type); }

void hl_host_session_params(const hl_host *h, const hl_options *options, hl_session_params *ret_params) {
    static const struct {
        const char      *word;
        hl_kv_cache_type type;
    } kinds[] = {{"f16", HL_KV_CACHE_F16},
                 {"f32", HL_KV_CACHE_F32},
                 {"bf16", HL_KV_CACHE_BF16},
                 {"q8_0", HL_KV_CACHE_Q8_0}};
    hl_session_params p = {0};
    const char       *kind = hl_host_kv_type(h);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (strcmp(kind, kinds[i].word) == 0) p.kv_type = kinds[i].type;
    }
    p.n_ctx = options ? options->num_ctx : (int32_t)hl_config_int(h->config, HL_SETTING_engine_n_ctx);
    p.n_batch = options ? options->num_batch : (int32_t)hl_config_int(h->config, HL_SETTING_engine_n_batch);
    *ret_params = p;
}

hl_status hl_source_open(hl_engine *engine, const hl_source *source, bool vocab_only, hl_model **ret_model,
                         hl_err *err) {
    const hl_model_params p = {.vocab_only = vocab_only};
    hl_model             *m = NULL;
    if (source->n_paths == 0)
        return hl_fail(err, HL_E_UNSUPPORTED, "model '%s' has no GGUF weights", source->label);
    hl_status status = hl_model_open(engine, source->paths, source->n_paths, &p, &m, err);
    if (status == HL_OK && !vocab_only) status = hl_source_add_adapters(source, m, err);
    if (status == HL_OK)
        *ret_model = m;
    else
        hl_model_close(m);
    return status;
}

hl_status hl_host_open_model(hl_host *h, const hl_source *source, bool vocab_only, hl_model **ret_model,
                             hl_err *err) {
    hl_engine *engine = NULL;
    hl_status  status = hl_host_engine(h, -1, &engine, err);
    if (status == HL_OK) status = hl_source_open(engine, source, vocab_only, ret_model, err);
    if (status != HL_OK) (void)hl_fail_within(err, status, "model '%s'", source->label);
    return status;
}

hl_status hl_source_can_answer(const hl_source *s, hl_err *err) {
    if (s->remote || s->n_paths > 0) return HL_OK;
    return hl_fail(err, HL_E_UNSUPPORTED, "model '%s' has no GGUF weights", s->label);
}

/* As Ollama tells them apart: a file that says how to pool vectors is for embedding. What drafts for others
 * can do nothing alone. */
void hl_capabilities_find(const hl_model *m, const hl_chat_caps *caps, hl_capabilities *ret) {
    hl_model_info info;
    hl_model_get_info(m, &info);
    *ret = (hl_capabilities){.n = 0};
    if (info.drafts_for_others) return;
    *ret = (hl_capabilities){.names = {info.is_for_embedding ? "embedding" : "completion"}, .n = 1};
    if (caps->tools) ret->names[ret->n++] = "tools";
    if (caps->fill) ret->names[ret->n++] = "insert";
    if (caps->can_think) ret->names[ret->n++] = "thinking";
}

bool hl_host_fits(const hl_host *h, const hl_model *m, hl_memory_plan *ret_plan) {
    hl_session_params p;
    hl_memory_plan    plan;
    hl_host_session_params(h, NULL, &p);
    if (hl_session_plan(m, &p, &plan, NULL) != HL_OK) return true;
    *ret_plan = plan;
    return hl_memory_judge(m, &plan) != HL_FITS_NOT;
}

/* The file of the draft that is stored with a model. */
static hl_status find_stored_draft(const hl_stored_model *m, hl_source **ret_draft, hl_err *err) {
    hl_source   *s = hl_new(1, sizeof *s);
    const size_t n = strlen(m->entry.text) + sizeof " (draft)";
    if (s) s->label = hl_new(n, 1);
    if (!s || !s->label) {
        hl_source_free(s);
        return hl_fail(err, HL_E_NOMEM, "no memory");
    }
    (void)snprintf(s->label, n, "%s (draft)", m->entry.text);
    s->one_path[0] = m->draft_path;
    s->paths = s->one_path;
    s->n_paths = 1;
    *ret_draft = s;
    return HL_OK;
}

hl_status hl_host_find_draft(hl_host *h, const hl_source *of, hl_source **ret_draft, bool *ret_is_asked,
                             hl_err *err) {
    const char *name = hl_config_text(h->config, HL_SETTING_engine_draft);
    *ret_draft = NULL;
    *ret_is_asked = name[0] != '\0';
    if (*ret_is_asked) return hl_host_find(h, name, HL_OPEN_FOR_LOAD, ret_draft, err);
    return of->stored && of->stored->draft_path ? find_stored_draft(of->stored, ret_draft, err) : HL_OK;
}

void hl_host_tell_no_draft(const hl_host *h, const hl_source *of, const hl_err *why) {
    hl_event(h->events, HL_LOG_WARN, "host", "draft-unusable",
             "model=\"%s\" why=\"%s\" action=\"working without it\"", of->label, why->text);
}

/* With adapters it is another model, which shares no answers. */
bool hl_source_name_weights(const hl_source *source, char *ret, size_t cap) {
    char digest[HL_SHA256_HEX_BYTES], adapters[24];
    if (source->remote) {
        if (hl_sha256_of(source->remote, strlen(source->remote), digest, NULL) != HL_OK) return false;
        return snprintf(ret, cap, "remote:%s", digest) < (int)cap;
    }
    const char *path = source->paths[0], *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path;
    struct stat st;
    if (!hl_source_name_adapters(source, adapters, sizeof adapters)) return false;
    if (strncmp(base, "sha256-", 7) == 0)
        return snprintf(ret, cap, "%s+%zu%s", base, source->n_paths, adapters) < (int)cap;
    if (stat(path, &st) != 0) return false;
    return snprintf(ret, cap, "file:%llx:%llx:%llx:%lld.%09ld%s", (unsigned long long)st.st_dev,
                    (unsigned long long)st.st_ino, (unsigned long long)st.st_size,
                    (long long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec, adapters) < (int)cap;
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

int32_t hl_ctx_within(const hl_options *o, int32_t n_ctx, int32_t n_ctx_train) {
    return o && o->is_ctx_capped && n_ctx_train > 0 && n_ctx > n_ctx_train ? n_ctx_train : n_ctx;
}

static hl_status make_runner(hl_host *h, const hl_source *source, const hl_options *options, hl_model *model,
                             hl_model *draft, hl_runner **ret_runner, hl_err *err) {
    enum { MIB = 1 << 20 };
    hl_session_params session;
    char              weights[128], folder[4096];
    hl_model_info     info;
    hl_host_session_params(h, options, &session);
    hl_model_get_info(model, &info);
    session.n_ctx = hl_ctx_within(options, session.n_ctx, info.n_ctx_train);
    hl_runner_params params = {
        .sched = {
            .n_running_cap = (int32_t)hl_config_int(h->config, HL_SETTING_engine_n_parallel),
            .n_ctx = session.n_ctx,
            .n_batch = session.n_batch,
            .max_itl_ms = (int32_t)hl_config_int(h->config, HL_SETTING_engine_max_itl_ms),
            .kv_type = session.kv_type,
            .kv_budget_bytes = (uint64_t)hl_config_int(h->config, HL_SETTING_engine_kv_budget_mib) * MIB,
            .draft = draft,
            .cache_quota_bytes = (uint64_t)hl_config_int(h->config, HL_SETTING_cache_quota_mib) * MIB,
        }};
    if (strcmp(hl_config_text(h->config, HL_SETTING_engine_speculate), "off") == 0)
        params.sched.speculate = HL_SPECULATE_OFF;
    if (params.sched.cache_quota_bytes > 0 && hl_source_name_weights(source, weights, sizeof weights) &&
        hl_host_saved_folder(h, folder, sizeof folder) && can_save(h, folder)) {
        params.sched.cache_dir = folder;
        params.sched.cache_key = weights;
    }
    return hl_runner_new(model, &params, ret_runner, err);
}

/* A draft that nobody asked for by name may be of another vocabulary: it is done without. */
hl_status hl_host_make_runner(hl_host *h, const hl_source *source, const hl_options *options, hl_model *model,
                              hl_model *draft, bool may_lack_draft, hl_runner **ret_runner,
                              bool *ret_is_drafting, hl_err *err) {
    hl_err    why = {0};
    hl_status status = make_runner(h, source, options, model, draft, ret_runner, &why);
    *ret_is_drafting = draft && status == HL_OK;
    if (status == HL_OK || !draft || !may_lack_draft) {
        if (status != HL_OK && err) *err = why;
        return status;
    }
    status = make_runner(h, source, options, model, NULL, ret_runner, err);
    if (status == HL_OK) hl_host_tell_no_draft(h, source, &why);
    return status;
}

hl_status hl_host_open_remote(hl_host *h, const hl_source *source, hl_runner **ret_runner, hl_err *err) {
    const hl_remote_model_place place = {.envp = h->paths->envp,
                                         .profiles_path = h->paths->profiles,
                                         .log_folder = h->paths->logs,
                                         .events = h->events};
    return hl_remote_model_open(source->remote, &place, ret_runner, err);
}

void hl_host_count_use(hl_host *h, const hl_source *source) {
    hl_store *store = NULL;
    if (source->stored && hl_host_store(h, &store, NULL) == HL_OK)
        hl_store_add_usage(store, &source->stored->entry.name);
}
