/* SPDX-License-Identifier: MIT
 *
 * arch_minimax_m2.c - MiniMax M2, M2.5, M2.7.
 *
 * One norm over all query heads and one over all key heads; half of each head turns; experts by sigmoid,
 * chosen with a bias and renormalised, in every layer.
 * from: the model cards' config.json and the tensors of converted files, August 2026
 */
#include "engine/arch/arch.h"

const hl_arch hl_arch_minimax_m2 = {
    .name = "minimax-m2",
    .weights = {HL_DECODER_WEIGHTS, HL_EXPERT_WEIGHTS, HL_NEEDS(Q_NORM_ALL), HL_NEEDS(K_NORM_ALL),
                HL_NEEDS(CHOICE_BIAS)},
    .rope = HL_ROPE_HALVES,
    .activation = HL_ACTIVATION_SWIGLU,
    .router = {.gate = HL_GATE_SIGMOID, .gate_by_key = true},
    .needs_experts = true,
    .may_have_experts = true,
};
