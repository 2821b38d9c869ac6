/* SPDX-License-Identifier: MIT
 *
 * paths.c - where the store, the database, the history and the settings file are.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/base/mem.h"
#include "core/base/str.h"
#include "host/host.h"

enum { MAX_PATH_BYTES = 4000 };

/* "a/b/c" of up to three parts; NULL parts end the list. NULL: no memory, or too long. */
static char *join(const char *a, const char *b, const char *c) {
    hl_str s;
    hl_str_init(&s, MAX_PATH_BYTES);
    hl_str_add_text(&s, a);
    while (s.len > 1 && s.ptr && s.ptr[s.len - 1] == '/') s.ptr[--s.len] = '\0';
    if (b) hl_str_add_format(&s, "/%s", b);
    if (c) hl_str_add_format(&s, "/%s", c);
    char *text = hl_str_take(&s);
    hl_str_done(&s);
    return text;
}

/* A file beside another one. */
static char *join_beside(const char *path, const char *name) {
    const char *slash = strrchr(path, '/');
    char       *folder = slash ? hl_strndup(path, (size_t)(slash - path)) : hl_strdup(".");
    char       *made = folder ? join(*folder ? folder : "/", name, NULL) : NULL;
    hl_free(folder);
    return made;
}

/* As the XDG base directory specification 0.8 asks: a relative path counts as not set. */
static const char *xdg(char *const *envp, const char *name) {
    const char *v = hl_env_get(envp, name);
    return v && v[0] == '/' ? v : NULL;
}

hl_status hl_paths_init(hl_paths *p, char *const *envp, hl_err *err) {
    *p = (hl_paths){.envp = envp};
    const char *home = hl_env_get(envp, "HOME");
    const char *own = hl_env_get(envp, "HYPERLAMA_HOME");
    const char *data = xdg(envp, "XDG_DATA_HOME");
    const char *config = hl_env_get(envp, "HYPERLAMA_CONFIG");
    const char *xdg_config = xdg(envp, "XDG_CONFIG_HOME");
    if (!own && !data && !home)
        return hl_fail(err, HL_E_ARG, "no place for data: set HYPERLAMA_HOME or HOME");

    p->user = home ? join(home, NULL, NULL) : NULL;
    p->home = own    ? join(own, NULL, NULL)
              : data ? join(data, "hyperlama", NULL)
                     : join(home, ".local/share/hyperlama", NULL);
    if (!p->home) goto nomem;
    if (config)
        p->config_file = join(config, NULL, NULL);
    else if (xdg_config)
        p->config_file = join(xdg_config, "hyperlama", "hyperlama.ini");
    else if (home)
        p->config_file = join(home, ".config/hyperlama", "hyperlama.ini");
    else
        p->config_file = join(p->home, "hyperlama.ini", NULL);
    p->models = join(p->home, "models", NULL);
    p->db = join(p->home, "hyperlama.db", NULL);
    p->cache = join(p->home, "cache", NULL);
    p->history = join(p->home, "history", NULL);
    p->logs = join(p->home, "logs", NULL);
    p->profiles = p->config_file ? join_beside(p->config_file, "engines.ini") : NULL;
    if (p->config_file && p->models && p->db && p->cache && p->history && p->logs && p->profiles)
        return HL_OK;
nomem:
    return hl_fail(err, HL_E_NOMEM, "paths: no memory, or a path over %d bytes", MAX_PATH_BYTES);
}

/* "~/x:/y" with the home in place of "~". */
static hl_status expand_dirs(hl_paths *p, const char *dirs, hl_err *err) {
    hl_str s;
    hl_str_init(&s, 16 * MAX_PATH_BYTES);
    for (const char *at = dirs; *at;) {
        const size_t n = strcspn(at, ":");
        hl_view      dir = hl_view_trim((hl_view){at, n});
        const bool   is_home = dir.len > 0 && dir.ptr[0] == '~' && (dir.len == 1 || dir.ptr[1] == '/');
        if (s.len > 0) hl_str_add_char(&s, ':');
        if (is_home && p->user) {
            hl_str_add_text(&s, p->user);
            dir = (hl_view){dir.ptr + 1, dir.len - 1};
        }
        hl_str_add_view(&s, dir);
        at += n + (at[n] == ':');
    }
    hl_free(p->dirs);
    p->dirs = hl_str_take(&s);
    hl_str_done(&s);
    return p->dirs ? HL_OK : hl_fail(err, HL_E_NOMEM, "paths: no memory");
}

hl_status hl_paths_apply(hl_paths *p, const hl_config *config, hl_err *err) {
    const char *models = hl_config_text(config, HL_SETTING_store_models_dir);
    const char *dirs = hl_config_text(config, HL_SETTING_store_dirs);
    if (dirs[0]) {
        const hl_status status = expand_dirs(p, dirs, err);
        if (status != HL_OK) return status;
    }
    if (!models[0]) return HL_OK;
    char *path = join(models, NULL, NULL);
    if (!path) return hl_fail(err, HL_E_NOMEM, "paths: no memory");
    hl_free(p->models);
    p->models = path;
    return HL_OK;
}

void hl_paths_done(hl_paths *p) {
    hl_free(p->home);
    hl_free(p->models);
    hl_free(p->db);
    hl_free(p->dirs);
    hl_free(p->user);
    hl_free(p->cache);
    hl_free(p->history);
    hl_free(p->logs);
    hl_free(p->profiles);
    hl_free(p->config_file);
    *p = (hl_paths){0};
}

bool hl_path_is_writable(const char *path) {
    char there[MAX_PATH_BYTES + 100];
    (void)snprintf(there, sizeof there, "%s", path);
    while (access(there, F_OK) != 0 && errno == ENOENT) {
        char *slash = strrchr(there, '/');
        if (!slash) return access(".", W_OK) == 0;
        slash[slash == there] = '\0';
    }
    return access(there, W_OK) == 0;
}
