/* SPDX-License-Identifier: MIT
 *
 * cache.c - GET and DELETE /api/cache: blocks of prompts that are kept on disk, by model.
 */
#include "core/base/mem.h"
#include "server/server_priv.h"

static void add_saved(const hl_saved_info *s, hl_json_out *j) {
    hl_json_open(j, NULL, '{');
    hl_json_add_text(j, "model", s->label[0] ? s->label : NULL);
    hl_json_add_text(j, "weights", s->weights);
    hl_json_add_int(j, "blocks", (int64_t)s->n_blocks);
    hl_json_add_int(j, "tokens", (int64_t)s->n_blocks * 64);
    hl_json_add_int(j, "bytes", (int64_t)s->bytes);
    hl_json_close(j, '}');
}

hl_status hl_api_cache(hl_exchange *x, hl_err *err) {
    hl_saved_info  *all = NULL;
    size_t          n = 0;
    uint64_t        bytes = 0;
    hl_json_out    *j = &x->out;
    const hl_status status = hl_host_list_saved(x->server->host, &all, &n, err);
    if (status != HL_OK) return status;
    hl_json_open(j, NULL, '{');
    hl_json_open(j, "saved", '[');
    for (size_t i = 0; i < n; i++) {
        add_saved(&all[i], j);
        bytes += all[i].bytes;
    }
    hl_json_close(j, ']');
    hl_json_add_int(j, "bytes", (int64_t)bytes);
    hl_json_add_int(j, "quota_bytes", hl_config_int(x->server->config, HL_SETTING_cache_quota_mib) << 20);
    hl_json_close(j, '}');
    hl_free(all);
    return HL_OK;
}

/* Of the model that the path names, or of all. */
hl_status hl_api_cache_clear(hl_exchange *x, hl_err *err) {
    uint64_t        bytes = 0;
    const char     *name = x->rest.len > 0 ? x->rest.ptr : NULL; /* the rest of a path: terminated */
    const hl_status status = hl_host_remove_saved(x->server->host, name, &bytes, err);
    if (status != HL_OK) return status;
    hl_json_open(&x->out, NULL, '{');
    hl_json_add_int(&x->out, "bytes", (int64_t)bytes);
    hl_json_close(&x->out, '}');
    return HL_OK;
}
