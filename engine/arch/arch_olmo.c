/* SPDX-License-Identifier: MIT
 *
 * arch_olmo.c - OLMo 1.
 *
 * Layer norms without weights; queries, keys and values stay within bounds.
 * from: the model cards' config.json and the tensors of converted files, August 2026
 */
#include "engine/arch/arch.h"

const hl_arch hl_arch_olmo = {
    .name = "olmo",
    .weights = {HL_NEEDS(TOK_EMBD), HL_ALLOWS(OUT), HL_ATTENTION_WEIGHTS, HL_DENSE_WEIGHTS},
    .norm = HL_NORM_LAYER,
    .bare_norms = true,
    .rope = HL_ROPE_PAIRS,
    .activation = HL_ACTIVATION_SWIGLU,
};
