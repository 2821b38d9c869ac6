/* SPDX-License-Identifier: MIT
 *
 * blobs.c - /api/blobs/{digest}: files that a client sends before it makes a model of them.
 *
 * from: Ollama 0.33 (server/routes.go): 201 for a new blob, 200 for one that was there, 404 from HEAD
 */
#include <strings.h>

#include "server/server_priv.h"

/* What stands behind the path, as a terminated text. */
static void read_digest(const hl_exchange *x, char ret[128]) {
    const size_t n = x->rest.len < 127 ? x->rest.len : 127;
    (void)snprintf(ret, 128, "%.*s", (int)n, x->rest.ptr);
}

hl_status hl_api_blob(hl_exchange *x, hl_err *err) {
    hl_store *store = NULL;
    char      digest[128];
    read_digest(x, digest);
    const hl_status status = hl_host_store(x->server->host, &store, err);
    return status == HL_OK ? hl_store_find_blob(store, digest, NULL, err) : status;
}

static hl_status begin(hl_exchange *x, hl_err *err) {
    hl_store *store = NULL;
    char      digest[128];
    read_digest(x, digest);
    if (x->encoding && strcasecmp(x->encoding, "identity") != 0)
        return hl_fail(err, HL_E_UNSUPPORTED, "Content-Encoding '%.40s': a blob is sent as it is",
                       x->encoding);
    const hl_status status = hl_host_store(x->server->host, &store, err);
    return status == HL_OK ? hl_upload_begin(store, digest, x->n_announced, &x->upload, err) : status;
}

static hl_status take_piece(hl_exchange *x, hl_err *err) {
    hl_status status = x->upload ? HL_OK : begin(x, err);
    if (status == HL_OK) status = hl_upload_add(x->upload, hl_str_view(&x->body), err);
    if (status != HL_OK || !x->is_last) return status;
    status = hl_upload_finish(x->upload, err);
    if (status == HL_OK && !hl_upload_is_present(x->upload)) x->code = 201;
    return status;
}

/* Runs for each piece of the body. */
hl_status hl_api_blob_send(hl_exchange *x, hl_err *err) {
    const hl_status status = take_piece(x, err);
    if (status == HL_OK) return HL_OK;
    hl_upload_free(x->upload); /* nothing of it is left when the client hears why */
    x->upload = NULL;
    return status;
}
