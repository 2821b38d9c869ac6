/* SPDX-License-Identifier: MIT
 *
 * arch_olmoe.c - OLMoE 1B-7B.
 *
 * One norm over all query heads, one over all key heads; experts whose shares are not renormalised.
 * from: the model cards' config.json and the tensors of converted files, August 2026
 */
#include "engine/arch/arch.h"

const hl_arch hl_arch_olmoe = {
    .name = "olmoe",
    .weights = {HL_DECODER_WEIGHTS, HL_EXPERT_WEIGHTS, HL_NEEDS(Q_NORM_ALL), HL_NEEDS(K_NORM_ALL)},
    .rope = HL_ROPE_HALVES,
    .activation = HL_ACTIVATION_SWIGLU,
    .router = {.shares = HL_SHARES_RAW},
    .needs_experts = true,
    .may_have_experts = true,
};
