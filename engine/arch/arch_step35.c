/* SPDX-License-Identifier: MIT
 *
 * arch_step35.c - Step 3.5 Flash.
 *
 * Heads differ by layer; each head is gated by a number; three of four layers have windows, and turn all of
 * a head, the others half of it by factors; a dense lead, then experts by sigmoid, chosen with a bias,
 * beside a shared one; some activations are clipped. Blocks that draft are left out.
 * from: the model cards' config.json and the tensors of converted files, August 2026
 */
#include "engine/arch/arch.h"

const hl_arch hl_arch_step35 = {
    .name = "step35",
    .weights = {HL_DECODER_WEIGHTS, HL_DENSE_WEIGHTS, HL_EXPERT_WEIGHTS, HL_SHARED_EXPERT_WEIGHTS,
                HL_ALLOWS(CHOICE_BIAS), HL_QK_NORMS, HL_ALLOWS(GATE_HEADS)},
    .by_layer = HL_BY_LAYER_HEADS | HL_BY_LAYER_KV_HEADS | HL_BY_LAYER_FF,
    .rope = HL_ROPE_HALVES,
    .activation = HL_ACTIVATION_SWIGLU,
    .needs_window = true,
    .window_pattern = 4,
    .window_by_key = true,
    .window_rope_base = 10000.0f,
    .window_rope_plain = true,
    .window_rope_factored = true,
    .router = {.gate = HL_GATE_SIGMOID, .gate_by_key = true, .shares = HL_SHARES_BY_KEY, .by_tensor = true},
    .may_have_experts = true,
};
