/* SPDX-License-Identifier: MIT
 *
 * arch_falcon.c - Falcon 7B, 40B.
 *
 * Layer norms with biases, one matrix and GELU; attention and feed-forward read the same x; the 40B has a
 * norm of its own for attention, which is called attn_norm_2.
 * from: the model cards' config.json and the tensors of converted files, August 2026
 */
#include "engine/arch/arch.h"

const hl_arch hl_arch_falcon = {
    .name = "falcon",
    .weights = {HL_FRAME_WEIGHTS, HL_NEEDS(ATTN_NORM), HL_ATTENTION_WEIGHTS, HL_NORM_BIASES,
                HL_ALLOWS(ATTN_NORM_2), HL_ALLOWS(ATTN_NORM_2_BIAS), HL_PLAIN_DENSE_WEIGHTS},
    .norm = HL_NORM_LAYER,
    .rope = HL_ROPE_HALVES,
    .activation = HL_ACTIVATION_GEGLU,
    .residual = HL_RESIDUAL_PARALLEL,
};
