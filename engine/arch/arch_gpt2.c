/* SPDX-License-Identifier: MIT
 *
 * arch_gpt2.c - GPT-2.
 *
 * Layer norms and biases everywhere, learned positions, one matrix and GELU.
 * from: the model cards' config.json and the tensors of converted files, August 2026
 */
#include "engine/arch/arch.h"

const hl_arch hl_arch_gpt2 = {
    .name = "gpt2",
    .weights = {HL_DECODER_WEIGHTS, HL_NORM_BIASES, HL_PLAIN_DENSE_WEIGHTS, HL_NEEDS(POS_EMBD)},
    .norm = HL_NORM_LAYER,
    .rope = HL_ROPE_NONE,
    .activation = HL_ACTIVATION_GEGLU,
};
