/* SPDX-License-Identifier: MIT
 *
 * arch_qwen3next.c - Qwen3-Next 80B-A3B, Qwen3-Coder-Next.
 *
 * As qwen35moe, but beta and alpha of the delta nets come of one matrix, and neighbouring value heads
 * share a key head.
 * from: the model cards' config.json, 2026
 */
#include "engine/arch/arch.h"

const hl_arch hl_arch_qwen3next = {
    .name = "qwen3next",
    .weights = {HL_FRAME_WEIGHTS, HL_NEEDS(ATTN_NORM), HL_NEEDS(FFN_NORM_AS_POST), HL_NEEDS(Q_GATED),
                HL_NEEDS(K), HL_NEEDS(V), HL_NEEDS(O), HL_QK_NORMS, HL_GATED_DELTA_WEIGHTS,
                HL_NEEDS(STATE_BETA_ALPHA), HL_EXPERT_WEIGHTS, HL_SHARED_EXPERT_WEIGHTS,
                HL_NEEDS(SHARED_SHARE), HL_NEXT_WEIGHTS},
    .mixing = HL_MIXING_BY_INTERVAL,
    .recurrence = HL_RECURRENCE_GATED_DELTA,
    .key_heads_in_blocks = true,
    .rope = HL_ROPE_HALVES,
    .activation = HL_ACTIVATION_SWIGLU,
    .router = {.shared_width = HL_SHARED_AS_EXPERT},
    .splits_ff = true,
    .needs_experts = true,
    .may_have_experts = true,
};
