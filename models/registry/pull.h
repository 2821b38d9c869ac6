/* SPDX-License-Identifier: MIT
 *
 * pull.h - shared by the files of a pull: what is fetched, and how far it is.
 */
#ifndef HL_MODELS_REGISTRY_PULL_H
#define HL_MODELS_REGISTRY_PULL_H

#include "core/base/arena.h"
#include "models/registry/download.h"
#include "models/registry/remote.h"

typedef struct hl_pull {
    hl_store                *s;
    const hl_remote_options *remote_options;
    const hl_pull_options   *options;
    hl_ref                   ref;
    hl_remote                remote;
    hl_arena                 arena;         /* of the texts below */
    hl_str                   manifest_text; /* of a registry, as it came */
    hl_manifest              manifest;
    hl_download             *files; /* [n_files] */
    size_t                   n_files;
    hl_pulled                result;
} hl_pull;

/* Say a status without a file. fails HL_E_CANCEL */
HL_MUST_CHECK hl_status hl_pull_say(hl_pull *p, const char *status, hl_err *err);

/* Find out what is to be fetched: fills files (registry: the manifest, too). */
HL_MUST_CHECK hl_status hl_pull_ask_registry(hl_pull *p, hl_err *err);
HL_MUST_CHECK hl_status hl_pull_ask_hub(hl_pull *p, hl_err *err);

/* Is this file in the store, whole? */
bool hl_pull_is_here(hl_pull *p, const hl_download *d);
/* What is known when they are. */
void hl_pull_describe(hl_pull *p, hl_coming *ret);

/* Which files of a list a quantization names (hub.c): the model's parts in order, then a projector.
 *
 * in     root   the hub's answer about a repository
 *        quant  "latest": the one that suits most
 * out    files  to be freed with hl_free(); texts live in the arena. urls are paths inside the repository
 * fails  HL_E_NOT_FOUND  there is none: with those that there are; HL_E_FORMAT, HL_E_NOMEM */
HL_MUST_CHECK hl_status hl_hub_choose(hl_view json, const char *quant, hl_arena *arena,
                                      hl_download **ret_files, size_t *ret_n,
                                      char ret_revision[HL_DIGEST_BYTES], hl_err *err);

#endif
