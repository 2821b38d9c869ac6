/* SPDX-License-Identifier: MIT
 *
 * saved.h - what the key/value cache on disk keeps of each model (docs/formats/kv-cache.md).
 */
#ifndef HL_HOST_SAVED_H
#define HL_HOST_SAVED_H

#include "host/host.h"

typedef struct hl_saved_info {
    char     label[512];   /* a stored model with these weights; "": none has them (any more) */
    char     weights[128]; /* names them: the digest of a stored blob, or a file's identity */
    uint64_t n_blocks;     /* of 64 tokens */
    uint64_t bytes;
} hl_saved_info;

/* fails as hl_host_store(), hl_store_list_models()
 * owns  the caller frees *ret with hl_free() of core/base/mem.h
 * cost  looks at every file of the cache */
HL_MUST_CHECK hl_status hl_host_list_saved(hl_host *h, hl_saved_info **ret, size_t *ret_n, hl_err *err);

/* Delete what is kept of a stored model, or of all. Whoever uses it meanwhile reads its prompt again.
 * in     name  NULL: all
 * fails  HL_E_NOT_FOUND; as hl_host_list_saved() */
HL_MUST_CHECK hl_status hl_host_remove_saved(hl_host *h, const char *name, uint64_t *ret_bytes, hl_err *err);

#endif
