/* SPDX-License-Identifier: MIT
 *
 * arch_qwen3moe.c - Qwen3 decoders with experts (30B-A3B, 235B-A22B, Coder).
 *
 * qwen3 with the feed-forward block replaced by experts: softmax over all, the best few, renormalised.
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
    {HL_W_FFN_NORM, "blk.%u.ffn_norm.weight", {HL_DIM_EMBD}, 0},
    {HL_W_ROUTER, "blk.%u.ffn_gate_inp.weight", {HL_DIM_EXPERTS, HL_DIM_EMBD}, 0},
    {HL_W_GATE_EXPS, "blk.%u.ffn_gate_exps.weight", {HL_DIM_EXPERTS, HL_DIM_EXPERT_FF, HL_DIM_EMBD}, 0},
    {HL_W_UP_EXPS, "blk.%u.ffn_up_exps.weight", {HL_DIM_EXPERTS, HL_DIM_EXPERT_FF, HL_DIM_EMBD}, 0},
    {HL_W_DOWN_EXPS, "blk.%u.ffn_down_exps.weight", {HL_DIM_EXPERTS, HL_DIM_EMBD, HL_DIM_EXPERT_FF}, 0},
    {HL_W_OUT_NORM, "output_norm.weight", {HL_DIM_EMBD}, 0},
    {HL_W_OUT, "output.weight", {HL_DIM_VOCAB, HL_DIM_EMBD}, HL_T_OPTIONAL}, /* else tied */
    {HL_W_OUT_BIAS, "output.bias", {HL_DIM_VOCAB}, HL_T_OPTIONAL},
    {0},
};

const hl_arch hl_arch_qwen3moe = {
    .name = "qwen3moe",
    .tensors = tensors,
    .rope = HL_ROPE_HALVES,
    .act = HL_ACT_SWIGLU,
    .splits_ff = true,
    .needs_experts = true,
    .may_have_experts = true,
};
