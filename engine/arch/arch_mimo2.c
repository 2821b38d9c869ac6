/* SPDX-License-Identifier: MIT
 *
 * arch_mimo2.c - MiMo V2 Flash.
 *
 * Values have smaller heads than keys; windowed layers have other KV heads, another rotation base, and
 * scores of nothing at all; experts by sigmoid, chosen with a bias and renormalised. Blocks that draft are
 * left out.
 * from: the model cards' config.json and the tensors of converted files, August 2026
 */
#include "engine/arch/arch.h"

const hl_arch hl_arch_mimo2 = {
    .name = "mimo2",
    .weights = {HL_DECODER_WEIGHTS, HL_DENSE_WEIGHTS, HL_EXPERT_WEIGHTS, HL_ALLOWS(CHOICE_BIAS),
                HL_ALLOWS(SINKS)},
    .by_layer = HL_BY_LAYER_HEADS | HL_BY_LAYER_KV_HEADS | HL_BY_LAYER_FF,
    .rope = HL_ROPE_HALVES,
    .activation = HL_ACTIVATION_SWIGLU,
    .needs_window = true,
    .window_pattern = 6,
    .window_by_key = true,
    .window_rope_base = 10000.0f,
    .router = {.gate = HL_GATE_SIGMOID, .by_tensor = true},
    .may_have_experts = true,
};
