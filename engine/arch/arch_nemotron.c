/* SPDX-License-Identifier: MIT
 *
 * arch_nemotron.c - Nemotron (Minitron) 4B, 8B, 15B.
 *
 * Layer norms, one matrix and squared ReLU; half of each head turns. Norm weights in files already hold the
 * + 1.
 * from: the model cards' config.json and the tensors of converted files, August 2026
 */
#include "engine/arch/arch.h"

const hl_arch hl_arch_nemotron = {
    .name = "nemotron",
    .weights = {HL_DECODER_WEIGHTS, HL_NORM_BIASES, HL_PLAIN_DENSE_WEIGHTS},
    .norm = HL_NORM_LAYER,
    .rope = HL_ROPE_HALVES,
    .activation = HL_ACTIVATION_RELU2,
};
