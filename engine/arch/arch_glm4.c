/* SPDX-License-Identifier: MIT
 *
 * arch_glm4.c - GLM-4-0414, GLM-Z1, and the text of GLM-4.1V.
 *
 * Differs from llama: norms behind attention and feed-forward, too, gate and up in one matrix, biases on
 * query, key and value. Half of each head turns.
 * from: the model cards' config.json and the tensors of converted files, August 2026
 */
#include "engine/arch/arch.h"

const hl_arch hl_arch_glm4 = {
    .name = "glm4",
    .weights = {HL_DECODER_WEIGHTS, HL_FUSED_DENSE_WEIGHTS, HL_POST_NORMS},
    .rope = HL_ROPE_PAIRS,
    .activation = HL_ACTIVATION_SWIGLU,
};
