/* SPDX-License-Identifier: MIT
 *
 * arch_qwen3vlmoe.c - Qwen3-VL with experts: 30B-A3B, 235B-A22B, text.
 *
 * qwen3moe for text: the axes by which an image turns are one and the same there.
 * from: the model cards' config.json and the tensors of converted files, August 2026
 */
#include "engine/arch/arch.h"

const hl_arch hl_arch_qwen3vlmoe = {
    .name = "qwen3vlmoe",
    .weights = {HL_DECODER_WEIGHTS, HL_EXPERT_WEIGHTS, HL_QK_NORMS},
    .rope = HL_ROPE_HALVES,
    .activation = HL_ACTIVATION_SWIGLU,
    .splits_ff = true,
    .needs_experts = true,
    .may_have_experts = true,
};
