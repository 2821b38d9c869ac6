/* SPDX-License-Identifier: MIT
 *
 * arch_phi2.c - Phi-1, Phi-1.5, Phi-2.
 *
 * Layer norms and biases everywhere, one matrix and GELU; a part of each head turns; attention and feed-
 * forward read the same norm.
 * from: the model cards' config.json and the tensors of converted files, August 2026
 */
#include "engine/arch/arch.h"

const hl_arch hl_arch_phi2 = {
    .name = "phi2",
    .weights = {HL_FRAME_WEIGHTS, HL_NEEDS(ATTN_NORM), HL_ATTENTION_WEIGHTS, HL_NORM_BIASES,
                HL_PLAIN_DENSE_WEIGHTS},
    .norm = HL_NORM_LAYER,
    .rope = HL_ROPE_HALVES,
    .activation = HL_ACTIVATION_GEGLU,
    .residual = HL_RESIDUAL_PARALLEL,
};
