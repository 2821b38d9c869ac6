/* SPDX-License-Identifier: MIT
 *
 * arch_qwen3vl.c - Qwen3-VL dense: 2B to 32B, text.
 *
 * qwen3 for text: the axes by which an image turns are one and the same there.
 * from: the model cards' config.json and the tensors of converted files, August 2026
 */
#include "engine/arch/arch.h"

const hl_arch hl_arch_qwen3vl = {
    .name = "qwen3vl",
    .weights = {HL_DECODER_WEIGHTS, HL_DENSE_WEIGHTS, HL_QK_NORMS, HL_HEAD_WEIGHTS},
    .rope = HL_ROPE_HALVES,
    .rank = HL_RANK_LAST,
    .activation = HL_ACTIVATION_SWIGLU,
};
