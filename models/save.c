/* SPDX-License-Identifier: MIT
 *
 * save.c - a model like another one: its files are shared, its texts are written again.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "core/base/file.h"
#include "models/store_priv.h"

/* Layers that are no texts stay what they are. Their blobs must still be there: nobody else may use them. */
static hl_status keep_files(const hl_stored_model *m, hl_blob_layers *l, hl_err *err) {
    hl_status status = HL_OK;
    for (size_t i = 0; i < m->n_layers && status == HL_OK; i++) {
        const hl_stored_layer *from = &m->layers[i];
        hl_blob_layer          layer = {.media_type = from->media_type, .size_bytes = from->size_bytes};
        char                   path[PATH_MAX];
        if (hl_layer_is_text(hl_layer_kind_of(from->media_type))) continue;
        hl_store_blob_path(l->s, from->digest, path);
        if (access(path, F_OK) != 0)
            return hl_fail(err, hl_errno_status(errno), "model '%s': blob '%s': %s", m->entry.text, path,
                           strerror(errno));
        memcpy(layer.digest, from->digest, sizeof layer.digest);
        status = hl_blob_layers_add(l, &layer, err);
    }
    return status;
}

static hl_status add_texts(const hl_stored_model *m, hl_blob_layers *l, hl_err *err) {
    hl_str params;
    hl_str_init(&params, HL_STORE_TEXT_MAX_BYTES);
    hl_status      status = hl_params_format_like(m->params_json, m->params, m->n_params, &params, err);
    hl_model_texts t = {.template_text = m->template_text,
                        .system = m->system,
                        .params_json = hl_str_view(&params),
                        .messages = m->messages,
                        .n_messages = m->n_messages,
                        .licenses = m->licenses,
                        .n_licenses = m->n_licenses};
    if (status == HL_OK) status = hl_blob_layers_add_texts(l, &t, err);
    hl_str_done(&params);
    return status;
}

static hl_status save_locked(const hl_stored_model *m, hl_blob_layers *l, hl_name *name, hl_err *err) {
    hl_str config;
    hl_str_init(&config, HL_STORE_TEXT_MAX_BYTES);
    hl_status status = keep_files(m, l, err);
    if (status == HL_OK) status = add_texts(m, l, err);
    if (status == HL_OK)
        status =
            hl_store_format_config_like(hl_view_of(m->config_json ? m->config_json : "{}"), l, &config, err);
    if (status == HL_OK) status = hl_str_check(&config, "model: config", err);
    if (status == HL_OK) status = hl_store_put_model(l, hl_str_view(&config), name, err);
    hl_store_gc(l->s, NULL, NULL); /* what the name was before; after a failure, what was just placed */
    hl_str_done(&config);
    return status;
}

hl_status hl_store_save_model(hl_store *s, const hl_stored_model *m, const char *name, hl_name *ret_name,
                              hl_err *err) {
    hl_name        target;
    hl_blob_layers layers = {.s = s};
    int            lock_fd = -1;
    hl_status      status = hl_name_parse(name, &target, err);
    if (status != HL_OK) return status;
    (void)pthread_mutex_lock(&s->mutex);
    status = hl_store_lock(s, &lock_fd, err);
    if (status == HL_OK) status = save_locked(m, &layers, &target, err);
    hl_store_unlock(lock_fd);
    (void)pthread_mutex_unlock(&s->mutex);
    hl_blob_layers_done(&layers);
    if (status == HL_OK && ret_name) *ret_name = target;
    return status;
}
