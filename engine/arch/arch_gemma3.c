/* SPDX-License-Identifier: MIT
 *
 * arch_gemma3.c - Gemma 3: 270M to 27B, text.
 *
 * Differs from gemma2: norms on query and key heads instead of soft caps, five windowed layers for each
 * that sees everything, and another rotation base (10,000) on the windowed ones, to which the file's
 * scaling does not apply. A file without a window has none, and one rotation. The 27B (62 layers) scales
 * queries by n_embd / n_heads.
 * from: the model cards' config.json, November 2026
 */
#include "engine/arch/arch.h"

const hl_arch hl_arch_gemma3 = {
    .name = "gemma3",
    .weights = {HL_DECODER_WEIGHTS, HL_DENSE_WEIGHTS, HL_QK_NORMS, HL_POST_NORMS},
    .rope = HL_ROPE_HALVES,
    .activation = HL_ACTIVATION_GEGLU,
    .scale_embd = true,
    .has_softcap = true,
    .window_pattern = 6,
    .window_rope_base = 10000.0f,
    .window_rope_plain = true,
    .query_pre_attn_scalar_layers = 62,
};
