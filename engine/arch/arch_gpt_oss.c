/* SPDX-License-Identifier: MIT
 *
 * arch_gpt_oss.c - gpt-oss: 20B, 120B.
 *
 * Biases everywhere, on experts too; a learned score of nothing at all in every head's softmax; every other
 * layer sees 128 positions; shares are a softmax over the experts that were chosen; a clipped gate. The
 * norm in front of the feed-forward block is called post_attention_norm.
 * from: the model cards' config.json and the tensors of converted files, August 2026
 */
#include "engine/arch/arch.h"

const hl_arch hl_arch_gpt_oss = {
    .name = "gpt-oss",
    .weights = {HL_FRAME_WEIGHTS, HL_NEEDS(ATTN_NORM), HL_ATTENTION_WEIGHTS, HL_NEEDS(SINKS),
                HL_NEEDS(FFN_NORM_AS_POST), HL_EXPERT_WEIGHTS, HL_ALLOWS(ROUTER_BIAS),
                HL_ALLOWS(GATE_EXPS_BIAS), HL_ALLOWS(UP_EXPS_BIAS), HL_ALLOWS(DOWN_EXPS_BIAS)},
    .rope = HL_ROPE_HALVES,
    .activation = HL_ACTIVATION_OAI,
    .needs_window = true,
    .window_pattern = 2,
    .router = {.gate = HL_GATE_CHOSEN, .shares = HL_SHARES_RAW},
    .needs_experts = true,
    .may_have_experts = true,
};
