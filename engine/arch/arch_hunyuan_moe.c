/* SPDX-License-Identifier: MIT
 *
 * arch_hunyuan_moe.c - Hunyuan A13B.
 *
 * hunyuan-dense with experts beside a shared one, as wide as each other.
 * from: the model cards' config.json and the tensors of converted files, August 2026
 */
#include "engine/arch/arch.h"

const hl_arch hl_arch_hunyuan_moe = {
    .name = "hunyuan-moe",
    .weights = {HL_DECODER_WEIGHTS, HL_EXPERT_WEIGHTS, HL_SHARED_EXPERT_WEIGHTS, HL_QK_NORMS},
    .rope = HL_ROPE_HALVES,
    .activation = HL_ACTIVATION_SWIGLU,
    .norm_behind_rope = true,
    .router = {.shared_width = HL_SHARED_AS_DENSE},
    .needs_experts = true,
    .may_have_experts = true,
};
