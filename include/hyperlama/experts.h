/* SPDX-License-Identifier: MIT
 *
 * experts.h - models whose experts are larger than the memory.
 *
 * A mixture of experts reads few of its experts per token. Where everything else of a model fits, and all
 * experts of one layer, the others may stay in the file: those that the router chose are read from there
 * together before they are multiplied, and those that were used least lately leave memory first. Answers
 * are the same to the bit; how fast they come, the disk says.
 */
#ifndef HYPERLAMA_EXPERTS_H
#define HYPERLAMA_EXPERTS_H

#include "hyperlama/engine.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum hl_memory_fit {
    HL_FITS_NOT,
    HL_FITS_FROM_DISK, /* all but the experts fits */
    HL_FITS,
} hl_memory_fit;

/* Whether a plan of this model fits what its engine has left. Experts stay on disk only while nobody else's
 * weights are in the engine's memory: unloading those comes first. */
HL_API hl_memory_fit hl_memory_judge(const hl_model *m, const hl_memory_plan *plan);

/* Bytes of all experts together; 0: the model has none. */
HL_API uint64_t hl_model_experts_bytes(const hl_model *m);

/* Bytes of experts that are kept in memory; 0: all of them. A session or scheduler that fits from disk only
 * sets it. */
HL_API uint64_t hl_model_experts_kept(const hl_model *m);

/* Keep no more than about n_bytes (> 0) of experts in memory: a pass that uses more of one layer has them
 * all. For ever; a model without experts has nothing to keep.
 * thread any, also while passes run */
HL_API void hl_model_keep_experts(hl_model *m, uint64_t n_bytes);

#ifdef __cplusplus
}
#endif
#endif
