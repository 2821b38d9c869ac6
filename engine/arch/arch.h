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
    HL_SCOPE_EXPERT,
    HL_SCOPE_STATE,
    HL_SCOPE_NEXT,
} hl_weight_scope;

/* How a tensor is bound. TABLE: as f32 numbers, like a vector, whatever its dimensions. Q, K and V, gate and
 * up may be tensors of their own or rows of one, which stands before them. */
typedef enum hl_weight_part { HL_PART_ALONE, HL_PART_TABLE, HL_PART_FUSED } hl_weight_part;

enum { HL_TENSOR_DIMS = 3 };

/* One line of weights.def. */
typedef struct hl_weight_row {
    const char     *name;
    hl_dim          shape[HL_TENSOR_DIMS]; /* slowest first; HL_DIM_NONE behind the last */
    hl_weight_scope scope;
    hl_weight_part  part;
} hl_weight_row;

extern const hl_weight_row hl_weight_rows[HL_W_count];

/* What an architecture says of a tensor. */
typedef enum hl_weight_use { HL_IGNORED, HL_ALLOWED, HL_NEEDED } hl_weight_use;
#define HL_NEEDS(purpose)  [HL_W_##purpose] = HL_NEEDED
#define HL_ALLOWS(purpose) [HL_W_##purpose] = HL_ALLOWED

/* What nearly all have. The output matrix may be that of the embedding; query, key and value are three
 * tensors, or all rows in one; biases are rare but count. */
#define HL_ATTENTION_WEIGHTS                                                                                 \
    HL_ALLOWS(QKV), HL_NEEDS(Q), HL_NEEDS(K), HL_NEEDS(V), HL_ALLOWS(QKV_BIAS), HL_ALLOWS(Q_BIAS),           \
        HL_ALLOWS(K_BIAS), HL_ALLOWS(V_BIAS), HL_NEEDS(O), HL_ALLOWS(O_BIAS)
/* All of a decoder but attention, norms in front of the blocks, and the blocks behind attention. */
#define HL_FRAME_WEIGHTS                                                                                     \
    HL_NEEDS(TOK_EMBD), HL_ALLOWS(ROPE_FREQS), HL_NEEDS(OUT_NORM), HL_ALLOWS(OUT), HL_ALLOWS(OUT_BIAS)
#define HL_DECODER_WEIGHTS HL_FRAME_WEIGHTS, HL_NEEDS(ATTN_NORM), HL_ATTENTION_WEIGHTS, HL_NEEDS(FFN_NORM)
/* Biases of norms: of layer norms, and of a few others. */
#define HL_NORM_BIASES HL_ALLOWS(ATTN_NORM_BIAS), HL_ALLOWS(FFN_NORM_BIAS), HL_ALLOWS(OUT_NORM_BIAS)
#define HL_DENSE_WEIGHTS                                                                                     \
    HL_NEEDS(GATE), HL_NEEDS(UP), HL_NEEDS(DOWN), HL_ALLOWS(GATE_BIAS), HL_ALLOWS(UP_BIAS),                  \
        HL_ALLOWS(DOWN_BIAS)
/* Gate and up are rows of one matrix, which is called ffn_up. */
#define HL_FUSED_DENSE_WEIGHTS                                                                               \
    HL_NEEDS(GATE_UP), HL_ALLOWS(GATE_UP_BIAS), HL_NEEDS(DOWN), HL_ALLOWS(DOWN_BIAS)
/* One matrix, a function, and one more. */
#define HL_PLAIN_DENSE_WEIGHTS HL_NEEDS(UP), HL_NEEDS(DOWN), HL_ALLOWS(UP_BIAS), HL_ALLOWS(DOWN_BIAS)
#define HL_EXPERT_WEIGHTS                                                                                    \
    HL_NEEDS(ROUTER), HL_ALLOWS(GATE_UP_EXPS), HL_NEEDS(GATE_EXPS), HL_NEEDS(UP_EXPS), HL_NEEDS(DOWN_EXPS)
