/* SPDX-License-Identifier: MIT
 *
 * arch_gemma4_assistant.c - the drafters that come with Gemma 4: E2B, E4B, 12B, 26B-A4B, 31B.
 *
 * A few narrow layers like those of gemma4 that have no keys and values: they attend to those of the model
 * they draft for. A token's embedding is that model's, too; the head is a table of their own.
 * from: the model cards' config.json and the tensors of converted files, August 2026
 */
#include "engine/arch/arch.h"

const hl_arch hl_arch_gemma4_assistant = {
    .name = "gemma4-assistant",
    .weights = {HL_NEEDS(TOK_EMBD), HL_ALLOWS(ROPE_FREQS), HL_NEEDS(OUT_NORM), HL_NEEDS(PRE_PROJ),
                HL_NEEDS(POST_PROJ), HL_NEEDS(ATTN_NORM), HL_NEEDS(Q), HL_NEEDS(O), HL_NEEDS(FFN_NORM),
                HL_DENSE_WEIGHTS, HL_NEEDS(Q_NORM), HL_POST_NORMS, HL_ALLOWS(LAYER_SCALE)},
    .by_layer = HL_BY_LAYER_HEADS | HL_BY_LAYER_KV_HEADS | HL_BY_LAYER_FF,
    .rope = HL_ROPE_HALVES,
    .activation = HL_ACTIVATION_GEGLU,
    .needs_window = true,
    .window_pattern = 6,
    .window_by_key = true,
    .window_rope_base = 10000.0f,
    .window_rope_plain = true,
    .qk_scale = 1.0f,
    .drafts = HL_DRAFTS_ASSISTANT,
    .borrows_kv = true,
    .target_key = "embedding_length_out",
};
