/* SPDX-License-Identifier: MIT
 *
 * arch_cohere2.c - Command R7B, Command A, Aya.
 *
 * command-r with windows in three of four layers; only these rotate.
 * from: the model cards' config.json and the tensors of converted files, August 2026
 */
#include "engine/arch/arch.h"

const hl_arch hl_arch_cohere2 = {
    .name = "cohere2",
    .weights = {HL_FRAME_WEIGHTS, HL_NEEDS(ATTN_NORM), HL_ATTENTION_WEIGHTS, HL_DENSE_WEIGHTS},
    .norm = HL_NORM_LAYER,
    .rope = HL_ROPE_PAIRS,
    .still = HL_STILL_UNWINDOWED,
    .activation = HL_ACTIVATION_SWIGLU,
    .residual = HL_RESIDUAL_PARALLEL,
    .scales = HL_SCALES_MULTIPLY,
    .needs_window = true,
    .window_pattern = 4,
};
