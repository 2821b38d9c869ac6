/* SPDX-License-Identifier: MIT
 *
 * arch_phimoe.c - Phi-3.5-MoE.
 *
 * phi3 with separate gate and up, experts, and norms that add a bias.
 * from: the model cards' config.json and the tensors of converted files, August 2026
 */
#include "engine/arch/arch.h"

const hl_arch hl_arch_phimoe = {
    .name = "phimoe",
    .weights = {HL_DECODER_WEIGHTS, HL_NORM_BIASES, HL_EXPERT_WEIGHTS, HL_ALLOWS(ROPE_LONG),
                HL_ALLOWS(ROPE_SHORT)},
    .rope = HL_ROPE_HALVES,
    .activation = HL_ACTIVATION_SWIGLU,
    .needs_experts = true,
    .may_have_experts = true,
};
