/* SPDX-License-Identifier: MIT
 *
 * family_llama.c - Llama 1 to 3, Mistral, SmolLM: GGUF's llama, which rotates neighbouring pairs.
 */
#include "models/convert/family.h"

static const hl_tensor_rule rules[] = {
    HL_DECODER_RULES(HL_PAIR_ROWS_Q, HL_PAIR_ROWS_K, HL_AS_IT_IS),
    {"model.layers.#.post_attention_layernorm.weight", "blk.#.ffn_norm.weight", HL_AS_IT_IS},
    {"model.layers.#.mlp.gate_proj.bias", "blk.#.ffn_gate.bias", HL_AS_IT_IS},
    {"model.layers.#.mlp.up_proj.bias", "blk.#.ffn_up.bias", HL_AS_IT_IS},
    {"model.layers.#.mlp.down_proj.bias", "blk.#.ffn_down.bias", HL_AS_IT_IS},
    {0},
};

const hl_family hl_family_llama = {
    .types = {"llama", "mistral"}, .arch = "llama", .activation = "silu", .rules = rules};
