/* SPDX-License-Identifier: MIT
 *
 * arch_bert.c - BERT: MiniLM, BGE, E5, GTE, mxbai, Arctic embed.
 *
 * An encoder: learned positions, one type for all tokens, layer norms with biases behind each block, a plain
 * GELU feed-forward block (tanh form, as the reference computes all of them), biases everywhere.
 * from: the model cards' config.json and the tensors of converted files, November 2026
 */
#include "engine/arch/arch.h"

const hl_arch hl_arch_bert = {
    .name = "bert",
    .weights = {HL_ENCODER_WEIGHTS, HL_NEEDS(POS_EMBD), HL_NEEDS(UP), HL_NEEDS(DOWN), HL_ALLOWS(UP_BIAS),
                HL_ALLOWS(DOWN_BIAS)},
    .rope = HL_ROPE_NONE,
    .activation = HL_ACTIVATION_GEGLU,
    .is_encoder = true,
    .norms_behind = true,
};
