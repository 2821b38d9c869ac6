/* SPDX-License-Identifier: MIT
 *
 * arch_gemma3n.c - Gemma 3n: E2B, E4B, text.
 *
 * Four residual streams, of which one goes through the blocks, beside it a low-rank block, and embeddings
 * of each layer's own (altup.c, side.c). Scores are not scaled, values have a norm without weights, layers
 * from the 20th on read the keys and values of earlier ones. The first ten feed-forward blocks keep the
 * strongest twentieth of their gates. All of these numbers are the model's own, whatever keys say.
 * from: the model cards' config.json and the tensors of converted files, August 2026
 */
#include "engine/arch/arch.h"

const hl_arch hl_arch_gemma3n = {
    .name = "gemma3n",
    .weights = {HL_DECODER_WEIGHTS,
                HL_DENSE_WEIGHTS,
                HL_QK_NORMS,
                HL_POST_NORMS,
                HL_NEEDS(ALTUP_PROJ),
                HL_NEEDS(ALTUP_UNPROJ),
                HL_NEEDS(SIDE_EMBD),
                HL_NEEDS(SIDE_PROJ),
                HL_NEEDS(SIDE_NORM),
                HL_NEEDS(SIDE_GATE),
                HL_NEEDS(SIDE_UP),
                HL_NEEDS(SIDE_POST_NORM),
                HL_NEEDS(ALTUP_CORRECT),
                HL_NEEDS(ALTUP_CORRECT_SCALE),
                HL_NEEDS(ALTUP_PREDICT),
                HL_NEEDS(ALTUP_ROUTER),
                HL_NEEDS(ALTUP_ROUTER_NORM),
                HL_NEEDS(LAUREL_DOWN),
                HL_NEEDS(LAUREL_UP),
                HL_NEEDS(LAUREL_NORM)},
    .rope = HL_ROPE_HALVES,
    .activation = HL_ACTIVATION_GEGLU,
    .scale_embd = true,
    .has_softcap = true,
    .final_softcap = 30.0f,
    .needs_window = true,
    .window_pattern = 5,
    .window_rope_base = 10000.0f,
    .window_rope_plain = true,
    .qk_scale = 1.0f,
    .value_norm = true,
    .has_altup = true,
};
