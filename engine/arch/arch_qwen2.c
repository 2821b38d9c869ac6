/* SPDX-License-Identifier: MIT
 *
 * arch_qwen2.c - Qwen 1.5, 2 and 2.5, and the distillations made on them.
 *
 * Differs from llama in the rotation (halves) and in biases on query, key and value.
 * from: the model cards' config.json, November 2026
 */
#include "engine/arch/arch.h"

const hl_arch hl_arch_qwen2 = {
    .name = "qwen2",
    .weights = {HL_DECODER_WEIGHTS, HL_DENSE_WEIGHTS},
    .rope = HL_ROPE_HALVES,
    .activation = HL_ACTIVATION_SWIGLU,
};
