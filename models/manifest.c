/* SPDX-License-Identifier: MIT
 *
 * manifest.c - read and write manifests.
 *
 * Unknown fields and media types are let through: newer writers add them.
 * from: Docker image manifest v2 schema 2; Ollama's media types
 */
#include "models/manifest.h"

#include <inttypes.h>
#include <string.h>

#include "core/data/json.h"

enum { MAX_MEDIA_TYPE_BYTES = 255 };

bool hl_digest_parse(const char *text, char ret_hex[HL_DIGEST_BYTES]) {
    if (!text || (strncmp(text, "sha256:", 7) != 0 && strncmp(text, "sha256-", 7) != 0)) return false;
    const char *hex = text + 7;
    char        digits[HL_DIGEST_BYTES];
    for (size_t i = 0; i < HL_DIGEST_BYTES - 1; i++) {
        const char c = hex[i];
        if (c >= 'A' && c <= 'F')
            digits[i] = (char)(c - 'A' + 'a');
        else if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'))
            digits[i] = c;
        else
            return false; /* the end of a short text comes here, too */
    }
    if (hex[HL_DIGEST_BYTES - 1] != '\0') return false;
    digits[HL_DIGEST_BYTES - 1] = '\0';
    memcpy(ret_hex, digits, sizeof digits);
    return true;
}

static hl_status parse_layer(const json_t *v, const char *what, const char *field, hl_arena *arena,
                             hl_blob_layer *ret, hl_err *err) {
    if (!json_is_object(v)) return hl_fail(err, HL_E_FORMAT, "%s: %s is not an object", what, field);
    const char *digest = hl_json_text(v, "digest");
    if (!hl_digest_parse(digest, ret->digest))
        return hl_fail(err, HL_E_FORMAT, "%s: %s: digest is '%.80s', expected sha256: and 64 hex digits",
                       what, field, digest ? digest : "(none)");
    const int64_t size = hl_json_int(v, "size", -1);
    if (size < 0)
        return hl_fail(err, HL_E_FORMAT, "%s: %s: size is %" PRId64 " or no number, expected bytes", what,
                       field, size);
    ret->size_bytes = (uint64_t)size;
    const char *type = hl_json_text(v, "mediaType");
    if (!type) type = "";
    if (strlen(type) > MAX_MEDIA_TYPE_BYTES)
        return hl_fail(err, HL_E_FORMAT, "%s: %s: mediaType has %zu bytes, expected at most %d", what, field,
                       strlen(type), MAX_MEDIA_TYPE_BYTES);
    ret->media_type = hl_arena_get_text(arena, type, strlen(type));
    if (!ret->media_type) return hl_fail(err, HL_E_NOMEM, "%s: no memory", what);
    return HL_OK;
}

static hl_status parse_root(const json_t *root, const char *what, hl_arena *arena, hl_manifest *ret,
                            hl_err *err) {
    if (!json_is_object(root)) return hl_fail(err, HL_E_FORMAT, "%s: not a JSON object", what);
    const int64_t version = hl_json_int(root, "schemaVersion", -1);
    if (version != 2)
        return hl_fail(err, HL_E_FORMAT, "%s: schemaVersion is %" PRId64 ", expected 2", what, version);
    const json_t *layers = json_object_get(root, "layers"), *config = json_object_get(root, "config");
    if (layers && !json_is_array(layers) && !json_is_null(layers))
        return hl_fail(err, HL_E_FORMAT, "%s: layers is not a list", what);
    const size_t n = json_array_size(layers);
    if (n > HL_MANIFEST_MAX_LAYERS)
        return hl_fail(err, HL_E_LIMIT, "%s: %zu layers, expected at most %d", what, n,
                       HL_MANIFEST_MAX_LAYERS);

    hl_manifest m = {
        .config = {.media_type = ""}, .n_layers = n, .layers = hl_arena_get(arena, n, sizeof *m.layers)};
    if (!m.layers) return hl_fail(err, HL_E_NOMEM, "%s: no memory for %zu layers", what, n);
    hl_status status = HL_OK;
    /* models of safetensors parts may have an empty config: {"digest": "", ...} */
    const char *digest = hl_json_text(config, "digest");
    if (digest && digest[0]) status = parse_layer(config, what, "config", arena, &m.config, err);
    for (size_t i = 0; i < n && status == HL_OK; i++) {
        status = parse_layer(json_array_get(layers, i), what, "layer", arena, &m.layers[i], err);
        if (status != HL_OK) (void)hl_fail_within(err, status, "layer %zu", i);
    }
    if (status == HL_OK) *ret = m;
    return status;
}

hl_status hl_manifest_parse(hl_view text, const char *what, hl_arena *arena, hl_manifest *ret, hl_err *err) {
    json_t *root = NULL;
    if (text.len > HL_MANIFEST_MAX_BYTES)
        return hl_fail(err, HL_E_LIMIT, "%s: %zu bytes, expected at most %d", what, text.len,
                       HL_MANIFEST_MAX_BYTES);
    hl_status status = hl_json_parse(text, what, &root, err);
    if (status == HL_OK) status = parse_root(root, what, arena, ret, err);
    json_decref(root);
    return status;
}

static void format_layer(const hl_blob_layer *l, hl_str *s) {
    hl_str_add_text(s, "{\"mediaType\":");
    hl_str_add_json(s, hl_view_of(l->media_type));
    hl_str_add_format(s, ",\"digest\":\"sha256:%s\",\"size\":%" PRIu64 "}", l->digest, l->size_bytes);
}

void hl_manifest_format(const hl_manifest *m, hl_str *s) {
    hl_str_add_text(s, "{\"schemaVersion\":2,\"mediaType\":\"" HL_MEDIA_MANIFEST "\",\"config\":");
    format_layer(&m->config, s);
    hl_str_add_text(s, ",\"layers\":[");
    for (size_t i = 0; i < m->n_layers; i++) {
        if (i > 0) hl_str_add_char(s, ',');
        format_layer(&m->layers[i], s);
    }
    hl_str_add_text(s, "]}");
}

uint64_t hl_manifest_size(const hl_manifest *m) {
    uint64_t sum = m->config.size_bytes;
    for (size_t i = 0; i < m->n_layers; i++) sum += m->layers[i].size_bytes;
    return sum; /* sizes are below 2^63: 16385 of them may wrap, but only in a manifest that lies */
}
