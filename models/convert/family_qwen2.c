/* SPDX-License-Identifier: MIT
 *
 * family_qwen2.c - Qwen 2 and 2.5: llama with biases at queries, keys and values, rotated in halves.
 */
#include "models/convert/family.h"

static const hl_tensor_rule rules[] = {
    HL_DECODER_RULES(HL_AS_IT_IS, HL_AS_IT_IS, HL_AS_IT_IS),
    {"model.layers.#.post_attention_layernorm.weight", "blk.#.ffn_norm.weight", HL_AS_IT_IS},
    {0},
};

const hl_family hl_family_qwen2 = {.types = {"qwen2"}, .arch = "qwen2", .activation = "silu", .rules = rules};
