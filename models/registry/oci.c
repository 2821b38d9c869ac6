/* SPDX-License-Identifier: MIT
 *
 * oci.c - a registry's manifest: Ollama's dialect, and any server of OCI's distribution protocol.
 *
 * from: OCI distribution specification 1.1; Docker registry HTTP API v2
 */
#include <stdio.h>
#include <string.h>

#include "core/base/mem.h"
#include "core/data/json.h"
#include "core/data/sha256.h"
#include "models/registry/pull.h"

#define MEDIA_OCI "application/vnd.oci.image.manifest.v1+json"

/* ---- the manifest ---- */

static hl_status ask_manifest(hl_pull *p, hl_err *err) {
    static const char *const headers[] = {"Accept: " HL_MEDIA_MANIFEST ", " MEDIA_OCI, NULL};
    const hl_ref            *ref = &p->ref;
    hl_transfer             *t = NULL;
    hl_str                   url;
    char                     shown[HL_NAME_TEXT_BYTES];
    hl_name_format(&ref->name, shown);
    hl_str_init(&url, SIZE_MAX);
    hl_str_add_format(&url, "%s/v2/%s/manifests/%s%s", p->remote.base, p->remote.repository,
                      ref->digest[0] ? "sha256:" : "", ref->digest[0] ? ref->digest : ref->name.tag);
    const hl_net_call call = {
        .method = "GET", .url = hl_str_text(&url), .headers = headers, .body_limit = HL_MANIFEST_MAX_BYTES};
    hl_status status = hl_remote_ask(&p->remote, &call, &t, err);
    if (status == HL_OK) {
        const hl_http_reply *a = hl_transfer_reply(t);
        if (a->code == 200)
            hl_str_add_view(&p->manifest_text, hl_str_view(&a->body));
        else if (a->code == 404)
            status = hl_fail(err, HL_E_NOT_FOUND, "model '%s' not found in the registry %s", shown,
                             p->remote.host);
        else
            status = hl_remote_fail(a, shown, err);
    }
    hl_transfer_free(t);
    hl_str_done(&url);
    return status == HL_OK ? hl_str_check(&p->manifest_text, "manifest", err) : status;
}

static bool is_known(const char *media_type) {
    const hl_layer_kind kind = hl_layer_kind_of(media_type);
    return kind != HL_LAYER_OTHER;
}

/* A list of other manifests, an image, a model for another kind of program: say so before gigabytes come. */
static hl_status check_manifest(const hl_pull *p, hl_err *err) {
    json_t     *root = NULL;
    char        list[200] = "";
    size_t      used = 0, n_weights = 0;
    const char *host = p->remote.host;
    hl_status   status = hl_json_parse(hl_str_view(&p->manifest_text), "manifest", &root, err);
    if (status != HL_OK) return status;
    const char *type = hl_json_text(root, "mediaType");
    if (json_is_array(json_object_get(root, "manifests")))
        status = hl_fail(err, HL_E_UNSUPPORTED,
                         "%s: the manifest is a list of manifests, expected that of one model", host);
    else if (type && strcmp(type, HL_MEDIA_MANIFEST) != 0 && strcmp(type, MEDIA_OCI) != 0)
        status = hl_fail(err, HL_E_UNSUPPORTED, "%s: manifest of media type '%.100s', expected %s or %s",
                         host, type, HL_MEDIA_MANIFEST, MEDIA_OCI);
    for (size_t i = 0; i < p->manifest.n_layers; i++) {
        const char *layer = p->manifest.layers[i].media_type;
        n_weights += hl_layer_kind_of(layer) == HL_LAYER_SHARD;
        if (status == HL_OK && hl_layer_kind_of(layer) == HL_LAYER_REMOTE)
            status =
                hl_fail(err, HL_E_UNSUPPORTED,
                        "%s: the model would have its prompts answered elsewhere (%s); such models are made "
                        "here alone, by `hyperlama create`",
                        host, layer);
        if (!is_known(layer) && used + strlen(layer) + 3 < sizeof list && !strstr(list, layer))
            used += (size_t)snprintf(list + used, sizeof list - used, "%s%s", used ? ", " : "", layer);
    }
    if (status == HL_OK && n_weights == 0)
        status =
            hl_fail(err, HL_E_UNSUPPORTED, "%s: no layer of the manifest has GGUF weights (%s); found %s",
                    host, HL_MEDIA_MODEL, used ? list : "no layers");
    json_decref(root);
    return status;
}

static hl_status check_digest(hl_pull *p, hl_err *err) {
    const hl_status status = hl_sha256_of(p->manifest_text.ptr, p->manifest_text.len, p->result.digest, err);
    if (status != HL_OK || !p->ref.digest[0] || strcmp(p->ref.digest, p->result.digest) == 0) return status;
    return hl_fail(err, HL_E_FORMAT, "%s: the manifest has sha256:%s, asked for was sha256:%s",
                   p->remote.host, p->result.digest, p->ref.digest);
}

/* ---- its files ---- */

static hl_status add_file(hl_pull *p, const hl_blob_layer *layer, hl_err *err) {
    hl_str url;
    if (!layer->digest[0]) return HL_OK;
    for (size_t i = 0; i < p->n_files; i++) {
        if (strcmp(p->files[i].digest, layer->digest) != 0) continue;
        if (p->files[i].size_bytes == layer->size_bytes) return HL_OK;
        return hl_fail(err, HL_E_FORMAT, "%s: the manifest gives one layer two sizes", p->remote.host);
    }
    hl_str_init(&url, SIZE_MAX);
    hl_str_add_format(&url, "%s/v2/%s/blobs/sha256:%s", p->remote.base, p->remote.repository, layer->digest);
    hl_download *d = &p->files[p->n_files];
    *d = (hl_download){.url = hl_arena_get_text(&p->arena, hl_str_text(&url), url.len),
                       .media_type = layer->media_type,
                       .size_bytes = layer->size_bytes};
    d->partial.fd = d->partial.map_fd = -1;
    memcpy(d->digest, layer->digest, sizeof d->digest);
    hl_str_done(&url);
    if (!d->url) return hl_fail(err, HL_E_NOMEM, "pull: no memory");
    p->n_files++;
    return HL_OK;
}

hl_status hl_pull_ask_registry(hl_pull *p, hl_err *err) {
    hl_status status = hl_remote_init_registry(&p->remote, p->remote_options, p->s->events, &p->ref,
                                               p->options->insecure, false, err);
    if (status == HL_OK) status = hl_pull_say(p, "pulling manifest", err);
    if (status == HL_OK) status = ask_manifest(p, err);
    if (status == HL_OK) status = check_digest(p, err);
    if (status == HL_OK)
        status = hl_manifest_parse(hl_str_view(&p->manifest_text), "manifest", &p->arena, &p->manifest, err);
    if (status == HL_OK) status = check_manifest(p, err);
    if (status != HL_OK) return status;
    p->files = hl_new(p->manifest.n_layers + 1, sizeof *p->files);
    if (!p->files) return hl_fail(err, HL_E_NOMEM, "pull: no memory for %zu layers", p->manifest.n_layers);
    for (size_t i = 0; i < p->manifest.n_layers && status == HL_OK; i++)
        status = add_file(p, &p->manifest.layers[i], err);
    return status == HL_OK ? add_file(p, &p->manifest.config, err) : status;
}
