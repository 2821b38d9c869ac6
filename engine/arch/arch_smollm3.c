/* SPDX-License-Identifier: MIT
 *
 * arch_smollm3.c - SmolLM3 3B.
 *
 * llama without rotation in every fourth layer.
 * from: the model cards' config.json and the tensors of converted files, August 2026
 */
#include "engine/arch/arch.h"

const hl_arch hl_arch_smollm3 = {
    .name = "smollm3",
    .weights = {HL_DECODER_WEIGHTS, HL_DENSE_WEIGHTS},
    .rope = HL_ROPE_PAIRS,
    .still = HL_STILL_EVERY_4TH,
    .activation = HL_ACTIVATION_SWIGLU,
};