#define HL_SHARED_EXPERT_WEIGHTS HL_NEEDS(GATE_SHEXP), HL_NEEDS(UP_SHEXP), HL_NEEDS(DOWN_SHEXP)
/* Low-rank queries, keys and values, of each form those that belong to it. */
#define HL_MLA_WEIGHTS                                                                                       \
    HL_NEEDS(Q_A), HL_NEEDS(Q_A_NORM), HL_NEEDS(Q_B), HL_NEEDS(MLA_Q), HL_NEEDS(KV_A), HL_NEEDS(KV_A_NORM),  \
        HL_NEEDS(K_B), HL_NEEDS(V_B), HL_NEEDS(KV_B), HL_NEEDS(O), HL_ALLOWS(O_BIAS)
/* Of recurrent layers, by kind. */
#define HL_GATED_DELTA_WEIGHTS                                                                               \
    HL_NEEDS(STATE_QKV), HL_NEEDS(STATE_GATE), HL_NEEDS(STATE_TAPS), HL_NEEDS(STATE_DT_BIAS),                \
        HL_NEEDS(STATE_A), HL_NEEDS(STATE_NORM), HL_NEEDS(STATE_OUT)
#define HL_MAMBA2_WEIGHTS                                                                                    \
    HL_NEEDS(STATE_IN), HL_NEEDS(STATE_TAPS), HL_ALLOWS(STATE_TAPS_BIAS), HL_NEEDS(STATE_DT_BIAS),           \
        HL_NEEDS(STATE_A_COLUMN), HL_NEEDS(STATE_D_COLUMN), HL_ALLOWS(STATE_NORM_GROUPS),                    \
        HL_NEEDS(STATE_OUT)
#define HL_MAMBA1_WEIGHTS                                                                                    \
    HL_NEEDS(STATE_IN), HL_NEEDS(STATE_TAPS), HL_ALLOWS(STATE_TAPS_BIAS), HL_NEEDS(STATE_X),                 \
        HL_NEEDS(STATE_DT), HL_NEEDS(STATE_DT_CHANNEL_BIAS), HL_NEEDS(STATE_A_CHANNELS),                     \
        HL_NEEDS(STATE_D_CHANNELS), HL_NEEDS(STATE_OUT)
#define HL_KEYED_DELTA_WEIGHTS                                                                               \
    HL_NEEDS(KDA_Q), HL_NEEDS(KDA_K), HL_NEEDS(KDA_V), HL_NEEDS(KDA_TAPS_Q), HL_NEEDS(KDA_TAPS_K),           \
        HL_NEEDS(KDA_TAPS_V), HL_NEEDS(KDA_DECAY_DOWN), HL_NEEDS(KDA_DECAY_UP), HL_NEEDS(KDA_GATE_DOWN),     \
        HL_NEEDS(KDA_GATE_UP), HL_NEEDS(STATE_BETA), HL_NEEDS(STATE_A_COLUMN),                               \
        HL_NEEDS(STATE_DT_CHANNEL_BIAS), HL_NEEDS(STATE_NORM), HL_NEEDS(KDA_OUT)
#define HL_SHORT_CONV_WEIGHTS HL_NEEDS(SHORT_IN), HL_NEEDS(SHORT_TAPS), HL_NEEDS(SHORT_OUT)
/* Of encoders: norms, all with biases, stand behind the embedding and the blocks; there is no output. */
#define HL_ENCODER_WEIGHTS                                                                                   \
    HL_NEEDS(TOK_EMBD), HL_ALLOWS(TOK_TYPES), HL_NEEDS(TOK_NORM), HL_NEEDS(TOK_NORM_BIAS),                   \
        HL_ATTENTION_WEIGHTS, HL_NEEDS(ATTN_OUT_NORM), HL_NEEDS(ATTN_OUT_NORM_BIAS),                         \
        HL_NEEDS(LAYER_OUT_NORM), HL_NEEDS(LAYER_OUT_NORM_BIAS), HL_HEAD_WEIGHTS
