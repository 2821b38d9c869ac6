/* SPDX-License-Identifier: MIT
 *
 * arch_hunyuan_dense.c - Hunyuan 0.5B to 7B.
 *
 * Norms of query and key heads, behind the rotation.
 * from: the model cards' config.json and the tensors of converted files, August 2026
 */
#include "engine/arch/arch.h"

const hl_arch hl_arch_hunyuan_dense = {
    .name = "hunyuan-dense",
    .weights = {HL_DECODER_WEIGHTS, HL_DENSE_WEIGHTS, HL_QK_NORMS},
    .rope = HL_ROPE_HALVES,
    .activation = HL_ACTIVATION_SWIGLU,
    .norm_behind_rope = true,
};
