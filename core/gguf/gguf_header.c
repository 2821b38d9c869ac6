/* SPDX-License-Identifier: MIT
 *
 * gguf_header.c - the parser of gguf_read.c on bytes that are fetched as it asks for them.
 */
#include "core/gguf/gguf_header.h"

#include <string.h>

#include "core/base/mem.h"
#include "core/gguf/gguf_priv.h"

hl_status hl_gguf_fetch_header(hl_gguf_fetch_fn *fn, void *user, uint64_t file_bytes, size_t first_bytes,
                               uint8_t **ret_header, size_t *ret_n, hl_err *err) {
    hl_gguf_bytes   b = {0};
    hl_gguf_header  h = {0};
    hl_gguf_tensor *tensors = NULL;
    uint8_t        *copy = NULL;
    hl_status       status = hl_gguf_bytes_fetch(fn, user, file_bytes, first_bytes, &b, err);
    if (status == HL_OK) status = hl_gguf_read_header(&b, &h, err);
    if (status == HL_OK && !(tensors = hl_new(h.n_tensors ? h.n_tensors : 1, sizeof *tensors)))
        status = hl_fail(err, HL_E_NOMEM, "no memory for %zu tensors", h.n_tensors);
    if (status == HL_OK) status = hl_gguf_read_tensors(&b, &h, 0, tensors, err);
    if (status == HL_OK && !(copy = hl_new(b.n_header, 1)))
        status = hl_fail(err, HL_E_NOMEM, "no memory for a header of %zu bytes", b.n_header);
    if (status == HL_OK) {
        memcpy(copy, b.header, b.n_header);
        *ret_header = copy;
        *ret_n = b.n_header;
    }
    hl_free(tensors);
    hl_gguf_values_done(&h.values);
    hl_gguf_bytes_close(&b);
    return status;
}
