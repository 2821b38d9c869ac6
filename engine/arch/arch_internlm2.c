/* SPDX-License-Identifier: MIT
 *
 * arch_internlm2.c - InternLM 2, 2.5, 3.
 *
 * llama, and nothing else.
 * from: the model cards' config.json and the tensors of converted files, August 2026
 */
#include "engine/arch/arch.h"

const hl_arch hl_arch_internlm2 = {
    .name = "internlm2",
    .weights = {HL_DECODER_WEIGHTS, HL_DENSE_WEIGHTS},
    .rope = HL_ROPE_PAIRS,
    .activation = HL_ACTIVATION_SWIGLU,
};
