/* SPDX-License-Identifier: MIT
 *
 * arch_exaone.c - EXAONE 3.0 and 3.5.
 *
 * llama with another rotation (halves) and factors for it.
 * from: the model cards' config.json and the tensors of converted files, August 2026
 */
#include "engine/arch/arch.h"

const hl_arch hl_arch_exaone = {
    .name = "exaone",
    .weights = {HL_DECODER_WEIGHTS, HL_DENSE_WEIGHTS, HL_ALLOWS(ROPE_LONG), HL_ALLOWS(ROPE_SHORT)},
    .rope = HL_ROPE_HALVES,
    .activation = HL_ACTIVATION_SWIGLU,
};
