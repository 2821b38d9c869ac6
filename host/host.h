/* SPDX-License-Identifier: MIT
 *
 * host.h - from a name to a loaded runner: the front door of host/ for server and cli.
 *
 * Composes what must not know each other: the store (names, manifests) and the engine (weights, tokens).
 */
#ifndef HL_HOST_HOST_H
#define HL_HOST_HOST_H

#include "core/base/config.h"
#include "hyperlama/base.h"

/* Where things live. Absolute where the environment allows it; each ends without a slash. */
typedef struct hl_paths {
    char *home;        /* $HYPERLAMA_HOME, else $XDG_DATA_HOME/hyperlama, else ~/.local/share/hyperlama */
    char *models;      /* setting store.models_dir (so OLLAMA_MODELS too), else home/models */
    char *db;          /* home/hyperlama.db */
    char *cache;       /* home/cache */
    char *history;     /* home/history */
    char *config_file; /* $HYPERLAMA_CONFIG, else $XDG_CONFIG_HOME/hyperlama/hyperlama.ini, else ~/.config/... */
} hl_paths;

/* fails  HL_E_ARG    no home folder: neither HYPERLAMA_HOME nor HOME is set
 *        HL_E_NOMEM
 * owns   hl_paths_done(), also after a failure */
HL_MUST_CHECK hl_status hl_paths_init(hl_paths *p, char *const *envp, hl_err *err);
/* Put the models folder where the settings say. Call after the settings are read. */
HL_MUST_CHECK hl_status hl_paths_apply(hl_paths *p, const hl_config *config, hl_err *err);
void hl_paths_done(hl_paths *p);

/* Make a folder of ours, with its parents, readable by its owner only.
 * fails  HL_E_IO */
HL_MUST_CHECK hl_status hl_make_folder(const char *path, hl_err *err);

#endif
