/* SPDX-License-Identifier: MIT
 *
 * adapter.h - low-rank adapters (LoRA) of a model: small matrices that are added to the products of its own.
 *
 * Of a matrix W an adapter has A [rank][columns] and B [rows][rank]; where it is used, W x becomes
 * W x + scale * alpha / rank * B (A x). The weights of the model stay as they are in its file, so that any
 * number of sequences on it use different adapters, several at once, or none.
 */
#ifndef HL_ADAPTER_H
#define HL_ADAPTER_H

#include "hyperlama/base.h"

#ifdef __cplusplus
extern "C" {
#endif

struct hl_model;

enum { HL_MAX_ADAPTERS = 16 }; /* of a model */

/* An adapter that a request or session uses. */
typedef struct hl_adapter_use {
    const char *name;  /* NULL: `index` says which */
    int32_t     index; /* in the order in which they were added, from 0 */
    float       scale; /* finite; 0: not used */
} hl_adapter_use;

/* Read an adapter from its GGUF file; sessions and schedulers that do not say otherwise use it with this
 * scale. The file may be changed or deleted afterwards: its values are kept as f32.
 *
 * in     name   for hl_adapter_use and errors; copied. NULL or "": what the file's
 *                general.name says, or where that is missing or taken, the file's name without its folder
 *        scale  finite; 0: only those use it that ask for it
 * fails  HL_E_FORMAT       the file is no adapter, or of another architecture or other shapes; a tensor
 *                          that the model does not have; a value, alpha included, that is no number
 *        HL_E_UNSUPPORTED  it changes a tensor that adapters cannot change here: embeddings, experts, norms
 *        HL_E_ARG          a scale that is no number, a name that is taken, more than HL_MAX_ADAPTERS; a
 *                          session or scheduler of the model exists already
 *        HL_E_NOT_FOUND, HL_E_IO, HL_E_NOMEM, HL_E_CANCEL (hl_stop_watch())
 *        the model is as it was
 * cost   reads the file once; 4 bytes for each of its values, until the model is closed
 * thread not while others use the model */
HL_API HL_MUST_CHECK hl_status hl_model_add_adapter(struct hl_model *m, const char *path, const char *name,
                                                    float scale, hl_err *err);

typedef struct hl_adapter_info {
    const char *name; /* lives as long as the model */
    float       scale;
    float       alpha;      /* 0: the file has none, and values count as they are */
    uint32_t    rank;       /* the largest */
    uint32_t    n_matrices; /* that it changes */
    uint64_t    n_params, bytes;
} hl_adapter_info;

HL_API size_t hl_model_n_adapters(const struct hl_model *m);
/* in     i  less than their number */
HL_API void hl_model_get_adapter(const struct hl_model *m, size_t i, hl_adapter_info *ret_info);

#ifdef __cplusplus
}
#endif
#endif
