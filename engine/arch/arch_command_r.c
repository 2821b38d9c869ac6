/* SPDX-License-Identifier: MIT
 *
 * arch_command_r.c - Command R, R+, Aya 23.
 *
 * Layer norms without biases; attention and feed-forward read the same norm, and both are added; logits are
 * multiplied. The largest has norms of query and key heads, each head with its own weights.
 * from: the model cards' config.json and the tensors of converted files, August 2026
 */
#include "engine/arch/arch.h"

const hl_arch hl_arch_command_r = {
    .name = "command-r",
    .weights = {HL_FRAME_WEIGHTS, HL_NEEDS(ATTN_NORM), HL_ATTENTION_WEIGHTS, HL_DENSE_WEIGHTS,
                HL_ALLOWS(Q_NORM_EACH), HL_ALLOWS(K_NORM_EACH)},
    .norm = HL_NORM_LAYER,
    .rope = HL_ROPE_PAIRS,
    .activation = HL_ACTIVATION_SWIGLU,
    .residual = HL_RESIDUAL_PARALLEL,
    .scales = HL_SCALES_MULTIPLY,
};
