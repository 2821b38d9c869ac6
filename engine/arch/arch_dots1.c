/* SPDX-License-Identifier: MIT
 *
 * arch_dots1.c - dots.llm1.
 *
 * qwen3moe with a dense lead, experts by sigmoid, chosen with a bias, and shared ones.
 * from: the model cards' config.json and the tensors of converted files, August 2026
 */
#include "engine/arch/arch.h"

const hl_arch hl_arch_dots1 = {
    .name = "dots1",
    .weights = {HL_DECODER_WEIGHTS, HL_DENSE_WEIGHTS, HL_EXPERT_WEIGHTS, HL_SHARED_EXPERT_WEIGHTS,
                HL_ALLOWS(CHOICE_BIAS), HL_QK_NORMS},
    .rope = HL_ROPE_HALVES,
    .activation = HL_ACTIVATION_SWIGLU,
    .router = {.gate_by_key = true, .shares = HL_SHARES_BY_KEY},
    .needs_experts = true,
    .may_have_experts = true,
};
