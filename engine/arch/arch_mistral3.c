/* SPDX-License-Identifier: MIT
 *
 * arch_mistral3.c - Ministral 3: 3B, 8B, 14B; Devstral 2.
 *
 * llama whose queries grow with the position, and whose YaRN has bounds and a logarithm of its own.
 * from: the model cards' config.json and the tensors of converted files, August 2026
 */
#include "engine/arch/arch.h"

const hl_arch hl_arch_mistral3 = {
    .name = "mistral3",
    .weights = {HL_DECODER_WEIGHTS, HL_DENSE_WEIGHTS, HL_EXPERT_WEIGHTS},
    .rope = HL_ROPE_PAIRS,
    .activation = HL_ACTIVATION_SWIGLU,
    .reads_yarn_betas = true,
    .yarn_log_unit = 1.0f,
    .temperature = HL_TEMPERATURE_BY_KEY,
    .may_have_experts = true,
};
