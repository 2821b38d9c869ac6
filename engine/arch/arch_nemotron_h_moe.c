/* SPDX-License-Identifier: MIT
 *
 * arch_nemotron_h_moe.c - Nemotron 3: Nano 30B-A3B, Super.
 *
 * nemotron_h with experts, which have no gate either, in place of the feed-forward blocks: a sigmoid
 * router with groups, a bias for choosing, and shared experts. In some, experts work in a narrower space.
 * from: the model cards' config.json, 2026
 */
#include "engine/arch/arch.h"

const hl_arch hl_arch_nemotron_h_moe = {
    .name = "nemotron_h_moe",
    .weights = {HL_FRAME_WEIGHTS, HL_NEEDS(ATTN_NORM), HL_ATTENTION_WEIGHTS, HL_MAMBA2_WEIGHTS,
                HL_NEEDS(ROUTER), HL_ALLOWS(CHOICE_BIAS), HL_NEEDS(UP_EXPS), HL_NEEDS(DOWN_EXPS),
                HL_NEEDS(UP_SHEXP), HL_NEEDS(DOWN_SHEXP), HL_NEEDS(LATENT_DOWN), HL_NEEDS(LATENT_UP)},
    .by_layer = HL_BY_LAYER_FF,
    .may_be_0 = HL_BY_LAYER_FF,
    .mixing = HL_MIXING_ONE_THING,
    .recurrence = HL_RECURRENCE_MAMBA2,
    .rope = HL_ROPE_NONE,
    .activation = HL_ACTIVATION_RELU2,
    .router = {.gate = HL_GATE_SIGMOID, .shares = HL_SHARES_BY_KEY, .shared_width = HL_SHARED_AS_EXPERT},
    .needs_experts = true,
    .may_have_experts = true,
};
