/* SPDX-License-Identifier: MIT
 *
 * family_bert.c - BERT encoders for embeddings: MiniLM, BGE, E5, GTE.
 */
#include <string.h>

#include "models/convert/family.h"

#define ATTENTION "encoder.layer.#.attention."

static const hl_tensor_rule rules[] = {
    {"embeddings.word_embeddings.weight", "token_embd.weight", HL_AS_IT_IS},
    {"embeddings.token_type_embeddings.weight", "token_types.weight", HL_AS_IT_IS},
    {"embeddings.position_embeddings.weight", "position_embd.weight", HL_AS_IT_IS},
    {"embeddings.LayerNorm.weight", "token_embd_norm.weight", HL_AS_IT_IS},
    {"embeddings.LayerNorm.bias", "token_embd_norm.bias", HL_AS_IT_IS},
    {"embeddings.position_ids", NULL, HL_AS_IT_IS},
    {ATTENTION "self.query.weight", "blk.#.attn_q.weight", HL_AS_IT_IS},
    {ATTENTION "self.key.weight", "blk.#.attn_k.weight", HL_AS_IT_IS},
    {ATTENTION "self.value.weight", "blk.#.attn_v.weight", HL_AS_IT_IS},
    {ATTENTION "self.query.bias", "blk.#.attn_q.bias", HL_AS_IT_IS},
    {ATTENTION "self.key.bias", "blk.#.attn_k.bias", HL_AS_IT_IS},
    {ATTENTION "self.value.bias", "blk.#.attn_v.bias", HL_AS_IT_IS},
    {ATTENTION "output.dense.weight", "blk.#.attn_output.weight", HL_AS_IT_IS},
    {ATTENTION "output.dense.bias", "blk.#.attn_output.bias", HL_AS_IT_IS},
    {ATTENTION "output.LayerNorm.weight", "blk.#.attn_output_norm.weight", HL_AS_IT_IS},
    {ATTENTION "output.LayerNorm.bias", "blk.#.attn_output_norm.bias", HL_AS_IT_IS},
    {"encoder.layer.#.intermediate.dense.weight", "blk.#.ffn_up.weight", HL_AS_IT_IS},
    {"encoder.layer.#.intermediate.dense.bias", "blk.#.ffn_up.bias", HL_AS_IT_IS},
    {"encoder.layer.#.output.dense.weight", "blk.#.ffn_down.weight", HL_AS_IT_IS},
    {"encoder.layer.#.output.dense.bias", "blk.#.ffn_down.bias", HL_AS_IT_IS},
    {"encoder.layer.#.output.LayerNorm.weight", "blk.#.layer_output_norm.weight", HL_AS_IT_IS},
    {"encoder.layer.#.output.LayerNorm.bias", "blk.#.layer_output_norm.bias", HL_AS_IT_IS},
    {"pooler.dense.weight", NULL, HL_AS_IT_IS}, /* of the next-sentence task; embeddings do without */
    {"pooler.dense.bias", NULL, HL_AS_IT_IS},
    {0},
};

enum { MEAN = 1, CLS = 2 }; /* as GGUF counts */

/* from: sentence-transformers 5, Pooling: a flag for each way, in newer files one word. Several at once are
 * joined there. */
static hl_status find_pooling(const json_t *pooling, uint32_t *ret, hl_err *err) {
    static const char *const others[] = {"pooling_mode_max_tokens", "pooling_mode_mean_sqrt_len_tokens",
                                         "pooling_mode_weightedmean_tokens", "pooling_mode_lasttoken"};
    const char              *word = hl_json_text(pooling, "pooling_mode");
    const bool               is_cls = hl_json_bool(pooling, "pooling_mode_cls_token", false);
    const char              *wrong = is_cls && hl_json_bool(pooling, "pooling_mode_mean_tokens", false)
                                         ? "pooling_mode_mean_tokens"
                                         : NULL;
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (hl_json_bool(pooling, others[i], false)) wrong = others[i];
    if (word && strcmp(word, "mean") != 0 && strcmp(word, "cls") != 0) wrong = word;
    if (wrong)
        return hl_fail(err, HL_E_UNSUPPORTED,
                       "1_Pooling/config.json: %.60s: expected the mean of tokens, or the first one (cls)",
                       wrong);
    *ret = is_cls || (word && strcmp(word, "cls") == 0) ? CLS : MEAN;
    return HL_OK;
}

static hl_status add_keys(const hl_convert_keys *k, hl_err *err) {
    uint32_t    pooling = MEAN;
    const char *act = hl_json_text(k->config, "hidden_act");
    if (act && strcmp(act, "gelu") != 0)
        return hl_fail(err, HL_E_UNSUPPORTED, "config.json: hidden_act is '%.40s', expected gelu", act);
    if (hl_json_text(k->config, "position_embedding_type") &&
        strcmp(hl_json_text(k->config, "position_embedding_type"), "absolute") != 0)
        return hl_fail(err, HL_E_UNSUPPORTED, "config.json: position_embedding_type: expected absolute");
    hl_gguf_writer_add_bool(k->w, "bert.attention.causal", false);
    const hl_status status = find_pooling(k->pooling, &pooling, err);
    if (status != HL_OK) return status;
    hl_gguf_writer_add_u32(k->w, "bert.pooling_type", pooling);
    hl_gguf_writer_add_u32(k->w, "tokenizer.ggml.token_type_count",
                           (uint32_t)hl_json_int(k->config, "type_vocab_size", 1));
    return HL_OK;
}

const hl_family hl_family_bert = {.types = {"bert"},
                                  .arch = "bert",
                                  .prefix = "bert.",
                                  .rules = rules,
                                  .is_encoder = true,
                                  .add_keys = add_keys};
