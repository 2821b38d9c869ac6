/* SPDX-License-Identifier: MIT
 *
 * transfer.c - pull and push as the settings say.
 */
#include <stdio.h>
#include <string.h>

#include "core/base/cpus.h"
#include "core/base/mem.h"
#include "core/base/size_text.h"
#include "core/base/str.h"
#include "host/host_priv.h"
#include "models/registry.h"

enum { MOST_WORDS = 2000 };

/* Paths that the options point to. */
typedef struct option_paths {
    char key[4096], docker[4096];
} option_paths;

/* Docker's config.json: where DOCKER_CONFIG says, else in the home folder. */
static void find_docker_config(const hl_host *h, char *ret, size_t cap) {
    const char *folder = hl_env_get(h->paths->envp, "DOCKER_CONFIG"),
               *home = hl_env_get(h->paths->envp, "HOME");
    *ret = '\0';
    if (folder || home)
        (void)snprintf(ret, cap, "%s%s/config.json", folder ? folder : home, folder ? "" : "/.docker");
}

static void fill_options(const hl_host *h, option_paths *paths, hl_remote_options *ret) {
    const hl_config *c = h->config;
    const char      *key = hl_config_text(c, HL_SETTING_registry_key_file);
    const char      *auth = hl_config_text(c, HL_SETTING_registry_auth_file);
    (void)snprintf(paths->key, sizeof paths->key, "%s%s", *key ? key : h->paths->home,
                   *key ? "" : "/id_ed25519");
    find_docker_config(h, paths->docker, sizeof paths->docker);
    *ret = (hl_remote_options){
        .ca_file = hl_config_text(c, HL_SETTING_registry_ca_file),
        .hub_url = hl_config_text(c, HL_SETTING_registry_hub),
        .hub_token = hl_env_get(h->paths->envp, "HF_TOKEN"),
        .key_file = paths->key,
        .auth_file = *auth ? auth : paths->docker,
        .max_bytes_s = hl_config_int(c, HL_SETTING_registry_max_kib_s) * 1024,
        .time_limit_ms = hl_config_int(c, HL_SETTING_registry_time_limit_s) * 1000,
        .stall_ms = hl_config_int(c, HL_SETTING_registry_stall_s) * 1000,
        .n_requests = (int)hl_config_int(c, HL_SETTING_registry_requests),
    };
}

hl_status hl_host_check_online(const hl_host *h, const char *name, hl_err *err) {
    if (__atomic_load_n(&h->is_cut_off, __ATOMIC_RELAXED))
        return hl_fail(err, HL_E_UNSUPPORTED,
                       "'%s': this server was started with --airgap: no connection leaves it, so nothing is "
                       "pulled or pushed",
                       name);
    if (hl_config_bool(h->config, HL_SETTING_registry_offline))
        return hl_fail(err, HL_E_UNSUPPORTED, "'%s': registry.offline is set: nothing is pulled or pushed",
                       name);
    return HL_OK;
}

void hl_host_cut_off(hl_host *h) { __atomic_store_n(&h->is_cut_off, true, __ATOMIC_RELAXED); }

/* ---- a model by its headers ---- */

/* Messages name the model, and not the file in memory that its header is in. */
static void hide_path(const char *path, hl_err *err) {
    char        quoted[64];
    const char *at;
    if (!err) return;
    const int n = snprintf(quoted, sizeof quoted, "'%s': ", path);
    while ((at = strstr(err->text, quoted)) != NULL) {
        char *to = err->text + (at - err->text);
        memmove(to, to + n, strlen(to + n) + 1);
    }
}

static hl_status open_headers(hl_host *h, const hl_headers *headers, hl_model **ret_model, hl_err *err) {
    const hl_model_params p = {.vocab_only = false};
    hl_engine            *engine = NULL;
    hl_err                why = {0};
    hl_status             status = hl_host_engine(h, -1, &engine, &why);
    if (status == HL_OK) status = hl_model_open(engine, headers->paths, headers->n, &p, ret_model, &why);
    if (status == HL_OK) return HL_OK;
    for (size_t i = 0; i < headers->n; i++) hide_path(headers->paths[i], &why);
    return hl_fail(err, status, "%s", why.text);
}

/* An hl_pull_look_fn. */
static hl_status take_peek(void *user, const hl_coming *c, hl_err *err) {
    hl_peek  *p = user;
    hl_status status = hl_coming_fetch_headers(c, &p->headers, err);
    if (status != HL_OK) return status;
    hl_name_format(&c->name, p->label);
    p->room_bytes = c->room_bytes;
    p->fetched_bytes = p->headers->fetched_bytes;
    p->total_bytes = c->total_bytes == UINT64_MAX ? p->headers->n_bytes : c->total_bytes;
    p->missing_bytes = c->missing_bytes == UINT64_MAX ? p->headers->n_bytes : c->missing_bytes;
    return HL_OK;
}

void hl_peek_free(hl_peek *p) {
    if (!p) return;
    hl_model_close(p->model);
    hl_headers_free(p->headers);
    hl_free(p);
}

hl_status hl_host_peek(hl_host *h, const char *name, bool insecure, hl_peek **ret_peek, hl_err *err) {
    hl_remote_options remote;
    option_paths      paths;
    hl_store         *store = NULL;
    hl_peek          *p = NULL;
    hl_status         status = hl_host_check_online(h, name, err);
    if (status == HL_OK) status = hl_host_store(h, &store, err);
    if (status != HL_OK) return status;
    fill_options(h, &paths, &remote);
    p = hl_new(1, sizeof *p);
    if (!p) return hl_fail(err, HL_E_NOMEM, "'%s': no memory", name);
    const hl_pull_options o = {.insecure = insecure, .dry_run = true, .look = take_peek, .look_user = p};
    status = hl_store_pull(store, &remote, name, &o, NULL, err);
    if (status == HL_OK)
        status = hl_fail_within(err, open_headers(h, p->headers, &p->model, err), "model '%s'", p->label);
    if (status == HL_OK)
        *ret_peek = p;
    else
        hl_peek_free(p);
    return status;
}

