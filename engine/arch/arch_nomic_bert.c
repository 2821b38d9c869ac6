/* SPDX-License-Identifier: MIT
 *
 * arch_nomic_bert.c - Nomic Embed 1 and 1.5.
 *
 * Differs from bert in rotated positions instead of learned ones, in a gated SiLU block, and in having no
 * biases but those of norms.
 * from: the model card's config.json and the tensors of converted files, November 2026
 */
#include "engine/arch/arch.h"

const hl_arch hl_arch_nomic_bert = {
    .name = "nomic-bert",
    .weights = {HL_ENCODER_WEIGHTS, HL_NEEDS(GATE), HL_NEEDS(UP), HL_NEEDS(DOWN)},
    .rope = HL_ROPE_HALVES,
    .activation = HL_ACTIVATION_SWIGLU,
    .is_encoder = true,
    .norms_behind = true,
};
