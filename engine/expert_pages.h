/* SPDX-License-Identifier: MIT
 *
 * expert_pages.h - which experts of a model are in memory, where not all of them can be.
 */
#ifndef HL_ENGINE_EXPERT_PAGES_H
#define HL_ENGINE_EXPERT_PAGES_H

#include "engine/model_priv.h"
#include "hyperlama/experts.h"

/* Slots 0..n_slots-1 in the order of their last use, those that were used. */
typedef struct hl_lru {
    uint32_t *newer, *older; /* [n_slots + 1] rings through slot n_slots, which stands for both ends */
    uint32_t  n_slots;
    uint32_t  n; /* in it */
} hl_lru;

HL_MUST_CHECK hl_status hl_lru_init(hl_lru *l, uint32_t n_slots, hl_err *err); /* fails HL_E_NOMEM */
void                    hl_lru_done(hl_lru *l);                                /* zeros are allowed */
bool                    hl_lru_use(hl_lru *l, uint32_t slot); /* the newest now; true: it was not there */
uint32_t                hl_lru_take_oldest(hl_lru *l);        /* UINT32_MAX: it is empty */

typedef struct hl_experts hl_experts;

/* Of a model whose tensors are bound; *ret is NULL where it has no experts. fails HL_E_NOMEM */
HL_MUST_CHECK hl_status hl_experts_new(const hl_model *m, hl_experts **ret, hl_err *err);
void                    hl_experts_free(hl_experts *e); /* NULL is allowed, here and below */

/* What all experts take, and those of the largest layer. */
uint64_t hl_experts_bytes(const hl_experts *e);
uint64_t hl_experts_layer_bytes(const hl_experts *e);

/* Between regions of a pass: the expert is about to be multiplied with. Begins to read what of it is not in
 * memory. Nothing where all experts are kept. Any thread. */
void hl_experts_need(hl_experts *e, const hl_layer *l, uint32_t i_layer, uint32_t expert);

/* Behind those of a layer, of which there were n: what is kept too much may leave, the oldest first. */
void hl_experts_let_go(hl_experts *e, const hl_model *m, uint32_t n);

/* For tests: bytes of those that are taken to be in memory. */
uint64_t hl_experts_held(hl_experts *e);

#endif