/* ---- does it fit? ---- */

typedef struct fitting {
    hl_host *h;
    bool     refuses;
} fitting;

static void add_bytes(hl_str *s, uint64_t n) {
    char text[HL_SIZE_TEXT_BYTES];
    hl_format_bytes(n, text);
    hl_str_add_text(s, text);
}

static void judge_disk(const hl_coming *c, hl_str *out) {
    if (c->missing_bytes == UINT64_MAX || c->room_bytes == UINT64_MAX || c->missing_bytes <= c->room_bytes)
        return;
    hl_str_add_text(out, "its download has ");
    add_bytes(out, c->missing_bytes);
    hl_str_add_text(out, ", the disk has room for ");
    add_bytes(out, c->room_bytes);
}

static void judge_plan(const hl_host *h, const hl_model *m, hl_str *out) {
    hl_memory_plan plan = {0};
    if (hl_host_fits(h, m, &plan)) return;
    if (out->len > 0) hl_str_add_text(out, "; ");
    hl_str_add_text(out, "it needs ");
    add_bytes(out, plan.weights_bytes + plan.kv_bytes + plan.scratch_bytes);
    hl_str_add_text(out, " of memory with its usual context (weights ");
    add_bytes(out, plan.weights_bytes);
    hl_str_add_text(out, ", cache ");
    add_bytes(out, plan.kv_bytes);
    hl_str_add_text(out, ", buffers ");
    add_bytes(out, plan.scratch_bytes);
    hl_str_add_text(out, "), ");
    add_bytes(out, plan.available_bytes);
    hl_str_add_text(out, " are free");
}

/* What takes less than half of what is free fits, whatever its header says: most pulls ask nothing more. */
static hl_status judge_memory(hl_host *h, const hl_coming *c, hl_str *out, hl_err *err) {
    const uint64_t have = hl_memory_available();
    hl_headers    *headers = NULL;
    hl_model      *m = NULL;
    hl_err         why = {0};
    if (have == 0 || (c->weights_bytes != UINT64_MAX && c->weights_bytes <= have / 2)) return HL_OK;
    hl_status status = hl_coming_fetch_headers(c, &headers, &why);
    if (status == HL_OK && headers->n_bytes > have / 2) {
        status = open_headers(h, headers, &m, &why);
        if (status == HL_OK) judge_plan(h, m, out);
        if (status == HL_E_UNSUPPORTED) { /* whoever wants the file may have it all the same */
            if (out->len > 0) hl_str_add_text(out, "; ");
            hl_str_add_format(out, "this build cannot run it: %s", why.text);
        }
    }
    hl_model_close(m);
    hl_headers_free(headers);
    /* what is wrong with it the download finds out, and says better */
    return status == HL_E_CANCEL || status == HL_E_NOMEM ? hl_fail(err, status, "%s", why.text) : HL_OK;
}

/* An hl_pull_look_fn. */
static hl_status check_fit(void *user, const hl_coming *c, hl_err *err) {
    const fitting *f = user;
    hl_str         text;
    char           name[HL_NAME_TEXT_BYTES];
    hl_status      status = HL_OK;
    if (c->missing_bytes == 0) return HL_OK;
    hl_str_init(&text, MOST_WORDS);
    judge_disk(c, &text);
    status = judge_memory(f->h, c, &text, err);
    hl_name_format(&c->name, name);
    if (status == HL_OK && text.len > 0 && f->refuses)
        status = hl_fail(err, HL_E_LIMIT, "'%s' does not fit: %s (registry.fit is \"refuse\")", name,
                         hl_str_text(&text));
    else if (status == HL_OK && text.len > 0)
        hl_event(f->h->events, HL_LOG_WARN, "host", "model-too-large",
                 "model=\"%s\" why=\"%s\" action=\"%s\"", name, hl_str_text(&text),
                 "it is fetched all the same; registry.fit=refuse stops that");
    hl_str_done(&text);
    return status;
}

hl_status hl_host_pull(hl_host *h, const char *name, const hl_pull_options *options, hl_pulled *ret_pulled,
                       hl_err *err) {
    hl_remote_options remote;
    option_paths      paths;
    hl_store         *store = NULL;
    hl_status         status = hl_host_check_online(h, name, err);
    if (status == HL_OK) status = hl_host_store(h, &store, err);
    if (status != HL_OK) return status;
    fill_options(h, &paths, &remote);
    const char     *how = hl_config_text(h->config, HL_SETTING_registry_fit);
    fitting         f = {.h = h, .refuses = strcmp(how, "refuse") == 0};
    hl_pull_options o = options ? *options : (hl_pull_options){0};
    if (!o.glances && strcmp(how, "off") != 0) {
        o.look = check_fit;
        o.look_user = &f;
    }
    return hl_store_pull(store, &remote, name, &o, ret_pulled, err);
}

hl_status hl_host_push(hl_host *h, const char *name, const hl_push_options *options, hl_err *err) {
    hl_remote_options remote;
    option_paths      paths;
    hl_store         *store = NULL;
    hl_status         status = hl_host_check_online(h, name, err);
    if (status == HL_OK) status = hl_host_store(h, &store, err);
    if (status != HL_OK) return status;
    fill_options(h, &paths, &remote);
    return hl_store_push(store, &remote, name, options, err);
}
