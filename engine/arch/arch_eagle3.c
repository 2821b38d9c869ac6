/* SPDX-License-Identifier: MIT
 *
 * arch_eagle3.c - EAGLE-3 and 3.1: heads that draft for Llama, Qwen3, gpt-oss and others.
 *
 * One layer of llama whose attention reads two vectors side by side: the embedding of a token, and what the
 * residual stream of three layers of the model makes through one matrix. Its vocabulary may be a part of the
 * model's (d2t).
 * from: "EAGLE-3", arXiv 2503.01840, and the tensors of converted files, August 2026
 */
#include "engine/arch/arch.h"

const hl_arch hl_arch_eagle3 = {
    .name = "eagle3",
    .weights = {HL_ALLOWS(TOK_EMBD), HL_ALLOWS(ROPE_FREQS), HL_NEEDS(OUT_NORM), HL_ALLOWS(OUT), HL_NEEDS(FC),
                HL_ALLOWS(FEATURES_NORM), HL_NEEDS(ATTN_NORM), HL_NEEDS(ATTN_NORM_2), HL_ATTENTION_WEIGHTS,
                HL_NEEDS(FFN_NORM), HL_DENSE_WEIGHTS},
    .rope = HL_ROPE_PAIRS,
    .activation = HL_ACTIVATION_SWIGLU,
    .drafts = HL_DRAFTS_EAGLE3,
    .target_key = "target_hidden_size",
    .n_tapped = 3,
    .attends_to_pairs = true,
};
