/* SPDX-License-Identifier: MIT
 *
 * transfer.c - pull and push as the settings say.
 */
#include <stdio.h>
#include <string.h>

#include "host/host_priv.h"
#include "models/registry.h"

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

hl_status hl_host_pull(hl_host *h, const char *name, const hl_pull_options *options, hl_pulled *ret_pulled,
                       hl_err *err) {
    hl_remote_options remote;
    option_paths      paths;
    hl_store         *store = NULL;
    hl_status         status = hl_host_check_online(h, name, err);
    if (status == HL_OK) status = hl_host_store(h, &store, err);
    if (status != HL_OK) return status;
    fill_options(h, &paths, &remote);
    return hl_store_pull(store, &remote, name, options, ret_pulled, err);
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
