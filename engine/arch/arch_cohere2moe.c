/* SPDX-License-Identifier: MIT
 *
 * arch_cohere2moe.c - North (Command with experts).
 *
 * cohere2 with norms of either kind, windows counted from the first layer, a dense lead that always
 * rotates, and experts by sigmoid, which together with the shared one count half.
 * from: the model cards' config.json and the tensors of converted files, August 2026
 */
#include "engine/arch/arch.h"

const hl_arch hl_arch_cohere2moe = {
    .name = "cohere2moe",
    .weights = {HL_FRAME_WEIGHTS, HL_NEEDS(ATTN_NORM), HL_ATTENTION_WEIGHTS, HL_DENSE_WEIGHTS,
                HL_EXPERT_WEIGHTS, HL_SHARED_EXPERT_WEIGHTS},
    .norm_by_key = true,
    .rope = HL_ROPE_PAIRS,
    .still = HL_STILL_UNWINDOWED,
    .lead_rotates = true,
    .activation = HL_ACTIVATION_SWIGLU,
    .residual = HL_RESIDUAL_PARALLEL,
    .scales = HL_SCALES_MULTIPLY,
    .window_pattern = 4,
    .window_dense_first = true,
    .window_by_key = true,
    .router = {.gate = HL_GATE_SIGMOID, .gate_by_key = true, .shares = HL_SHARES_BY_KEY, .halves_sum = true},
    .may_have_experts = true,
};
