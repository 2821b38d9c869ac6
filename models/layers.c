/* SPDX-License-Identifier: MIT
 *
 * layers.c - the layers of a new model: its small texts, the config and the manifest, which makes it a model.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "core/base/file.h"
#include "core/base/mem.h"
#include "models/store_priv.h"

void hl_blob_layers_done(hl_blob_layers *l) { hl_free(l->v); }

hl_status hl_blob_layers_add(hl_blob_layers *l, const hl_blob_layer *layer, hl_err *err) {
    if (l->n == HL_MANIFEST_MAX_LAYERS)
        return hl_fail(err, HL_E_LIMIT, "model: more than %d layers", HL_MANIFEST_MAX_LAYERS);
    if (l->n == l->cap) {
        const size_t   cap = l->cap ? 2 * l->cap : 16;
        hl_blob_layer *grown = hl_resize(l->v, cap, sizeof *grown);
        if (!grown) return hl_fail(err, HL_E_NOMEM, "model: no memory for %zu layers", cap);
        l->v = grown;
        l->cap = cap;
    }
    l->v[l->n++] = *layer;
    return HL_OK;
}

hl_status hl_blob_layers_add_files(hl_blob_layers *l, const hl_stored_model *m, uint32_t without,
                                   hl_err *err) {
    hl_status status = HL_OK;
    for (size_t i = 0; i < m->n_layers && status == HL_OK; i++) {
        const hl_stored_layer *from = &m->layers[i];
        const hl_layer_kind    kind = hl_layer_kind_of(from->media_type);
        hl_blob_layer          layer = {.media_type = from->media_type, .size_bytes = from->size_bytes};
        char                   path[PATH_MAX];
        if (hl_layer_is_text(kind) || without >> kind & 1) continue;
        hl_store_blob_path(l->s, from->digest, path);
        if (access(path, F_OK) != 0)
            return hl_fail(err, hl_errno_status(errno), "model '%s': blob '%s': %s", m->entry.text, path,
                           strerror(errno));
        memcpy(layer.digest, from->digest, sizeof layer.digest);
        status = hl_blob_layers_add(l, &layer, err);
    }
    return status;
}

static hl_status add_text(hl_blob_layers *l, const char *media_type, hl_view text, hl_err *err) {
    hl_blob_layer layer;
    hl_status     status = text.len ? hl_store_put_text(l->s, media_type, text, &layer, err) : HL_OK;
    return status == HL_OK && text.len ? hl_blob_layers_add(l, &layer, err) : status;
}

static hl_status add_messages(hl_blob_layers *l, const hl_model_texts *t, hl_err *err) {
    hl_str json;
    hl_str_init(&json, 8 * (size_t)HL_STORE_TEXT_MAX_BYTES); /* add_text() has the real limit */
    hl_str_add_char(&json, '[');
    for (size_t i = 0; i < t->n_messages; i++) {
        hl_str_add_text(&json, i ? ",{\"role\":" : "{\"role\":");
        hl_str_add_json(&json, hl_view_of(t->messages[i].role));
        hl_str_add_text(&json, ",\"content\":");
        hl_str_add_json(&json, t->messages[i].content);
        hl_str_add_char(&json, '}');
    }
    hl_str_add_char(&json, ']');
    hl_status status = hl_str_check(&json, "model: messages", err);
    if (status == HL_OK) status = add_text(l, HL_MEDIA_MESSAGES, hl_str_view(&json), err);
    hl_str_done(&json);
    return status;
}

hl_status hl_blob_layers_add_texts(hl_blob_layers *l, const hl_model_texts *t, hl_err *err) {
    hl_status status = add_text(l, HL_MEDIA_TEMPLATE, hl_view_of(t->template_text), err);
    if (status == HL_OK) status = add_text(l, HL_MEDIA_SYSTEM, hl_view_of(t->system), err);
    if (status == HL_OK) status = add_text(l, HL_MEDIA_PARAMS, t->params_json, err);
    if (status == HL_OK && t->n_messages) status = add_messages(l, t, err);
    if (status == HL_OK) status = add_text(l, HL_MEDIA_REMOTE, hl_view_of(t->remote_json), err);
    for (size_t i = 0; i < t->n_licenses && status == HL_OK; i++)
        status = add_text(l, HL_MEDIA_LICENSE, hl_view_of(t->licenses[i]), err);
    return status;
}

hl_status hl_store_put_model(const hl_blob_layers *l, hl_view config, hl_name *name, hl_err *err) {
    hl_manifest  m = {.n_layers = l->n, .layers = l->v};
    hl_disk_name on_disk;
    hl_err       ignored;
    hl_str       text;
    char         blobs[PATH_MAX];
    hl_str_init(&text, 16 * (size_t)HL_MANIFEST_MAX_BYTES);
    hl_status status = hl_store_put_text(l->s, HL_MEDIA_CONFIG, config, &m.config, err);
    hl_store_path(l->s, "blobs", blobs);
    if (status == HL_OK) status = hl_dir_sync(blobs, err); /* all blobs last before the manifest names them */
    if (status == HL_OK) hl_manifest_format(&m, &text);
    if (status == HL_OK) status = hl_str_check(&text, "model: manifest", err);
    if (status == HL_OK && text.len > HL_MANIFEST_MAX_BYTES)
        status = hl_fail(err, HL_E_LIMIT, "model: a manifest of %zu bytes, expected at most %d", text.len,
                         HL_MANIFEST_MAX_BYTES);
    /* a name that differs only in case is this name */
    if (status == HL_OK && hl_store_find_exact(l->s, name, &on_disk, &ignored) == HL_OK) *name = on_disk.name;
    if (status == HL_OK) status = hl_store_put_manifest(l->s, name, hl_str_view(&text), err);
    if (status == HL_OK) hl_store_note_origin(l->s, name, NULL); /* made here */
    for (size_t i = 0; i < l->n && status == HL_OK; i++) hl_own_settle(l->s, l->v[i].digest);
    hl_str_done(&text);
    return status;
}
