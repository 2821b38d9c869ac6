/* SPDX-License-Identifier: MIT
 *
 * moe_router.h - which experts a row has, and what share each has in its result.
 */
#ifndef HL_ENGINE_FORWARD_MOE_ROUTER_H
#define HL_ENGINE_FORWARD_MOE_ROUTER_H

#include "engine/forward/forward_priv.h"

typedef struct hl_choices {
    float    *scores; /* [rows][n_experts] what the router's matrix made */
    float    *ranks;  /* [rows][n_experts] room: by what the best are chosen */
    uint32_t *expert; /* [rows][used] chosen experts, best first, each once */
    float    *share;  /* [rows][used] */
} hl_choices;

/* scores -> expert, share. Ties go to the lower number. A router that computed no numbers makes the row fail;
 * the first experts are then chosen with a share of 0, because what follows relies on every row having
 * n_experts_used different ones. */
void hl_choose_run(hl_pass *f, hl_choices *c, uint32_t i_layer);

#endif
