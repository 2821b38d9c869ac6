/* SPDX-License-Identifier: MIT
 *
 * family.h - a family of models as its publisher stores it: which tensor becomes which, and which keys
 * there are.
 *
 * One file per family with a table, and a line in families.def.
 */
#ifndef HL_MODELS_CONVERT_FAMILY_H
#define HL_MODELS_CONVERT_FAMILY_H

#include "core/data/json.h"
#include "core/gguf/gguf_writer.h"
#include "models/convert/safetensors.h"

typedef enum hl_tensor_change {
    HL_AS_IT_IS,
    /* Of each head, rows i and i + n/2 become neighbours: rotation turns pairs in GGUF's llama. */
    HL_PAIR_ROWS_Q,
    HL_PAIR_ROWS_K,
    HL_PLUS_ONE, /* the model multiplies with 1 + w; GGUF stores what is multiplied with */
} hl_tensor_change;

typedef struct hl_tensor_rule {
    const char      *from; /* '#' stands for the number of the layer */
    const char      *to;   /* NULL: nothing of it is needed */
    hl_tensor_change change;
} hl_tensor_rule;

/* What keys are written from. */
typedef struct hl_convert_keys {
    const json_t   *config;  /* config.json, or its text_config */
    const json_t   *pooling; /* 1_Pooling/config.json of a sentence embedding model; NULL: none */
    const char     *arch;
    hl_gguf_writer *w;
} hl_convert_keys;

typedef struct hl_family {
    const char           *types[6]; /* model_type of config.json, NULL behind the last */
    const char           *arch;
    const char           *activation; /* hidden_act of decoders: the one that their formulas have */
    const char           *prefix;     /* in front of names, where it is there; NULL: none */
    const hl_tensor_rule *rules;      /* `from` NULL behind the last */
    bool                  is_encoder;
    hl_status (*add_keys)(const hl_convert_keys *k, hl_err *err); /* beyond those of all; may be NULL */
} hl_family;

#define HL_FAMILY(name) extern const hl_family hl_family_##name;
#include "models/convert/families.def"
#undef HL_FAMILY

const hl_family *hl_family_at(size_t i); /* NULL: no more */

/* Is this a tensor of the part of a model that sees, which is left out here? */
bool hl_family_sees(const char *name);

/* The rule for a tensor as its publisher names it. out  ret_layer  -1: of none; NULL: there is no rule */
const hl_tensor_rule *hl_family_find_rule(const hl_family *f, const char *name, int64_t *ret_layer);

/* What the tensor is called in GGUF; the rule has a `to`. */
enum { HL_RULE_NAME_BYTES = 64 };
void hl_rule_name(const hl_tensor_rule *r, int64_t layer, char ret[HL_RULE_NAME_BYTES]);

/* Of each head, row i of the first half and of the second become rows 2i and 2i + 1. */
bool     hl_rule_pairs_rows(const hl_tensor_rule *r);
uint64_t hl_paired_row(uint64_t row, uint64_t per_head);

/* Values of a tensor of F32, F16 or BF16. */
float  hl_st_elem(const hl_st_tensor *t, uint64_t i);
size_t hl_st_elem_bytes(const hl_st_tensor *t);

/* The rows that all decoders here share. */
#define HL_DECODER_RULES(change_q, change_k, change_norm)                                                    \
    {"model.embed_tokens.weight", "token_embd.weight", HL_AS_IT_IS},                                         \
        {"model.norm.weight", "output_norm.weight", change_norm},                                            \
        {"lm_head.weight", "output.weight", HL_AS_IT_IS},                                                    \
        {"model.layers.#.input_layernorm.weight", "blk.#.attn_norm.weight", change_norm},                    \
        {"model.layers.#.self_attn.q_proj.weight", "blk.#.attn_q.weight", change_q},                         \
        {"model.layers.#.self_attn.k_proj.weight", "blk.#.attn_k.weight", change_k},                         \
        {"model.layers.#.self_attn.v_proj.weight", "blk.#.attn_v.weight", HL_AS_IT_IS},                      \
        {"model.layers.#.self_attn.o_proj.weight", "blk.#.attn_output.weight", HL_AS_IT_IS},                 \
        {"model.layers.#.self_attn.q_proj.bias", "blk.#.attn_q.bias", change_q},                             \
        {"model.layers.#.self_attn.k_proj.bias", "blk.#.attn_k.bias", change_k},                             \
        {"model.layers.#.self_attn.v_proj.bias", "blk.#.attn_v.bias", HL_AS_IT_IS},                          \
        {"model.layers.#.self_attn.o_proj.bias", "blk.#.attn_output.bias", HL_AS_IT_IS},                     \
        {"model.layers.#.mlp.gate_proj.weight", "blk.#.ffn_gate.weight", HL_AS_IT_IS},                       \
        {"model.layers.#.mlp.up_proj.weight", "blk.#.ffn_up.weight", HL_AS_IT_IS},                           \
        {"model.layers.#.mlp.down_proj.weight", "blk.#.ffn_down.weight", HL_AS_IT_IS}, {                     \
        "model.layers.#.self_attn.rotary_emb.inv_freq", NULL, HL_AS_IT_IS                                    \
    }

#endif
