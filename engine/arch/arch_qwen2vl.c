/* SPDX-License-Identifier: MIT
 *
 * arch_qwen2vl.c - Qwen2-VL and Qwen2.5-VL, text.
 *
 * qwen2 for text: the axes by which an image turns are one and the same there. The epsilon of norms is 0,
 * as in the reference, which does not read it: what files say (1e-6) differs by nothing that could be seen.
 * from: the model cards' config.json and the tensors of converted files, August 2026
 */
#include "engine/arch/arch.h"

const hl_arch hl_arch_qwen2vl = {
    .name = "qwen2vl",
    .weights = {HL_DECODER_WEIGHTS, HL_DENSE_WEIGHTS},
    .rope = HL_ROPE_HALVES,
    .activation = HL_ACTIVATION_SWIGLU,
    .fixed_eps = 1e-20f,
};
