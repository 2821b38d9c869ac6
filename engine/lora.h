/* SPDX-License-Identifier: MIT
 *
 * lora.h - the inside of a model's adapters: what they add to which matrix, which of them a sequence uses.
 *
 * All that a pass needs to know of a matrix are the parts that adapters have for it. They are added in the
 * order of their numbers, and each as kernels.h says of add_low_rank: so what a row gets does not depend on
 * other rows, chunks or threads.
 */
#ifndef HL_ENGINE_LORA_H
#define HL_ENGINE_LORA_H

#include "engine/kv/prefix_key.h"
#include "hyperlama/adapter.h"

enum { HL_MAX_LORA_RANK = 4096 };

/* What one adapter has for one matrix of the base. */
typedef struct hl_lora_part {
    const void  *data; /* of the base's matrix: by this it is found */
    uint32_t     i_adapter, rank;
    float        scale; /* alpha / rank */
    size_t       n_cols;
    size_t       b_stride; /* rows of the base's tensor, of which this matrix may be a part */
    const float *a;        /* [rank][n_cols] */
    const float *b;        /* [rank][b_stride]: B turned, from the matrix's first row on */
} hl_lora_part;

typedef struct hl_lora {
    char           *name;
    hl_adapter_info info;
    float          *values; /* of all its parts */
    uint64_t        digest[2];
    uint32_t        at; /* where its inner values are, of all adapters' in a row */
} hl_lora;

typedef struct hl_loras {
    size_t        n;
    hl_lora       all[HL_MAX_ADAPTERS];
    hl_lora_part *parts; /* [n_parts] by data, then by adapter */
    size_t        n_parts;
    uint32_t      n_inner; /* the largest rank of each, summed */
    uint64_t      bytes;
} hl_loras;

/* Adapters of a sequence, with their scales. */
typedef struct hl_lora_mix {
    float    scales[HL_MAX_ADAPTERS]; /* 0: not used */
    bool     is_used;                 /* one of them is */
    uint64_t name[2];                 /* of what they are, the same in every process */
} hl_lora_mix;

/* The parts for the matrix whose weights begin at `data`. NULL: there are none. */
const hl_lora_part *hl_lora_find(const hl_loras *l, const void *data, size_t *ret_n);

/* What a request asks for.
 * in     l     NULL: the model has none
 *        uses  [n]; NULL: every adapter with the scale it was added with
 * fails  HL_E_NOT_FOUND  no such adapter, with those that there are
 *        HL_E_ARG        a scale that is no number; an adapter twice */
HL_MUST_CHECK hl_status hl_lora_mix_init(hl_lora_mix *x, const hl_loras *l, const hl_adapter_use *uses,
                                         size_t n, hl_err *err);

/* The mix for a sequence (kv_pages.h): NULL where nothing is used. */
static inline const hl_lora_mix *hl_lora_mix_of(const hl_lora_mix *x) { return x->is_used ? x : NULL; }

/* What is computed with adapters is not shared with what is computed with others or none: it shows in the key
 * of the first position, and so in all that follow.
 * in     x  NULL: none */
void hl_lora_mark_keys(const hl_lora_mix *x, hl_prefix_key *keys, size_t n);

void hl_loras_free(hl_loras *l); /* NULL is allowed */

#endif
