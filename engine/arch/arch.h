/* SPDX-License-Identifier: MIT
 *
 * arch.h - a model family as data: which tensors, which shapes, which variations of the decoder block.
 *
 * The forward pass knows blocks (attention, feed-forward, experts), not families. A family is a list of the
 * tensors of weights.def that it needs or allows, and a few switches.
 */
#ifndef HL_ENGINE_ARCH_ARCH_H
#define HL_ENGINE_ARCH_ARCH_H

#include "hyperlama/base.h"

/* Sizes that shapes are made of; their values come from the file's keys, some of them layer by layer. */
typedef enum hl_dim {
#define HL_DIM(name, value, words) HL_DIM_##name,
#include "engine/arch/dims.def"
#undef HL_DIM
    HL_DIM_count
} hl_dim;

/* What a tensor is for. hl_weight_rows says how often each is there. */
typedef enum hl_weight {
#define HL_WEIGHT(purpose, scope, part, name, ...) HL_W_##purpose,
#include "engine/arch/weights.def"
#undef HL_WEIGHT
    HL_W_count
} hl_weight;

typedef enum hl_weight_scope {
    HL_SCOPE_MODEL,
    HL_SCOPE_LAYER,
    HL_SCOPE_DENSE,
    HL_SCOPE_EXPERT
} hl_weight_scope;

enum { HL_TENSOR_DIMS = 3 };

/* One line of weights.def. */
typedef struct hl_weight_row {
    const char     *name;
    hl_dim          shape[HL_TENSOR_DIMS]; /* slowest first; HL_DIM_NONE behind the last */
    hl_weight_scope scope;
    bool            is_fused; /* or a part of such a one */
} hl_weight_row;

extern const hl_weight_row hl_weight_rows[HL_W_count];

/* What an architecture says of a tensor. */
typedef enum hl_weight_use { HL_IGNORED, HL_ALLOWED, HL_NEEDED } hl_weight_use;
#define HL_NEEDS(purpose)  [HL_W_##purpose] = HL_NEEDED
#define HL_ALLOWS(purpose) [HL_W_##purpose] = HL_ALLOWED

/* What nearly all have. The output matrix may be that of the embedding; query, key and value are three
 * tensors, or all rows in one; biases are rare but count. */
#define HL_DECODER_WEIGHTS                                                                                   \
    HL_NEEDS(TOK_EMBD), HL_ALLOWS(ROPE_FREQS), HL_NEEDS(OUT_NORM), HL_ALLOWS(OUT), HL_ALLOWS(OUT_BIAS),      \
        HL_NEEDS(ATTN_NORM), HL_ALLOWS(QKV), HL_NEEDS(Q), HL_NEEDS(K), HL_NEEDS(V), HL_ALLOWS(QKV_BIAS),     \
        HL_ALLOWS(Q_BIAS), HL_ALLOWS(K_BIAS), HL_ALLOWS(V_BIAS), HL_NEEDS(O), HL_ALLOWS(O_BIAS),             \
        HL_NEEDS(FFN_NORM)
#define HL_DENSE_WEIGHTS                                                                                     \
    HL_NEEDS(GATE), HL_NEEDS(UP), HL_NEEDS(DOWN), HL_ALLOWS(GATE_BIAS), HL_ALLOWS(UP_BIAS),                  \
        HL_ALLOWS(DOWN_BIAS)
#define HL_EXPERT_WEIGHTS HL_NEEDS(ROUTER), HL_NEEDS(GATE_EXPS), HL_NEEDS(UP_EXPS), HL_NEEDS(DOWN_EXPS)
/* Of encoders: norms, all with biases, stand behind the embedding and the blocks; there is no output. */
#define HL_ENCODER_WEIGHTS                                                                                   \
    HL_NEEDS(TOK_EMBD), HL_ALLOWS(TOK_TYPES), HL_NEEDS(TOK_NORM), HL_NEEDS(TOK_NORM_BIAS), HL_ALLOWS(QKV),   \
        HL_NEEDS(Q), HL_NEEDS(K), HL_NEEDS(V), HL_ALLOWS(QKV_BIAS), HL_ALLOWS(Q_BIAS), HL_ALLOWS(K_BIAS),    \
        HL_ALLOWS(V_BIAS), HL_NEEDS(O), HL_ALLOWS(O_BIAS), HL_NEEDS(ATTN_OUT_NORM),                          \
        HL_NEEDS(ATTN_OUT_NORM_BIAS), HL_NEEDS(LAYER_OUT_NORM), HL_NEEDS(LAYER_OUT_NORM_BIAS)
#define HL_QK_NORMS   HL_NEEDS(Q_NORM), HL_NEEDS(K_NORM)
#define HL_POST_NORMS HL_NEEDS(ATTN_POST_NORM), HL_NEEDS(FFN_POST_NORM)

/* Sizes that a file may give layer by layer, as an array; others are one number, or an array of equal
 * ones. */
enum { HL_BY_LAYER_HEADS = 1, HL_BY_LAYER_KV_HEADS = 2, HL_BY_LAYER_FF = 4 };

typedef enum hl_rope_kind { HL_ROPE_PAIRS, HL_ROPE_HALVES, HL_ROPE_NONE } hl_rope_kind;
/* Without a gate, the same function of the other matrix alone. */
typedef enum hl_activation { HL_ACTIVATION_SWIGLU, HL_ACTIVATION_GEGLU } hl_activation;

typedef struct hl_arch {
    const char   *name;
    hl_weight_use weights[HL_W_count];
    uint32_t      by_layer; /* HL_BY_LAYER_* */
    hl_rope_kind  rope;
    hl_activation activation;
    bool          scale_embd;   /* embeddings times sqrt(n_embd) */
    bool          has_softcap;  /* obeys attn_logit_softcapping and final_logit_softcapping */
    float         attn_softcap; /* when the key is absent; 0: none */
    float         final_softcap;
    /* layer i sees everything when (i + 1) % pattern == 0, unless the file says otherwise; 0: no windows */
    uint32_t window_pattern;
    uint32_t window_default; /* when attention.sliding_window is absent or 0; 0: then there are no windows */
    /* rotation base of windowed layers, to which no scaling applies; 0: they rotate as the others */
    float window_rope_base;
    /* with this many layers, query_pre_attn_scalar is n_embd / n_heads instead of the head size */
    uint32_t query_pre_attn_scalar_layers;
    /* without expert_feed_forward_length, experts share feed_forward_length; else each has it */
    bool splits_ff;
    bool needs_experts; /* a file without experts is malformed */
    bool may_have_experts;
    /* a row sees all of its text, which comes in one pass, or half a window on both sides; vectors come of
     * it */
    bool is_encoder;
} hl_arch;

const hl_arch *hl_arch_find(hl_view name); /* NULL: not supported */
const char    *hl_arch_name_at(size_t i);  /* for lists; NULL past the end */

#define HL_ARCH(name) extern const hl_arch hl_arch_##name;
#include "engine/arch/archs.def"
#undef HL_ARCH

#endif
