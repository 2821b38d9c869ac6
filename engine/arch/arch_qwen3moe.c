/* SPDX-License-Identifier: MIT
 *
 * arch_qwen3moe.c - Qwen3 decoders with experts (30B-A3B, 235B-A22B, Coder).
 *
 * qwen3 with the feed-forward block replaced by experts: softmax over all, the best few, renormalised.
 * from: the model cards' config.json, November 2026
 */
#include "engine/arch/arch.h"

const hl_arch hl_arch_qwen3moe = {
    .name = "qwen3moe",
    .weights = {HL_DECODER_WEIGHTS, HL_EXPERT_WEIGHTS, HL_QK_NORMS},
    .rope = HL_ROPE_HALVES,
    .activation = HL_ACTIVATION_SWIGLU,
    .splits_ff = true,
    .needs_experts = true,
    .may_have_experts = true,
};
