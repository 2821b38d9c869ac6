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

static const hl_tensor_row tensors[] = {
    {HL_W_TOK_EMBD, "token_embd.weight", {HL_DIM_VOCAB, HL_DIM_EMBD}, 0},
    {HL_W_ROPE_FREQS, "rope_freqs.weight", {HL_DIM_ROT_HALF}, HL_T_OPTIONAL},
    {HL_W_ATTN_NORM, "blk.%u.attn_norm.weight", {HL_DIM_EMBD}, 0},
    HL_ROWS_QKV,
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

const hl_arch hl_arch_gemma2 = {
    .name = "gemma2",
    .tensors = tensors,
    .rope = HL_ROPE_HALVES,
    .act = HL_ACT_GEGLU,
    .scale_embd = true,
    .has_softcap = true,
    .attn_softcap = 50.0f,
    .final_softcap = 30.0f,
    .window_pattern = 2,
    .window_default = 4096,
    .wide_scale_layers = 46,
};
