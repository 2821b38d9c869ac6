/* SPDX-License-Identifier: MIT
 *
 * arch_qwen2moe.c - Qwen 1.5 and 2 with experts: A2.7B, 57B-A14B.
 *
 * qwen2 with experts whose shares are not renormalised, and a shared expert that each row takes as much of
 * as it says.
 * from: the model cards' config.json and the tensors of converted files, August 2026
 */
#include "engine/arch/arch.h"

const hl_arch hl_arch_qwen2moe = {
    .name = "qwen2moe",
    .weights = {HL_DECODER_WEIGHTS, HL_EXPERT_WEIGHTS, HL_SHARED_EXPERT_WEIGHTS, HL_NEEDS(SHARED_SHARE)},
    .rope = HL_ROPE_HALVES,
    .activation = HL_ACTIVATION_SWIGLU,
    .router = {.shares = HL_SHARES_RAW, .shared_width = HL_SHARED_AS_DENSE},
    .splits_ff = true,
    .needs_experts = true,
    .may_have_experts = true,
};
