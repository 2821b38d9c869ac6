/* SPDX-License-Identifier: MIT
 *
 * arch_exaone_moe.c - K-EXAONE 236B-A23B.
 *
 * Norms of query and key heads; windows in three of four layers, and only these rotate; a dense lead, then
 * experts by sigmoid, chosen with a bias, beside shared ones. Blocks that draft are left out.
 * from: the model cards' config.json and the tensors of converted files, August 2026
 */
#include "engine/arch/arch.h"

const hl_arch hl_arch_exaone_moe = {
    .name = "exaone-moe",
    .weights = {HL_DECODER_WEIGHTS, HL_DENSE_WEIGHTS, HL_EXPERT_WEIGHTS, HL_SHARED_EXPERT_WEIGHTS,
                HL_ALLOWS(CHOICE_BIAS), HL_QK_NORMS},
    .rope = HL_ROPE_HALVES,
    .still = HL_STILL_UNWINDOWED,
    .activation = HL_ACTIVATION_SWIGLU,
    .window_pattern = 4,
    .window_default = 128,
    .router = {.gate = HL_GATE_SIGMOID, .gate_by_key = true, .shares = HL_SHARES_BY_KEY},
    .may_have_experts = true,
};
