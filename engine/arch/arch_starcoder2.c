/* SPDX-License-Identifier: MIT
 *
 * arch_starcoder2.c - StarCoder2.
 *
 * Layer norms and biases everywhere; one matrix and GELU instead of a gate; the rotation of halves.
 * from: the model cards' config.json and the tensors of converted files, August 2026
 */
#include "engine/arch/arch.h"

const hl_arch hl_arch_starcoder2 = {
    .name = "starcoder2",
    .weights = {HL_DECODER_WEIGHTS, HL_NORM_BIASES, HL_PLAIN_DENSE_WEIGHTS},
    .norm = HL_NORM_LAYER,
    .rope = HL_ROPE_HALVES,
    .activation = HL_ACTIVATION_GEGLU,
};
