/* SPDX-License-Identifier: MIT
 *
 * arch_bailingmoe2.c - Ling 2, Ring 2.
 *
 * Half of each head turns; norms of query and key heads; a dense lead, then experts by sigmoid in groups,
 * chosen with a bias, beside shared ones. Blocks that draft are left out.
 * from: the model cards' config.json and the tensors of converted files, August 2026
 */
#include "engine/arch/arch.h"

const hl_arch hl_arch_bailingmoe2 = {
    .name = "bailingmoe2",
    .weights = {HL_DECODER_WEIGHTS, HL_DENSE_WEIGHTS, HL_EXPERT_WEIGHTS, HL_SHARED_EXPERT_WEIGHTS,
                HL_ALLOWS(CHOICE_BIAS), HL_QK_NORMS},
    .rope = HL_ROPE_HALVES,
    .activation = HL_ACTIVATION_SWIGLU,
    .router = {.gate_by_key = true, .shares = HL_SHARES_BY_KEY},
    .needs_experts = true,
    .may_have_experts = true,
};
