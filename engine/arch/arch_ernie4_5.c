/* SPDX-License-Identifier: MIT
 *
 * arch_ernie4_5.c - ERNIE 4.5 0.3B.
 *
 * llama, and nothing else.
 * from: the model cards' config.json and the tensors of converted files, August 2026
 */
#include "engine/arch/arch.h"

const hl_arch hl_arch_ernie4_5 = {
    .name = "ernie4_5",
    .weights = {HL_DECODER_WEIGHTS, HL_DENSE_WEIGHTS},
    .rope = HL_ROPE_PAIRS,
    .activation = HL_ACTIVATION_SWIGLU,
};
