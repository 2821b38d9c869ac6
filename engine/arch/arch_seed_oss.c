/* SPDX-License-Identifier: MIT
 *
 * arch_seed_oss.c - Seed-OSS 36B.
 *
 * qwen2 with heads of a size of their own; the norm in front of the feed-forward block is called
 * post_attention_norm.
 * from: the model cards' config.json and the tensors of converted files, August 2026
 */
#include "engine/arch/arch.h"

const hl_arch hl_arch_seed_oss = {
    .name = "seed_oss",
    .weights = {HL_FRAME_WEIGHTS, HL_NEEDS(ATTN_NORM), HL_ATTENTION_WEIGHTS, HL_NEEDS(FFN_NORM_AS_POST),
                HL_DENSE_WEIGHTS},
    .rope = HL_ROPE_HALVES,
    .activation = HL_ACTIVATION_SWIGLU,
};
