/* SPDX-License-Identifier: MIT
 *
 * arch_modern_bert.c - ModernBERT: GTE, Nomic.
 *
 * Layer norms without biases in front of the blocks and behind the embedding; the first layer has none for
 * attention; gate and up in one matrix; two of three layers see half a window on both sides, and rotate by
 * another base.
 * from: the model cards' config.json and the tensors of converted files, August 2026
 */
#include "engine/arch/arch.h"

const hl_arch hl_arch_modern_bert = {
    .name = "modern-bert",
    .weights = {HL_NEEDS(TOK_EMBD), HL_NEEDS(TOK_NORM), HL_NEEDS(OUT_NORM), HL_ALLOWS(ATTN_NORM),
                HL_ATTENTION_WEIGHTS, HL_NEEDS(FFN_NORM), HL_FUSED_DENSE_WEIGHTS, HL_HEAD_WEIGHTS},
    .norm = HL_NORM_LAYER,
    .rope = HL_ROPE_HALVES,
    .activation = HL_ACTIVATION_GEGLU,
    .window_pattern = 3,
    .window_dense_first = true,
    .window_rope_base = 10000.0f,
    .reads_activation = true,
    .rank = HL_RANK_MEAN,
    .is_encoder = true,
};
