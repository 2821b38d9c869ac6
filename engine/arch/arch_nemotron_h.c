/* SPDX-License-Identifier: MIT
 *
 * arch_nemotron_h.c - Nemotron-H and Nemotron Nano 2.
 *
 * A layer is one thing: Mamba-2, attention without rotation, or a feed-forward block of one matrix, a squared
 * rectifier and another matrix; its norm is attn_norm in each case.
 * from: "Nemotron-H", arXiv 2504.03624; the model cards' config.json, 2026
 */
#include "engine/arch/arch.h"

const hl_arch hl_arch_nemotron_h = {
    .name = "nemotron_h",
    .weights = {HL_FRAME_WEIGHTS, HL_NEEDS(ATTN_NORM), HL_ATTENTION_WEIGHTS, HL_MAMBA2_WEIGHTS,
                HL_PLAIN_DENSE_WEIGHTS},
    .by_layer = HL_BY_LAYER_FF,
    .may_be_0 = HL_BY_LAYER_FF,
    .mixing = HL_MIXING_ONE_THING,
    .recurrence = HL_RECURRENCE_MAMBA2,
    .rope = HL_ROPE_NONE,
    .activation = HL_ACTIVATION_RELU2,
};
