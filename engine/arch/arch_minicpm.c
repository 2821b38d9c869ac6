/* SPDX-License-Identifier: MIT
 *
 * arch_minicpm.c - MiniCPM 1 and 2, with experts too.
 *
 * llama with multipliers for embeddings, blocks and logits, known without keys; tables for the rotation of
 * short and long contexts.
 * from: the model cards' config.json and the tensors of converted files, August 2026
 */
#include "engine/arch/arch.h"

const hl_arch hl_arch_minicpm = {
    .name = "minicpm",
    .weights = {HL_DECODER_WEIGHTS, HL_DENSE_WEIGHTS, HL_EXPERT_WEIGHTS, HL_ALLOWS(ROPE_LONG),
                HL_ALLOWS(ROPE_SHORT)},
    .rope = HL_ROPE_PAIRS,
    .activation = HL_ACTIVATION_SWIGLU,
    .scales = HL_SCALES_MINICPM,
    .may_have_experts = true,
};
