/* SPDX-License-Identifier: MIT
 *
 * arch_gemma_embedding.c - EmbeddingGemma 300M.
 *
 * gemma3 as an encoder: every row sees all of its text, in windowed layers half a window before and behind
 * it. Behind the mean of the rows stand two matrices without anything between, where the file has them.
 * from: the model card's config.json and modules.json, and converted files, November 2026
 */
#include "engine/arch/arch.h"

const hl_arch hl_arch_gemma_embedding = {
    .name = "gemma-embedding",
    .weights = {HL_DECODER_WEIGHTS, HL_DENSE_WEIGHTS, HL_QK_NORMS, HL_POST_NORMS, HL_ALLOWS(POOLED_UP),
                HL_ALLOWS(POOLED_DOWN)},
    .rope = HL_ROPE_HALVES,
    .activation = HL_ACTIVATION_GEGLU,
    .scale_embd = true,
    .window_pattern = 6,
    .window_rope_base = 10000.0f,
    .window_rope_plain = true,
    .is_encoder = true,
};
