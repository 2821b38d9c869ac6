/* SPDX-License-Identifier: MIT
 *
 * create_adapters.h - the adapters of a recipe: GGUF files as they are, folders of peft
 * (adapter_config.json and adapter_model.safetensors) made into such.
 */
#ifndef HL_HOST_CREATE_ADAPTERS_H
#define HL_HOST_CREATE_ADAPTERS_H

#include "host/create.h"
#include "models/convert/convert.h"

/* Those that have to be made. */
typedef struct hl_made_adapters {
    struct hl_made_adapter {
        size_t         i_file; /* the first of its files, in the recipe's list */
        size_t         i_path; /* where its path is to be */
        hl_store_draft draft;  /* fd -1: not made yet */
    } * v;
    size_t n;
} hl_made_adapters;

/* In their order. Files of one folder that has an adapter_config.json or safetensors are one adapter.
 *
 * in     paths  [*n + l->n]
 * out    paths  those of GGUF files; "" where one has to be made
 * fails  HL_E_NOMEM */
HL_MUST_CHECK hl_status hl_made_adapters_sort(const hl_file_list *l, const char **paths, size_t *n,
                                              hl_made_adapters *ret, hl_err *err);

/* Make them, as files among the blobs.
 * in     base     [n_base] the files of the model that they are for
 *        options  without a name
 * fails  as hl_gguf_open(), hl_store_new_draft(), hl_convert_adapter(), with the folder's name in front */
HL_MUST_CHECK hl_status hl_made_adapters_make(hl_made_adapters *m, const hl_file_list *l, hl_store *store,
                                              const char *const *base, size_t n_base,
                                              const hl_convert_options *options, const char **paths,
                                              hl_err *err);

void hl_made_adapters_done(hl_made_adapters *m); /* drops the files */

#endif
