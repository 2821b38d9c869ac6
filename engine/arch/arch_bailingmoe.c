/* SPDX-License-Identifier: MIT
 *
 * arch_bailingmoe.c - Ling 1, Ring 1.
 *
 * llama with a dense lead, then experts by softmax beside shared ones.
 * from: the model cards' config.json and the tensors of converted files, August 2026
 */
#include "engine/arch/arch.h"

const hl_arch hl_arch_bailingmoe = {
    .name = "bailingmoe",
    .weights = {HL_DECODER_WEIGHTS, HL_DENSE_WEIGHTS, HL_EXPERT_WEIGHTS, HL_SHARED_EXPERT_WEIGHTS,
                HL_ALLOWS(ROPE_LONG), HL_ALLOWS(ROPE_SHORT)},
    .rope = HL_ROPE_PAIRS,
    .activation = HL_ACTIVATION_SWIGLU,
    .router = {.shares = HL_SHARES_BY_KEY},
    .needs_experts = true,
    .may_have_experts = true,
};
