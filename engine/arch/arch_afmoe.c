/* SPDX-License-Identifier: MIT
 *
 * arch_afmoe.c - Trinity (AFM MoE).
 *
 * Norms behind the blocks, too; norms of query and key heads; what attention makes is gated; every fourth
 * layer neither has a window nor rotates; a dense lead, then experts by sigmoid, chosen with a bias, beside
 * shared ones.
 * from: the model cards' config.json and the tensors of converted files, August 2026
 */
#include "engine/arch/arch.h"

const hl_arch hl_arch_afmoe = {
    .name = "afmoe",
    .weights = {HL_DECODER_WEIGHTS, HL_DENSE_WEIGHTS, HL_EXPERT_WEIGHTS, HL_SHARED_EXPERT_WEIGHTS,
                HL_ALLOWS(CHOICE_BIAS), HL_QK_NORMS, HL_POST_NORMS, HL_NEEDS(GATE_ATTN)},
    .rope = HL_ROPE_HALVES,
    .still = HL_STILL_EVERY_4TH,
    .activation = HL_ACTIVATION_SWIGLU,
    .scale_embd = true,
    .window_pattern = 4,
    .router = {.gate = HL_GATE_SIGMOID, .gate_by_key = true, .shares = HL_SHARES_BY_KEY},
    .may_have_experts = true,
};
