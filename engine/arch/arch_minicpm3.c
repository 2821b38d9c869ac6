/* SPDX-License-Identifier: MIT
 *
 * arch_minicpm3.c - MiniCPM3 4B.
 *
 * Low-rank keys and values, expanded to whole heads; tables for the rotation of short and long contexts;
 * multipliers for embeddings, blocks and logits.
 * from: the model cards' config.json and the tensors of converted files, August 2026
 */
#include "engine/arch/arch.h"

const hl_arch hl_arch_minicpm3 = {
    .name = "minicpm3",
    .weights = {HL_FRAME_WEIGHTS, HL_NEEDS(ATTN_NORM), HL_MLA_WEIGHTS, HL_NEEDS(FFN_NORM), HL_DENSE_WEIGHTS,
                HL_ALLOWS(ROPE_LONG), HL_ALLOWS(ROPE_SHORT)},
    .rope = HL_ROPE_HALVES,
    .activation = HL_ACTIVATION_SWIGLU,
    .scales = HL_SCALES_MINICPM,
    .has_mla = true,
};
