/* SPDX-License-Identifier: MIT
 *
 * arch_deepseek2.c - DeepSeek V2, V3, V3.1, R1, Kimi K2, GLM-4.7-Flash, Moonlight.
 *
 * Low-rank keys and values (mla.c); a dense lead, then experts, in groups in the large ones, chosen with a
 * bias where there is one, beside shared ones.
 * from: the model cards' config.json and the tensors of converted files, August 2026
 */
#include "engine/arch/arch.h"

const hl_arch hl_arch_deepseek2 = {
    .name = "deepseek2",
    .weights = {HL_FRAME_WEIGHTS, HL_NEEDS(ATTN_NORM), HL_MLA_WEIGHTS, HL_NEEDS(FFN_NORM), HL_DENSE_WEIGHTS,
                HL_EXPERT_WEIGHTS, HL_SHARED_EXPERT_WEIGHTS, HL_ALLOWS(CHOICE_BIAS), HL_NEXT_WEIGHTS},
    .rope = HL_ROPE_PAIRS,
    .activation = HL_ACTIVATION_SWIGLU,
    .yarn_log_unit = 0.1f,
    .temperature = HL_TEMPERATURE_BY_KEY,
    .has_mla = true,
    .router = {.gate_by_key = true, .shares = HL_SHARES_BY_KEY},
    .may_have_experts = true,
};
