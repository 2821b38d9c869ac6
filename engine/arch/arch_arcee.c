/* SPDX-License-Identifier: MIT
 *
 * arch_arcee.c - AFM 4.5B.
 *
 * llama with one matrix and squared ReLU.
 * from: the model cards' config.json and the tensors of converted files, August 2026
 */
#include "engine/arch/arch.h"

const hl_arch hl_arch_arcee = {
    .name = "arcee",
    .weights = {HL_DECODER_WEIGHTS, HL_PLAIN_DENSE_WEIGHTS},
    .rope = HL_ROPE_PAIRS,
    .activation = HL_ACTIVATION_RELU2,
};
