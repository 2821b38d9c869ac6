/* SPDX-License-Identifier: MIT
 *
 * arch_qwen2.c - Qwen 1.5, 2 and 2.5, and the distillations made on them.
 *
 * Differs from llama in the rotation (halves) and in biases on query, key and value.
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
    {HL_W_FFN_NORM, "blk.%u.ffn_norm.weight", {HL_DIM_EMBD}, 0},
    {HL_W_GATE, "blk.%u.ffn_gate.weight", {HL_DIM_FF, HL_DIM_EMBD}, 0},
    {HL_W_UP, "blk.%u.ffn_up.weight", {HL_DIM_FF, HL_DIM_EMBD}, 0},
    {HL_W_DOWN, "blk.%u.ffn_down.weight", {HL_DIM_EMBD, HL_DIM_FF}, 0},
    {HL_W_GATE_BIAS, "blk.%u.ffn_gate.bias", {HL_DIM_FF}, HL_T_OPTIONAL},
    {HL_W_UP_BIAS, "blk.%u.ffn_up.bias", {HL_DIM_FF}, HL_T_OPTIONAL},
    {HL_W_DOWN_BIAS, "blk.%u.ffn_down.bias", {HL_DIM_EMBD}, HL_T_OPTIONAL},
    {HL_W_OUT_NORM, "output_norm.weight", {HL_DIM_EMBD}, 0},
    {HL_W_OUT, "output.weight", {HL_DIM_VOCAB, HL_DIM_EMBD}, HL_T_OPTIONAL}, /* else tied */
    {HL_W_OUT_BIAS, "output.bias", {HL_DIM_VOCAB}, HL_T_OPTIONAL},
    {0},
};

const hl_arch hl_arch_qwen2 = {
    .name = "qwen2",
    .tensors = tensors,
    .rope = HL_ROPE_HALVES,
    .act = HL_ACT_SWIGLU,
};
