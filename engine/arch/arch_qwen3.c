/* SPDX-License-Identifier: MIT
 *
 * arch_qwen3.c - Qwen3 dense decoders.
 *
 * Differs from llama in the rotation (halves) and in an RMS norm on every query and key head before it;
 * the head size is given by the file rather than n_embd / n_heads.
 * from: the model cards' config.json, November 2026
 */
#include "engine/arch/arch.h"

const hl_arch hl_arch_qwen3 = {
    .name = "qwen3",
    .weights = {HL_DECODER_WEIGHTS, HL_DENSE_WEIGHTS, HL_QK_NORMS, HL_HEAD_WEIGHTS},
    .rope = HL_ROPE_HALVES,
    .rank = HL_RANK_LAST,
    .activation = HL_ACTIVATION_SWIGLU,
};
