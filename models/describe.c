/* SPDX-License-Identifier: MIT
 *
 * describe.c - what a GGUF file says of itself, as the config blob that lists are made from.
 *
 * from: Ollama's config blob (fields and number form, facts only); GGUF's general.file_type values
 */
#include "models/store_priv.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/data/json.h"
#include "core/gguf/gguf.h"

/* 134515008 -> "134.52M", 8030261248 -> "8.0B", 7000000000 -> "7B". */
static void format_count(uint64_t n, char *ret, size_t cap) {
    if (n >= 1000000000)
        (void)snprintf(ret, cap, "%.*fB", n % 1000000000 ? 1 : 0, (double)n / 1e9);
    else if (n >= 1000000)
        (void)snprintf(ret, cap, "%.*fM", n % 1000000 ? 2 : 0, (double)n / 1e6);
    else if (n >= 1000)
        (void)snprintf(ret, cap, "%.0fK", (double)n / 1e3);
    else
        (void)snprintf(ret, cap, "%" PRIu64, n);
}

static uint64_t get_or_zero(const hl_gguf *g, const char *family, const char *key) {
    char     full[128];
    uint64_t v = 0;
    (void)snprintf(full, sizeof full, "%s.%s", family, key);
    return hl_gguf_get_u64(g, full, &v, NULL) == HL_OK ? v : 0;
}

hl_status hl_store_describe(const hl_gguf *g, hl_description *ret, hl_err *err) {
    hl_description  d = {0};
    hl_view         family = {0};
    const hl_status status = hl_gguf_get_text(g, "general.architecture", &family, err);
    if (status == HL_E_NOT_FOUND)
        return hl_fail(err, HL_E_FORMAT, "no key general.architecture: not the GGUF file of a model");
    if (status != HL_OK) return status;
    if (family.len == 0 || family.len >= sizeof d.family || memchr(family.ptr, 0, family.len))
        return hl_fail(err, HL_E_FORMAT, "general.architecture has %zu bytes, expected text of 1..%zu",
                       family.len, sizeof d.family - 1);
    memcpy(d.family, family.ptr, family.len);

    uint64_t n_weights = 0;
    for (size_t i = 0; i < hl_gguf_n_tensors(g); i++) n_weights += hl_gguf_tensor_at(g, i)->n_elems;
    format_count(n_weights, d.parameter_size, sizeof d.parameter_size);

    hl_gguf_file_type(g, d.quantization);
    d.context_tokens = get_or_zero(g, d.family, "context_length");
    d.embedding_n = get_or_zero(g, d.family, "embedding_length");
    *ret = d;
    return HL_OK;
}

static void add_key(hl_str *s, const char *key, const char *value) {
    if (!value || !value[0]) return;
    hl_str_add_format(s, ",\"%s\":", key);
    hl_str_add_json(s, hl_view_of(value));
}

void hl_store_format_config(const hl_description *d, const hl_blob_layers *layers, const hl_import_options *o,
                            hl_str *s) {
    const hl_view family = hl_view_of(o->remote_json ? "remote" : d->family);
    hl_str_add_format(s, "{\"model_format\":\"%s\",\"model_family\":", o->remote_json ? "remote" : "gguf");
    hl_str_add_json(s, family);
    hl_str_add_text(s, ",\"model_families\":[");
    hl_str_add_json(s, family);
    hl_str_add_format(s, "],\"model_type\":\"%s\",\"file_type\":\"%s\"", d->parameter_size, d->quantization);
    add_key(s, "remote_host", o->remote_host);
    add_key(s, "remote_model", o->remote_model);
    add_key(s, "renderer", o->renderer);
    add_key(s, "parser", o->parser);
    add_key(s, "requires", o->requires_version);
    if (d->context_tokens) hl_str_add_format(s, ",\"context_length\":%" PRIu64, d->context_tokens);
    if (d->embedding_n) hl_str_add_format(s, ",\"embedding_length\":%" PRIu64, d->embedding_n);
    hl_str_add_text(
        s, ",\"architecture\":\"amd64\",\"os\":\"linux\",\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[");
    for (size_t i = 0; i < layers->n; i++)
        hl_str_add_format(s, "%s\"sha256:%s\"", i ? "," : "", layers->v[i].digest);
    hl_str_add_text(s, "]}}");
}

static bool set_key(json_t *config, const char *key, const char *value) {
    if (!value) return true;
    if (!*value) {
        (void)json_object_del(config, key);
        return true;
    }
    return json_object_set_new(config, key, json_string(value)) == 0;
}

hl_status hl_store_format_config_like(hl_view config, const hl_blob_layers *layers, const hl_description *d,
                                      const hl_import_options *o, hl_str *s, hl_err *err) {
    json_t   *root = NULL;
    hl_status status = hl_json_parse(config, "config", &root, err);
    if (status != HL_OK) return status;
    json_t *ids = json_array(), *fs = json_pack("{s:s, s:o}", "type", "layers", "diff_ids", ids);
    bool    ok = fs != NULL;
    for (size_t i = 0; i < layers->n && ok; i++) {
        char digest[HL_DIGEST_BYTES + 8];
        (void)snprintf(digest, sizeof digest, "sha256:%s", layers->v[i].digest);
        ok = json_array_append_new(ids, json_string(digest)) == 0;
    }
    if (!json_is_object(root))
        status = hl_fail(err, HL_E_FORMAT, "config: not a JSON object");
    else if (o && !(set_key(root, "renderer", o->renderer) && set_key(root, "parser", o->parser) &&
                    set_key(root, "requires", o->requires_version)))
        status = hl_fail(err, HL_E_NOMEM, "config: no memory");
    else if (d &&
             !(set_key(root, "model_type", d->parameter_size) && set_key(root, "file_type", d->quantization)))
        status = hl_fail(err, HL_E_NOMEM, "config: no memory");
    else if (!ok || json_object_set(root, "rootfs", fs) != 0)
        status = hl_fail(err, HL_E_NOMEM, "config: no memory");
    else
        hl_json_format(root, false, s);
    json_decref(fs);
    json_decref(root);
    return status;
}