/* Of the block behind the last layer that says the token after the next one (nextn_predict_layers); the rest
 * of it is a layer as those of the model are. */
#define HL_NEXT_WEIGHTS                                                                                      \
    HL_NEEDS(NEXT_PROJ), HL_NEEDS(NEXT_TOKEN_NORM), HL_NEEDS(NEXT_HIDDEN_NORM), HL_ALLOWS(NEXT_OUT_NORM),    \
        HL_ALLOWS(NEXT_OUT), HL_ALLOWS(NEXT_EMBD)
/* Behind pooling, where a model scores a text instead. */
#define HL_HEAD_WEIGHTS                                                                                      \
    HL_ALLOWS(CLS), HL_ALLOWS(CLS_BIAS), HL_ALLOWS(CLS_NORM), HL_ALLOWS(CLS_OUT), HL_ALLOWS(CLS_OUT_BIAS)
#define HL_QK_NORMS   HL_NEEDS(Q_NORM), HL_NEEDS(K_NORM)
#define HL_POST_NORMS HL_NEEDS(ATTN_POST_NORM), HL_NEEDS(FFN_POST_NORM)

/* Sizes that a file may give layer by layer, as an array; others are one number, or an array of equal
 * ones. */
enum { HL_BY_LAYER_HEADS = 1, HL_BY_LAYER_KV_HEADS = 2, HL_BY_LAYER_FF = 4 };

typedef enum hl_rope_kind { HL_ROPE_PAIRS, HL_ROPE_HALVES, HL_ROPE_NONE } hl_rope_kind;
/* Which layers attend, and which ones keep a state instead (engine/hparams_recurrent.c). */
typedef enum hl_mixing {
    HL_MIXING_ATTENTION,   /* all attend */
    HL_MIXING_BY_INTERVAL, /* every n-th (full_attention_interval); or attention.recurrent_layers */
    HL_MIXING_BY_KV_HEADS, /* those with key/value heads attend */
    HL_MIXING_ONE_THING,   /* the same, and a layer with a feed-forward block is nothing else */
    HL_MIXING_STATE,       /* none attends, and there are no feed-forward blocks */
    HL_MIXING_BOTH,        /* all do both, side by side */
} hl_mixing;

typedef enum hl_recurrence {
    HL_RECURRENCE_NONE,
    HL_RECURRENCE_GATED_DELTA, /* one decay per head: "Gated Delta Networks", arXiv 2412.06464 */
    HL_RECURRENCE_KEYED_DELTA, /* one per key channel: "Kimi Linear", arXiv 2510.26692 */
    HL_RECURRENCE_MAMBA1,      /* arXiv 2312.00752 */
    HL_RECURRENCE_MAMBA2,      /* arXiv 2405.21060 */
    HL_RECURRENCE_SHORT_CONV,  /* a gated convolution of a few positions: LFM2 */
} hl_recurrence;

typedef enum hl_norm_kind { HL_NORM_RMS, HL_NORM_LAYER } hl_norm_kind;

/* Of gate and up; without a gate, the same function of the other matrix alone. engine/forward/activation.c */
typedef enum hl_activation {
    HL_ACTIVATION_SWIGLU,
    HL_ACTIVATION_GEGLU,
    HL_ACTIVATION_REGLU, /* max(g, 0) u */
    HL_ACTIVATION_RELU2, /* max(g, 0)^2 u */
    HL_ACTIVATION_OAI,   /* gpt-oss: both clipped, sigmoid of 1.702 g, u + 1 */
    HL_ACTIVATION_XIELU, /* Apertus: two parabolas, by numbers of the layer */
} hl_activation;

/* What the feed-forward block reads. */
typedef enum hl_residual {
    HL_RESIDUAL_SERIAL,   /* x with what attention has made */
    HL_RESIDUAL_PARALLEL, /* the same x as attention: both are added to it */
    HL_RESIDUAL_BY_KEY,   /* parallel, unless use_parallel_residual says no */
    HL_RESIDUAL_BY_NORM,  /* parallel in layers that have no ffn_norm */
} hl_residual;

