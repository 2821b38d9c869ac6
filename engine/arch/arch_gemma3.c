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

static const hl_tensor_row tensors[] = {
    {HL_W_TOK_EMBD, "token_embd.weight", {HL_DIM_VOCAB, HL_DIM_EMBD}, 0},
    {HL_W_ROPE_FREQS, "rope_freqs.weight", {HL_DIM_ROT_HALF}, HL_T_OPTIONAL},
    {HL_W_ATTN_NORM, "blk.%u.attn_norm.weight", {HL_DIM_EMBD}, 0},
    HL_ROWS_QKV,
    {HL_W_Q_NORM, "blk.%u.attn_q_norm.weight", {HL_DIM_HEAD}, 0},
    {HL_W_K_NORM, "blk.%u.attn_k_norm.weight", {HL_DIM_HEAD}, 0},
    {HL_W_O, "blk.%u.attn_output.weight", {HL_DIM_EMBD, HL_DIM_Q}, 0},
    {HL_W_O_BIAS, "blk.%u.attn_output.bias", {HL_DIM_EMBD}, HL_T_OPTIONAL},
    {HL_W_ATTN_POST_NORM, "blk.%u.post_attention_norm.weight", {HL_DIM_EMBD}, 0},
    {HL_W_FFN_NORM, "blk.%u.ffn_norm.weight", {HL_DIM_EMBD}, 0},
    {HL_W_GATE, "blk.%u.ffn_gate.weight", {HL_DIM_FF, HL_DIM_EMBD}, 0},
    {HL_W_UP, "blk.%u.ffn_up.weight", {HL_DIM_FF, HL_DIM_EMBD}, 0},
    {HL_W_DOWN, "blk.%u.ffn_down.weight", {HL_DIM_EMBD, HL_DIM_FF}, 0},
    {HL_W_GATE_BIAS, "blk.%u.ffn_gate.bias", {HL_DIM_FF}, HL_T_OPTIONAL},
    {HL_W_UP_BIAS, "blk.%u.ffn_up.bias", {HL_DIM_FF}, HL_T_OPTIONAL},
    {HL_W_DOWN_BIAS, "blk.%u.ffn_down.bias", {HL_DIM_EMBD}, HL_T_OPTIONAL},
    {HL_W_FFN_POST_NORM, "blk.%u.post_ffw_norm.weight", {HL_DIM_EMBD}, 0},
    {HL_W_OUT_NORM, "output_norm.weight", {HL_DIM_EMBD}, 0},
    {HL_W_OUT, "output.weight", {HL_DIM_VOCAB, HL_DIM_EMBD}, HL_T_OPTIONAL}, /* else tied */
    {HL_W_OUT_BIAS, "output.bias", {HL_DIM_VOCAB}, HL_T_OPTIONAL},
    {0},
};

const hl_arch hl_arch_gemma3 = {
    .name = "gemma3",
    .tensors = tensors,
    .rope = HL_ROPE_HALVES,
    .act = HL_ACT_GEGLU,
    .scale_embd = true,
    .has_softcap = true,
    .window_pattern = 6,
    .window_rope_base = 10000.0f,
    .wide_scale_layers = 62,
};
