/* SPDX-License-Identifier: MIT
 *
 * arch_gemma2.c - Gemma 2: 2B, 9B, 27B.
 *
 * Differs from llama: embeddings scaled by sqrt(n_embd), norms also behind attention and feed-forward,
 * gated GELU, soft caps on attention scores and logits, every other layer sees a window only. The 27B
 * (46 layers) scales queries by n_embd / n_heads. Norm weights in files already hold the + 1.
 * from: the model cards' config.json, November 2026
 */
#include "engine/arch/arch.h"

const hl_arch hl_arch_gemma2 = {
    .name = "gemma2",
    .weights = {HL_DECODER_WEIGHTS, HL_DENSE_WEIGHTS, HL_POST_NORMS},
    .rope = HL_ROPE_HALVES,
    .activation = HL_ACTIVATION_GEGLU,
    .scale_embd = true,
    .has_softcap = true,
    .attn_softcap = 50.0f,
    .final_softcap = 30.0f,
    .window_pattern = 2,
    .window_default = 4096,
    .query_pre_attn_scalar_layers = 46,
};
