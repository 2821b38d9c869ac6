/* SPDX-License-Identifier: MIT
 *
 * arch_gptneox.c - GPT-NeoX, Pythia.
 *
 * Layer norms and biases everywhere, one matrix and GELU; a part of each head turns; attention and feed-
 * forward read the same x, each through its own norm, unless the file says otherwise.
 * from: the model cards' config.json and the tensors of converted files, August 2026
 */
#include "engine/arch/arch.h"

const hl_arch hl_arch_gptneox = {
    .name = "gptneox",
    .weights = {HL_DECODER_WEIGHTS, HL_NORM_BIASES, HL_PLAIN_DENSE_WEIGHTS},
    .norm = HL_NORM_LAYER,
    .rope = HL_ROPE_HALVES,
    .activation = HL_ACTIVATION_GEGLU,
    .residual = HL_RESIDUAL_BY_KEY,
};
