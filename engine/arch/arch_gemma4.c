/* SPDX-License-Identifier: MIT
 *
 * arch_gemma4.c - Gemma 4: E2B, E4B, 12B, 31B, 26B-A4B, text.
 *
 * gemma3 with heads, KV heads and feed-forward widths that differ by layer; values have a norm without
 * weights, and are the keys before their norm where there is no matrix for them; scores are not scaled.
 * Late layers of the small ones read the keys and values of earlier ones, and every layer has embeddings of
 * its own. Of the 26B, layers have experts beside a dense block, chosen from the residual stream itself.
 * from: the model cards' config.json and the tensors of converted files, August 2026
 */
#include "engine/arch/arch.h"

const hl_arch hl_arch_gemma4 = {
    .name = "gemma4",
    .weights = {HL_FRAME_WEIGHTS,
                HL_NEEDS(ATTN_NORM),
                HL_NEEDS(Q),
                HL_NEEDS(K),
                HL_ALLOWS(V),
                HL_NEEDS(O),
                HL_NEEDS(FFN_NORM),
                HL_DENSE_WEIGHTS,
                HL_EXPERT_WEIGHTS,
                HL_QK_NORMS,
                HL_POST_NORMS,
                HL_ALLOWS(ROUTER_SCALE),
                HL_ALLOWS(DOWN_EXPS_SCALE),
                HL_NEEDS(FFN_POST_NORM_1),
                HL_NEEDS(EXPERTS_NORM),
                HL_NEEDS(FFN_POST_NORM_2),
                HL_NEEDS(SIDE_EMBD),
                HL_NEEDS(SIDE_PROJ),
                HL_NEEDS(SIDE_NORM),
                HL_NEEDS(SIDE_GATE),
                HL_NEEDS(SIDE_UP),
                HL_NEEDS(SIDE_POST_NORM),
                HL_ALLOWS(LAYER_SCALE)},
    .by_layer = HL_BY_LAYER_HEADS | HL_BY_LAYER_KV_HEADS | HL_BY_LAYER_FF,
    .rope = HL_ROPE_HALVES,
    .activation = HL_ACTIVATION_GEGLU,
    .scale_embd = true,
    .has_softcap = true,
    .needs_window = true,
    .window_pattern = 6,
    .window_by_key = true,
    .window_rope_base = 10000.0f,
    .window_rope_plain = true,
    .qk_scale = 1.0f,
    .value_norm = true,
    .router = {.by_tensor = true, .beside_dense = true},
    .may_have_experts = true,
};
