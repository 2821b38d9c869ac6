/* SPDX-License-Identifier: MIT
 *
 * arch_eurobert.c - EuroBERT.
 *
 * llama whose rows see all of their text.
 * from: the model cards' config.json and the tensors of converted files, August 2026
 */
#include "engine/arch/arch.h"

const hl_arch hl_arch_eurobert = {
    .name = "eurobert",
    .weights = {HL_DECODER_WEIGHTS, HL_DENSE_WEIGHTS},
    .rope = HL_ROPE_PAIRS,
    .activation = HL_ACTIVATION_SWIGLU,
    .is_encoder = true,
};
