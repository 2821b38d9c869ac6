/* SPDX-License-Identifier: MIT
 *
 * family_gemma3.c - Gemma 3, its text part: norms behind attention and feed-forward, too, that multiply
 * with 1 + w.
 *
 * from: the model's own code in transformers (Gemma3RMSNorm), 4.57
 */
#include <string.h>

#include "models/convert/family.h"

static const hl_tensor_rule rules[] = {
    HL_DECODER_RULES(HL_AS_IT_IS, HL_AS_IT_IS, HL_PLUS_ONE),
    {"model.layers.#.self_attn.q_norm.weight", "blk.#.attn_q_norm.weight", HL_PLUS_ONE},
    {"model.layers.#.self_attn.k_norm.weight", "blk.#.attn_k_norm.weight", HL_PLUS_ONE},
    {"model.layers.#.post_attention_layernorm.weight", "blk.#.post_attention_norm.weight", HL_PLUS_ONE},
    {"model.layers.#.pre_feedforward_layernorm.weight", "blk.#.ffn_norm.weight", HL_PLUS_ONE},
    {"model.layers.#.post_feedforward_layernorm.weight", "blk.#.post_ffw_norm.weight", HL_PLUS_ONE},
    {0},
};

/* A window is on five layers of six, the engine knows that; another pattern is said, for it to refuse. */
static hl_status add_keys(const hl_convert_keys *k, hl_err *err) {
    const int64_t window = hl_json_int(k->config, "sliding_window", 0);
    const int64_t pattern = hl_json_int(k->config, "sliding_window_pattern",
                                        hl_json_int(k->config, "_sliding_window_pattern", 6));
    const json_t *ropes = json_object_get(k->config, "rope_parameters"),
                 *types = json_object_get(k->config, "layer_types"), *one;
    size_t        i;
    const int64_t head = hl_json_int(k->config, "head_dim", 256);
    const int64_t scalar = hl_json_int(k->config, "query_pre_attn_scalar", head);
    if (scalar != head && hl_json_int(k->config, "num_hidden_layers", 0) != 62)
        return hl_fail(err, HL_E_UNSUPPORTED,
                       "config.json: query_pre_attn_scalar is %lld, expected head_dim (%lld)",
                       (long long)scalar, (long long)head);
    json_array_foreach(types, i, one) {
        const char *want =
            (int64_t)(i + 1) % (pattern > 0 ? pattern : 6) ? "sliding_attention" : "full_attention";
        if (!json_is_string(one) || strcmp(json_string_value(one), want) != 0)
            return hl_fail(err, HL_E_UNSUPPORTED, "config.json: layer_types[%zu]: expected %s", i, want);
    }
    const json_t *base = json_object_get(json_object_get(ropes, "sliding_attention"), "rope_theta");
    if (!base) base = json_object_get(k->config, "rope_local_base_freq");
    if (json_is_number(base))
        hl_gguf_writer_add_f32(k->w, "gemma3.rope.freq_base_swa", (float)json_number_value(base));
    hl_gguf_writer_add_u32(k->w, "gemma3.attention.sliding_window", window > 0 ? (uint32_t)window : 0);
    if (pattern != 6 && pattern > 0)
        hl_gguf_writer_add_u32(k->w, "gemma3.attention.sliding_window_pattern", (uint32_t)pattern);
    return HL_OK;
}

const hl_family hl_family_gemma3 = {.types = {"gemma3_text", "gemma3"},
                                    .arch = "gemma3",
                                    .activation = "gelu_pytorch_tanh",
                                    .prefix = "language_model.",
                                    .rules = rules,
                                    .add_keys = add_keys};
