/* SPDX-License-Identifier: MIT
 *
 * arch_stablelm.c - StableLM: 1.6B, 3B, 12B.
 *
 * Layer norms with biases; a quarter of each head turns; the 12B has norms of heads, each with its own
 * weights, and one norm for attention and feed-forward.
 * from: the model cards' config.json and the tensors of converted files, August 2026
 */
#include "engine/arch/arch.h"

const hl_arch hl_arch_stablelm = {
    .name = "stablelm",
    .weights = {HL_FRAME_WEIGHTS, HL_NEEDS(ATTN_NORM), HL_ATTENTION_WEIGHTS, HL_DENSE_WEIGHTS, HL_NORM_BIASES,
                HL_ALLOWS(FFN_NORM), HL_ALLOWS(Q_NORM_EACH), HL_ALLOWS(K_NORM_EACH)},
    .norm = HL_NORM_LAYER,
    .rope = HL_ROPE_HALVES,
    .activation = HL_ACTIVATION_SWIGLU,
    .residual = HL_RESIDUAL_BY_NORM,
};