/* Layers that do not rotate. */
typedef enum hl_still { HL_STILL_NONE, HL_STILL_EVERY_4TH, HL_STILL_UNWINDOWED } hl_still;

/* How a router's numbers become shares: softmax over all experts, each for itself, or softmax over those that
 * were chosen. */
typedef enum hl_gate { HL_GATE_SOFTMAX, HL_GATE_SIGMOID, HL_GATE_CHOSEN, HL_GATE_SQRT_SOFTPLUS } hl_gate;
/* Whether shares are divided by their sum. */
typedef enum hl_shares { HL_SHARES_NORMED, HL_SHARES_RAW, HL_SHARES_BY_KEY } hl_shares;

/* The width of shared experts when expert_shared_feed_forward_length and expert_shared_count are absent. */
typedef enum hl_shared_width { HL_SHARED_NONE, HL_SHARED_AS_EXPERT, HL_SHARED_AS_DENSE } hl_shared_width;

typedef struct hl_router_rules {
    hl_gate         gate;
    bool            gate_by_key; /* expert_gating_func, where it is there, says it */
    hl_shares       shares;
    bool            by_logits;    /* the best are chosen before the gate */
    bool            weighs_input; /* an expert's input is multiplied by its share, not its output */
    hl_shared_width shared_width;
    bool            by_tensor; /* a layer has experts if it has a router; else keys say which layers do */
    bool beside_dense;         /* layers with experts have a dense block, too, each with norms of its own */
    bool halves_sum;           /* experts and shared experts together count half */
} hl_router_rules;

/* Multipliers that a file may give. */
typedef enum hl_scales {
    HL_SCALES_NONE,
    HL_SCALES_DIVIDE,   /* embedding_scale, residual_scale, and logits divided by logit_scale */
    HL_SCALES_MINICPM,  /* the same with defaults of their own */
    HL_SCALES_MULTIPLY, /* logits multiplied by logit_scale */
} hl_scales;

/* A longer context makes queries larger. */
typedef enum hl_query_temperature {
    HL_TEMPERATURE_NONE,
    HL_TEMPERATURE_BY_KEY, /* attention.temperature_scale; in all layers */
    HL_TEMPERATURE_STILL,  /* Llama 4: in layers that do not rotate */
} hl_query_temperature;

/* Which vector a model that scores texts reads its score from, and how (engine/runner/rank_native.c). */
typedef enum hl_rank_kind {
    HL_RANK_FIRST, /* the first token's, with tanh between the matrices */
    HL_RANK_LAST,  /* the last token's, and softmax over the labels */
    HL_RANK_MEAN,  /* the mean, with gelu and a norm between the matrices */
} hl_rank_kind;

/* What a file drafts for another model with, instead of answering itself: engine/forward/drafts.h. */
typedef enum hl_drafts {
    HL_DRAFTS_NOT,
#define HL_DRAFT(name, table) HL_DRAFTS_##name,
#include "engine/arch/drafts.def"
#undef HL_DRAFT
    HL_DRAFTS_count
} hl_drafts;

#define HL_TAPS_ANY UINT32_MAX /* as many as the file says */

