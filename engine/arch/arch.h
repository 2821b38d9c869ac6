/* SPDX-License-Identifier: MIT
 *
 * arch.h - a model family as data: which tensors, which shapes, which variations of the decoder block.
 *
 * The forward pass knows blocks (attention, feed-forward, experts), not families. A family is a table of
 * tensors in the order the pass uses them, and a few switches.
 */
#ifndef HL_ENGINE_ARCH_ARCH_H
#define HL_ENGINE_ARCH_ARCH_H

#include "hyperlama/base.h"

/* Sizes that shapes are made of; their values come from the file's keys. */
typedef enum hl_dim {
    HL_DIM_NONE, /* 1: a dimension that is not there */
    HL_DIM_VOCAB,
    HL_DIM_EMBD,
    HL_DIM_Q,  /* n_heads * head_dim */
    HL_DIM_KV, /* n_kv_heads * head_dim */
    HL_DIM_QKV,
    HL_DIM_HEAD,
    HL_DIM_FF,
    HL_DIM_EXPERTS,
    HL_DIM_EXPERT_FF,
    HL_DIM_ROT_HALF, /* n_rot / 2 */
    HL_DIM_count
} hl_dim;

/* What a tensor is for. Those from HL_W_LAYER on exist once per layer. */
typedef enum hl_weight {
    HL_W_TOK_EMBD,
    HL_W_ROPE_FREQS,
    HL_W_OUT_NORM,
    HL_W_OUT,
    HL_W_OUT_BIAS,
    HL_W_LAYER,
    HL_W_ATTN_NORM = HL_W_LAYER,
    HL_W_QKV, /* rows of query, key and value in one tensor; bound as three */
    HL_W_Q,
    HL_W_K,
    HL_W_V,
    HL_W_QKV_BIAS,
    HL_W_Q_BIAS,
    HL_W_K_BIAS,
    HL_W_V_BIAS,
    HL_W_Q_NORM,
    HL_W_K_NORM,
    HL_W_O,
    HL_W_O_BIAS,
    HL_W_ATTN_POST_NORM,
    HL_W_FFN_NORM,
    HL_W_GATE,
    HL_W_UP,
    HL_W_DOWN,
    HL_W_GATE_BIAS,
    HL_W_UP_BIAS,
    HL_W_DOWN_BIAS,
    HL_W_ROUTER,
    HL_W_GATE_EXPS,
    HL_W_UP_EXPS,
    HL_W_DOWN_EXPS,
    HL_W_FFN_POST_NORM,
    HL_W_count
} hl_weight;

enum {
    HL_T_OPTIONAL = 1, /* may be missing */
    HL_T_DENSE = 2,    /* only in models without experts */
    HL_T_EXPERT = 4,   /* only in models with experts */
    HL_T_FUSED = 8,    /* three tensors in one, which stands before them in the table; or those three */
};

enum { HL_TENSOR_DIMS = 3 };

/* A row says how many dimensions its tensor has: one is a vector, two a matrix [rows][columns], three a stack
 * of them, one for each expert. What a file says of its own is compared with that, never believed. */
typedef struct hl_tensor_row {
    hl_weight   weight;
    const char *name;                  /* "%u" is the layer */
    hl_dim      shape[HL_TENSOR_DIMS]; /* slowest first */
    uint32_t    flags;                 /* HL_T_* */
} hl_tensor_row;

/* Query, key and value: three tensors, or all rows in one. Biases are rare but count. */
#define HL_ROWS_QKV                                                                                          \
    {HL_W_QKV, "blk.%u.attn_qkv.weight", {HL_DIM_QKV, HL_DIM_EMBD}, HL_T_FUSED | HL_T_OPTIONAL},             \
        {HL_W_Q, "blk.%u.attn_q.weight", {HL_DIM_Q, HL_DIM_EMBD}, HL_T_FUSED},                               \
        {HL_W_K, "blk.%u.attn_k.weight", {HL_DIM_KV, HL_DIM_EMBD}, HL_T_FUSED},                              \
        {HL_W_V, "blk.%u.attn_v.weight", {HL_DIM_KV, HL_DIM_EMBD}, HL_T_FUSED},                              \
        {HL_W_QKV_BIAS, "blk.%u.attn_qkv.bias", {HL_DIM_QKV}, HL_T_FUSED | HL_T_OPTIONAL},                   \
        {HL_W_Q_BIAS, "blk.%u.attn_q.bias", {HL_DIM_Q}, HL_T_FUSED | HL_T_OPTIONAL},                         \
        {HL_W_K_BIAS, "blk.%u.attn_k.bias", {HL_DIM_KV}, HL_T_FUSED | HL_T_OPTIONAL}, {                      \
        HL_W_V_BIAS, "blk.%u.attn_v.bias", {HL_DIM_KV}, HL_T_FUSED | HL_T_OPTIONAL                           \
    }

typedef enum hl_rope_kind { HL_ROPE_PAIRS, HL_ROPE_HALVES } hl_rope_kind;
typedef enum hl_act_kind { HL_ACT_SWIGLU, HL_ACT_GEGLU } hl_act_kind;

typedef struct hl_arch {
    const char          *name;
    const hl_tensor_row *tensors; /* ends with a row whose name is NULL */
    hl_rope_kind         rope;
    hl_act_kind          act;
    bool                 scale_embd;   /* embeddings times sqrt(n_embd) */
    bool                 has_softcap;  /* obeys attn_logit_softcapping and final_logit_softcapping */
    float                attn_softcap; /* when the key is absent; 0: none */
    float                final_softcap;
    /* layer i sees everything when (i + 1) % pattern == 0, unless the file says otherwise; 0: no windows */
    uint32_t window_pattern;
    uint32_t window_default; /* when attention.sliding_window is absent or 0; 0: then there are no windows */
    /* rotation base of windowed layers, to which no scaling applies; 0: they rotate as the others */
    float    window_rope_base;
    uint32_t wide_scale_layers; /* with this many layers, scale is 1 / sqrt(n_embd / n_heads) */
    /* without expert_feed_forward_length, experts share feed_forward_length; else each has it */
    bool splits_ff;
    bool needs_experts; /* a file without experts is malformed */
    bool may_have_experts;
} hl_arch;

const hl_arch *hl_arch_find(hl_view name); /* NULL: not supported */
const char    *hl_arch_name_at(size_t i);  /* for lists; NULL past the end */

#define HL_ARCH(name) extern const hl_arch hl_arch_##name;
#include "engine/arch/archs.def"
#undef HL_ARCH

#endif
