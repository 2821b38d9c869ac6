/* SPDX-License-Identifier: MIT
 *
 * arch_granite.c - Granite 3.x and 4 dense.
 *
 * llama with multipliers for embeddings, blocks, scores and logits. A file may say that it does not rotate.
 * from: the model cards' config.json and the tensors of converted files, August 2026
 */
#include "engine/arch/arch.h"

const hl_arch hl_arch_granite = {
    .name = "granite",
    .weights = {HL_DECODER_WEIGHTS, HL_DENSE_WEIGHTS, HL_ALLOWS(ROPE_LONG), HL_ALLOWS(ROPE_SHORT)},
    .rope = HL_ROPE_PAIRS,
    .activation = HL_ACTIVATION_SWIGLU,
    .scales = HL_SCALES_DIVIDE,
    .reads_qk_scale = true,
    .rotates_if_finetuned = true,
};
