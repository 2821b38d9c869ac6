/* SPDX-License-Identifier: MIT
 *
 * arch_qwen35moe.c - Qwen3.5 and 3.6 with experts: 35B-A3B, 122B-A10B, 397B-A17B.
 *
 * qwen35 with experts, and one more that every row has, times a share of its own.
 * from: the model cards' config.json, 2026
 */
#include "engine/arch/arch.h"

const hl_arch hl_arch_qwen35moe = {
    .name = "qwen35moe",
    .weights = {HL_FRAME_WEIGHTS, HL_NEEDS(ATTN_NORM), HL_NEEDS(FFN_NORM_AS_POST), HL_NEEDS(Q_GATED),
                HL_NEEDS(K), HL_NEEDS(V), HL_NEEDS(O), HL_QK_NORMS, HL_GATED_DELTA_WEIGHTS,
                HL_NEEDS(STATE_BETA), HL_NEEDS(STATE_ALPHA), HL_EXPERT_WEIGHTS, HL_SHARED_EXPERT_WEIGHTS,
                HL_NEEDS(SHARED_SHARE), HL_NEXT_WEIGHTS},
    .mixing = HL_MIXING_BY_INTERVAL,
    .recurrence = HL_RECURRENCE_GATED_DELTA,
    .rope = HL_ROPE_HALVES,
    .activation = HL_ACTIVATION_SWIGLU,
    .router = {.shared_width = HL_SHARED_AS_EXPERT},
    .splits_ff = true,
    .needs_experts = true,
    .may_have_experts = true,
};
