/* SPDX-License-Identifier: MIT
 *
 * arch_hy_v3.c - Hunyuan 3 (Hy3).
 *
 * Norms of query and key heads, in front of the rotation; a dense lead, then experts by sigmoid, chosen
 * with a bias, beside shared ones.
 * from: the model cards' config.json and the tensors of converted files, August 2026
 */
#include "engine/arch/arch.h"

const hl_arch hl_arch_hy_v3 = {
    .name = "hy_v3",
    .weights = {HL_DECODER_WEIGHTS, HL_DENSE_WEIGHTS, HL_EXPERT_WEIGHTS, HL_SHARED_EXPERT_WEIGHTS,
                HL_ALLOWS(CHOICE_BIAS), HL_ALLOWS(CHOICE_BIAS_BARE), HL_QK_NORMS, HL_NEXT_WEIGHTS},
    .rope = HL_ROPE_HALVES,
    .activation = HL_ACTIVATION_SWIGLU,
    .router = {.gate = HL_GATE_SIGMOID, .gate_by_key = true, .shares = HL_SHARES_BY_KEY},
    .may_have_experts = true,
};
