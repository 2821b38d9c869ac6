/* SPDX-License-Identifier: MIT
 *
 * arch_apertus.c - Apertus 8B, 70B.
 *
 * Norms of query and key heads; one matrix and xIELU, whose numbers are keys of each layer.
 * from: the model cards' config.json and the tensors of converted files, August 2026
 */
#include "engine/arch/arch.h"

const hl_arch hl_arch_apertus = {
    .name = "apertus",
    .weights = {HL_DECODER_WEIGHTS, HL_PLAIN_DENSE_WEIGHTS, HL_ALLOWS(Q_NORM), HL_ALLOWS(K_NORM),
                HL_ALLOWS(ROPE_LONG), HL_ALLOWS(ROPE_SHORT)},
    .rope = HL_ROPE_HALVES,
    .activation = HL_ACTIVATION_XIELU,
};
