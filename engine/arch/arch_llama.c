/* SPDX-License-Identifier: MIT
 *
 * arch_llama.c - Llama 1 to 3, Mistral, SmolLM and their many relatives; with experts: Mixtral.
 *
 * The plain decoder: RMS norm, rotation of adjacent pairs, grouped queries, gated SiLU. Some files carry
 * biases, and Llama 3.1 and later divide the rotation's frequencies by rope_freqs.
 * from: the model cards' config.json (Llama 3.2, Mistral 7B, Mixtral 8x7B), November 2026
 */
#include "engine/arch/arch.h"

const hl_arch hl_arch_llama = {
    .name = "llama",
    .weights = {HL_DECODER_WEIGHTS, HL_DENSE_WEIGHTS, HL_EXPERT_WEIGHTS, HL_ALLOWS(ROPE_LONG),
                HL_ALLOWS(ROPE_SHORT)},
    .by_layer = HL_BY_LAYER_HEADS | HL_BY_LAYER_KV_HEADS | HL_BY_LAYER_FF,
    .rope = HL_ROPE_PAIRS,
    .activation = HL_ACTIVATION_SWIGLU,
    .may_have_experts = true,
};
