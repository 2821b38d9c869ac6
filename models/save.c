/* SPDX-License-Identifier: MIT
 *
 * save.c - a model like another one: its files are shared, its texts are written again.
 */
#include "models/store_priv.h"

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
    hl_status status = hl_blob_layers_add_files(l, m, 0, err);
    if (status == HL_OK) status = add_texts(m, l, err);
    if (status == HL_OK)
        status = hl_store_format_config_like(hl_view_of(m->config_json ? m->config_json : "{}"), l, NULL,
                                             NULL, &config, err);
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
    if (m->is_watched) return hl_fail(err, HL_E_ARG, "model '%s' is no model of the store", m->entry.text);
    (void)pthread_mutex_lock(&s->mutex);
    status = hl_store_lock(s, &lock_fd, err);
    if (status == HL_OK) status = save_locked(m, &layers, &target, err);
    hl_store_unlock(lock_fd);
    (void)pthread_mutex_unlock(&s->mutex);
    hl_blob_layers_done(&layers);
    if (status == HL_OK && ret_name) *ret_name = target;
    return status;
}
