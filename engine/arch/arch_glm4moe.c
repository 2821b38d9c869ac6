/* SPDX-License-Identifier: MIT
 *
 * arch_glm4moe.c - GLM-4.5, 4.6, 4.7, their Air versions, Solar Open.
 *
 * Half of each head turns; biases on query, key and value, norms of heads in some; the first blocks are
 * dense, then experts by sigmoid, chosen with a bias, beside shared ones. The norm in front of the feed-
 * forward block is called post_attention_norm.
 * from: the model cards' config.json and the tensors of converted files, August 2026
 */
#include "engine/arch/arch.h"

const hl_arch hl_arch_glm4moe = {
    .name = "glm4moe",
    .weights = {HL_FRAME_WEIGHTS, HL_NEEDS(ATTN_NORM), HL_ATTENTION_WEIGHTS, HL_NEEDS(FFN_NORM_AS_POST),
                HL_DENSE_WEIGHTS, HL_EXPERT_WEIGHTS, HL_ALLOWS(CHOICE_BIAS), HL_SHARED_EXPERT_WEIGHTS,
                HL_ALLOWS(Q_NORM), HL_ALLOWS(K_NORM), HL_NEXT_WEIGHTS},
    .rope = HL_ROPE_HALVES,
    .activation = HL_ACTIVATION_SWIGLU,
    .router = {.gate = HL_GATE_SIGMOID, .gate_by_key = true, .shares = HL_SHARES_BY_KEY},
    .may_have_experts = true,
};
