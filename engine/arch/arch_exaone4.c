/* SPDX-License-Identifier: MIT
 *
 * arch_exaone4.c - EXAONE 4.0 and 4.5.
 *
 * Norms stand behind the blocks only; norms of query and key heads. The 32B (64 layers) has windows in
 * three of four layers, and only these rotate.
 * from: the model cards' config.json and the tensors of converted files, August 2026
 */
#include "engine/arch/arch.h"

const hl_arch hl_arch_exaone4 = {
    .name = "exaone4",
    .weights = {HL_FRAME_WEIGHTS, HL_ATTENTION_WEIGHTS, HL_DENSE_WEIGHTS, HL_QK_NORMS, HL_POST_NORMS},
    .rope = HL_ROPE_HALVES,
    .still = HL_STILL_UNWINDOWED,
    .activation = HL_ACTIVATION_SWIGLU,
    .window_pattern = 4,
    .window_default = 4096,
    .window_layers = 64,
};
