/* SPDX-License-Identifier: MIT
 *
 * family_qwen3.c - Qwen 3, dense: norms at the heads of queries and keys.
 */
#include "models/convert/family.h"

static const hl_tensor_rule rules[] = {
    HL_DECODER_RULES(HL_AS_IT_IS, HL_AS_IT_IS, HL_AS_IT_IS),
    {"model.layers.#.post_attention_layernorm.weight", "blk.#.ffn_norm.weight", HL_AS_IT_IS},
    {"model.layers.#.self_attn.q_norm.weight", "blk.#.attn_q_norm.weight", HL_AS_IT_IS},
    {"model.layers.#.self_attn.k_norm.weight", "blk.#.attn_k_norm.weight", HL_AS_IT_IS},
    {0},
};

const hl_family hl_family_qwen3 = {.types = {"qwen3"}, .arch = "qwen3", .activation = "silu", .rules = rules};
