/* SPDX-License-Identifier: MIT
 *
 * arch_ernie4_5_moe.c - ERNIE 4.5 21B-A3B, 300B-A47B.
 *
 * llama with a dense lead, then experts by softmax, chosen with a bias and renormalised, beside shared
 * ones.
 * from: the model cards' config.json and the tensors of converted files, August 2026
 */
#include "engine/arch/arch.h"

const hl_arch hl_arch_ernie4_5_moe = {
    .name = "ernie4_5-moe",
    .weights = {HL_DECODER_WEIGHTS, HL_DENSE_WEIGHTS, HL_EXPERT_WEIGHTS, HL_SHARED_EXPERT_WEIGHTS,
                HL_ALLOWS(CHOICE_BIAS)},
    .rope = HL_ROPE_PAIRS,
    .activation = HL_ACTIVATION_SWIGLU,
    .needs_experts = true,
    .may_have_experts = true,
};
