/* SPDX-License-Identifier: MIT
 *
 * arch_granitemoe.c - Granite 3.x with experts.
 *
 * granite with experts, and a shared one in some.
 * from: the model cards' config.json and the tensors of converted files, August 2026
 */
#include "engine/arch/arch.h"

const hl_arch hl_arch_granitemoe = {
    .name = "granitemoe",
    .weights = {HL_DECODER_WEIGHTS, HL_EXPERT_WEIGHTS, HL_SHARED_EXPERT_WEIGHTS},
    .rope = HL_ROPE_PAIRS,
    .activation = HL_ACTIVATION_SWIGLU,
    .scales = HL_SCALES_DIVIDE,
    .reads_qk_scale = true,
    .rotates_if_finetuned = true,
    .needs_experts = true,
    .may_have_experts = true,
};
