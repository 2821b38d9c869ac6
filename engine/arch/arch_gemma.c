/* SPDX-License-Identifier: MIT
 *
 * arch_gemma.c - Gemma 1 and CodeGemma: 2B, 7B.
 *
 * Differs from llama: the rotation (halves), gated GELU, embeddings times sqrt(n_embd). Norm weights in
 * files already hold the + 1.
 * from: the model cards' config.json and the tensors of converted files, August 2026
 */
#include "engine/arch/arch.h"

const hl_arch hl_arch_gemma = {
    .name = "gemma",
    .weights = {HL_DECODER_WEIGHTS, HL_DENSE_WEIGHTS},
    .rope = HL_ROPE_HALVES,
    .activation = HL_ACTIVATION_GEGLU,
    .scale_embd = true,
};
