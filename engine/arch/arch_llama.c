/* SPDX-License-Identifier: MIT
 *
 * arch_llama.c - Llama 1 to 3, Mistral, SmolLM and their many relatives; with experts: Mixtral.
 *
 * The plain decoder: RMS norm, rotation of adjacent pairs, grouped queries, gated SiLU. Some files carry
 * biases, and Llama 3.1 and later divide the rotation's frequencies by rope_freqs.
 * from: the model cards' config.json (Llama 3.2, Mistral 7B, Mixtral 8x7B), November 2026
 */
#include "engine/arch/arch.h"

static const hl_tensor_row tensors[] = {
    {HL_W_TOK_EMBD, "token_embd.weight", {HL_DIM_VOCAB, HL_DIM_EMBD}, 0},
    {HL_W_ROPE_FREQS, "rope_freqs.weight", {HL_DIM_ROT_HALF}, HL_T_OPTIONAL},
    {HL_W_ATTN_NORM, "blk.%u.attn_norm.weight", {HL_DIM_EMBD}, 0},
    HL_ROWS_QKV,
    {HL_W_O, "blk.%u.attn_output.weight", {HL_DIM_EMBD, HL_DIM_Q}, 0},
    {HL_W_O_BIAS, "blk.%u.attn_output.bias", {HL_DIM_EMBD}, HL_T_OPTIONAL},
    {HL_W_FFN_NORM, "blk.%u.ffn_norm.weight", {HL_DIM_EMBD}, 0},
    {HL_W_GATE, "blk.%u.ffn_gate.weight", {HL_DIM_FF, HL_DIM_EMBD}, HL_T_DENSE},
    {HL_W_UP, "blk.%u.ffn_up.weight", {HL_DIM_FF, HL_DIM_EMBD}, HL_T_DENSE},
    {HL_W_DOWN, "blk.%u.ffn_down.weight", {HL_DIM_EMBD, HL_DIM_FF}, HL_T_DENSE},
    {HL_W_GATE_BIAS, "blk.%u.ffn_gate.bias", {HL_DIM_FF}, HL_T_DENSE | HL_T_OPTIONAL},
    {HL_W_UP_BIAS, "blk.%u.ffn_up.bias", {HL_DIM_FF}, HL_T_DENSE | HL_T_OPTIONAL},
    {HL_W_DOWN_BIAS, "blk.%u.ffn_down.bias", {HL_DIM_EMBD}, HL_T_DENSE | HL_T_OPTIONAL},
    {HL_W_ROUTER, "blk.%u.ffn_gate_inp.weight", {HL_DIM_EXPERTS, HL_DIM_EMBD}, HL_T_EXPERT},
    {HL_W_GATE_EXPS,
     "blk.%u.ffn_gate_exps.weight",
     {HL_DIM_EXPERTS, HL_DIM_EXPERT_FF, HL_DIM_EMBD},
     HL_T_EXPERT},
    {HL_W_UP_EXPS, "blk.%u.ffn_up_exps.weight", {HL_DIM_EXPERTS, HL_DIM_EXPERT_FF, HL_DIM_EMBD}, HL_T_EXPERT},
    {HL_W_DOWN_EXPS,
     "blk.%u.ffn_down_exps.weight",
     {HL_DIM_EXPERTS, HL_DIM_EMBD, HL_DIM_EXPERT_FF},
     HL_T_EXPERT},
    {HL_W_OUT_NORM, "output_norm.weight", {HL_DIM_EMBD}, 0},
    {HL_W_OUT, "output.weight", {HL_DIM_VOCAB, HL_DIM_EMBD}, HL_T_OPTIONAL}, /* else tied */
    {HL_W_OUT_BIAS, "output.bias", {HL_DIM_VOCAB}, HL_T_OPTIONAL},
    {0},
};

const hl_arch hl_arch_llama = {
    .name = "llama",
    .tensors = tensors,
    .rope = HL_ROPE_PAIRS,
    .act = HL_ACT_SWIGLU,
    .may_have_experts = true,
};
