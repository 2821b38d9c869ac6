/* SPDX-License-Identifier: MIT
 *
 * manifest.h - the list of blobs that makes a model: Docker's manifest v2 with Ollama's media types.
 *
 * A manifest knows digests and sizes, not files. All texts live in the arena that was given.
 */
#ifndef HL_MODELS_MANIFEST_H
#define HL_MODELS_MANIFEST_H

#include "core/base/arena.h"
#include "core/base/str.h"
#include "models/models.h"

#define HL_MEDIA_MANIFEST  "application/vnd.docker.distribution.manifest.v2+json"
#define HL_MEDIA_CONFIG    "application/vnd.docker.container.image.v1+json"
#define HL_MEDIA_PREFIX    "application/vnd.ollama.image."
#define HL_MEDIA_MODEL     HL_MEDIA_PREFIX "model"
#define HL_MEDIA_PROJECTOR HL_MEDIA_PREFIX "projector"
#define HL_MEDIA_ADAPTER   HL_MEDIA_PREFIX "adapter"
#define HL_MEDIA_DRAFT     HL_MEDIA_PREFIX "draft"
#define HL_MEDIA_TEMPLATE  HL_MEDIA_PREFIX "template"
#define HL_MEDIA_PROMPT    HL_MEDIA_PREFIX "prompt" /* legacy name of a template */
#define HL_MEDIA_SYSTEM    HL_MEDIA_PREFIX "system"
#define HL_MEDIA_PARAMS    HL_MEDIA_PREFIX "params"
#define HL_MEDIA_MESSAGES  HL_MEDIA_PREFIX "messages"
#define HL_MEDIA_LICENSE   HL_MEDIA_PREFIX "license"
/* Whose answers come from elsewhere (docs/formats/store.md). Made here alone, and never taken from others: it
 * says whom prompts and keys are sent to. */
#define HL_MEDIA_REMOTE "application/vnd.hyperlama.remote+json"

enum { HL_MANIFEST_MAX_BYTES = 4 << 20, HL_MANIFEST_MAX_LAYERS = 16384 };

typedef struct hl_blob_layer {
    const char *media_type;
    char        digest[HL_DIGEST_BYTES];
    uint64_t    size_bytes;
} hl_blob_layer;

typedef struct hl_manifest {
    hl_blob_layer  config; /* digest "" when the manifest has none */
    size_t         n_layers;
    hl_blob_layer *layers;
} hl_manifest;

/* Is this a digest: "sha256:" or "sha256-" and 64 hex digits? Writes the digits in lower case. */
bool hl_digest_parse(const char *text, char ret_hex[HL_DIGEST_BYTES]);

/* Parse a manifest. `what` names it in messages.
 * fails  HL_E_FORMAT  the field, what was found, what was expected; HL_E_LIMIT, HL_E_NOMEM */
HL_MUST_CHECK hl_status hl_manifest_parse(hl_view text, const char *what, hl_arena *arena, hl_manifest *ret,
                                          hl_err *err);

/* Append the manifest as JSON, with the fields in the order that Ollama writes them. */
void hl_manifest_format(const hl_manifest *m, hl_str *s);

/* Config and all layers. */
uint64_t hl_manifest_size(const hl_manifest *m);

#endif
