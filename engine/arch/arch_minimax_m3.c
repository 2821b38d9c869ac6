/* SPDX-License-Identifier: MIT
 *
 * arch_minimax_m3.c - MiniMax M3.
 *
 * Norms of query and key heads; half of each head turns; a dense lead, then experts by sigmoid, chosen with
 * a bias, beside shared ones; a clipped gate. Every row sees all before it: the choice of blocks that the
 * model was trained with is not made.
 * from: the model cards' config.json and the tensors of converted files, August 2026
 */
#include "engine/arch/arch.h"

const hl_arch hl_arch_minimax_m3 = {
    .name = "minimax-m3",
    .weights = {HL_DECODER_WEIGHTS, HL_DENSE_WEIGHTS, HL_EXPERT_WEIGHTS, HL_SHARED_EXPERT_WEIGHTS,
                HL_ALLOWS(CHOICE_BIAS), HL_QK_NORMS},
    .rope = HL_ROPE_HALVES,
    .activation = HL_ACTIVATION_OAI,
    .router = {.gate = HL_GATE_SIGMOID, .gate_by_key = true, .shares = HL_SHARES_BY_KEY},
    .may_have_experts = true,
};
