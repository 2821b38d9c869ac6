/* SPDX-License-Identifier: MIT
 *
 * arch_phi3.c - Phi-3, Phi-3.5, Phi-4, Phi-4-mini.
 *
 * Differs from llama: the rotation (halves, of a part of each head in Phi-4-mini) with tables for short and
 * long contexts, and query, key and value, and gate and up, each in one matrix. Windows that files speak of
 * are not used.
 * from: the model cards' config.json and the tensors of converted files, August 2026
 */
#include "engine/arch/arch.h"

const hl_arch hl_arch_phi3 = {
    .name = "phi3",
    .weights = {HL_DECODER_WEIGHTS, HL_FUSED_DENSE_WEIGHTS, HL_ALLOWS(ROPE_LONG), HL_ALLOWS(ROPE_SHORT)},
    .rope = HL_ROPE_HALVES,
    .activation = HL_ACTIVATION_SWIGLU,
};