typedef struct hl_arch {
    const char   *name;
    hl_weight_use weights[HL_W_count];
    uint32_t      by_layer; /* HL_BY_LAYER_* */
    uint32_t      may_be_0; /* of them, those that may be 0 in some layers */
    hl_mixing     mixing;
    hl_recurrence recurrence;
    bool          key_heads_in_blocks; /* neighbouring value heads share a key head; else every n-th does */
    hl_norm_kind  norm;
    bool          norm_by_key; /* of the kind whose epsilon the file has */
    bool          bare_norms;  /* norms in front of blocks have no weights */
    hl_rope_kind  rope;
    hl_still      still;
    bool          lead_rotates; /* leading_dense_block_count layers rotate all the same */
    hl_activation activation;
    bool          reads_activation; /* hidden_activation */
    hl_residual   residual;
    hl_scales     scales;
    hl_rank_kind  rank;
    bool          scale_embd;   /* embeddings times sqrt(n_embd) */
    bool          has_softcap;  /* obeys attn_logit_softcapping and final_logit_softcapping */
    float         attn_softcap; /* when the key is absent; 0: none */
    float         final_softcap;
    /* layer i sees everything when (i + 1) % pattern == 0, unless the file says otherwise; 0: no windows */
    uint32_t window_pattern;
    bool     window_dense_first; /* when i % pattern == 0 */
    bool     window_by_key; /* the pattern may be a list of layers; else a list is ignored, a number counts */
    bool     window_of_pattern_key; /* windows only where the file says which layers have them */
    uint32_t
        window_layers; /* windows, and layers that do not rotate, only with this many layers; 0: always */
    uint32_t window_default;  /* when attention.sliding_window is absent or 0; 0: then there are no windows */
    bool     needs_window;    /* a file without attention.sliding_window is malformed */
    uint32_t window_fixed;    /* whatever the file says, unless that is 0; 0: the file says it */
    bool     window_is_chunk; /* a row sees what stands in the same chunk of so many positions */
    float    window_rope_base;     /* rotation base of windowed layers without a key; 0: that of the others */
    bool     window_rope_plain;    /* no scaling applies to windowed layers */
    bool     window_rope_factored; /* nor do the file's factors to them; rope.dimension_count is halved in the
                                      others (Step 3.5) */
    bool     reads_yarn_betas;     /* others always have YaRN's own: 32 and 1 */
    /* rope.scaling.finetuned false: no rotation at all */
    bool rotates_if_finetuned;
    /* rope.scaling.yarn_log_multiplier: its unit; 0: the key is not read */
    float yarn_log_unit;
    /* with this many layers, query_pre_attn_scalar is n_embd / n_heads instead of the head size */
    uint32_t query_pre_attn_scalar_layers;
    bool     reads_qk_scale;         /* attention.scale */
    float    qk_scale;               /* instead of 1 / sqrt(head size); 0: that */
    bool     norm_behind_rope;       /* norms of query and key heads */
    bool     plain_norm_behind_rope; /* norms without weights of the heads that rotate (Llama 4) */
    bool     value_norm;             /* and of value heads */
    hl_query_temperature temperature;
    bool                 has_alibi; /* scores fall with the distance: attention.max_alibi_bias */
    bool                 has_mla;   /* low-rank keys and values: engine/forward/mla.c */
    bool                 has_altup; /* four residual streams: engine/forward/altup.c */
    float                fixed_eps; /* instead of the file's; 0: that */
    hl_router_rules      router;
    /* without expert_feed_forward_length, experts share feed_forward_length; else each has it */
    bool splits_ff;
    bool needs_experts; /* a file without experts is malformed */
    bool may_have_experts;
    /* a row sees all of its text, which comes in one pass, or half a window on both sides; vectors come of
     * it */
    bool        is_encoder;
    bool        norms_behind; /* an encoder whose norms stand behind its blocks: engine/forward/encoder.c */
    hl_drafts   drafts;       /* for another model; NOT: it answers itself */
    bool        borrows_kv;   /* no layer has keys and values: they are those of that model */
    const char *target_key;   /* says how wide that model is; NULL: as wide as this one */
    uint32_t
         n_tapped; /* layers of that model whose input it reads, or HL_TAPS_ANY; 0: the last norm's output */
    bool attends_to_pairs; /* attention reads two vectors side by side */
} hl_arch;

const hl_arch *hl_arch_find(hl_view name); /* NULL: not supported */

#define HL_ARCH(name) extern const hl_arch hl_arch_##name;
#include "engine/arch/archs.def"
#undef HL_ARCH

#endif
