/* SPDX-License-Identifier: MIT
 *
 * model_priv.h - the inside of engine and model, shared by the files of engine/ and forward/.
 *
 * Everything here is immutable once hl_model_open() returned. Matrices point into the mapped file;
 * vectors (norms, biases) are f32 in the file or in the model's arena.
 */
#ifndef HL_ENGINE_MODEL_PRIV_H
#define HL_ENGINE_MODEL_PRIV_H

#include <stdatomic.h>

#include "core/base/arena.h"
#include "core/base/events.h"
#include "core/gguf/gguf.h"
#include "engine/arch/arch.h"
#include "engine/kernels/kernels.h"
#include "engine/kernels/state.h"
#include "engine/kv/kv_pages.h"
#include "engine/parallel/matmul.h"
#include "engine/parallel/pool.h"
#include "hyperlama/engine.h"

struct hl_engine {
    hl_pool         *pool;
    hl_kernels       kernels;
    hl_state_kernels state_kernels; /* of recurrent layers */
    uint32_t         n_planes;      /* of 8-bit activations: hl_act */
    hl_events        events;
    /* Who gets them, of hl_engine_params. */
    hl_engine_event_fn *on_event; /* NULL: nobody */
    void               *event_user;
    /* Of all plans that were admitted and not released: one budget for every model of this engine. */
    _Atomic uint64_t planned_bytes; /* without weights: caches and buffers, committed as they are used */
    _Atomic uint64_t planned_weights_bytes; /* page cache that answers need */
    char             cpu_text[128];
    char             setup_text[160]; /* hl_engine_setup_text() */
    /* What computes passes and keeps caches: engine/forward/device.h. */
    const struct hl_device *device;
};

/* Limits on what a file may claim; checked before anything is allocated. */
enum {
#define HL_LIMIT(name, most, hparam, key, who) HL_MAX_##name = most,
#include "engine/capacities.def"
#undef HL_LIMIT
};

/* Where the activation of a layer's feed-forward blocks bends: 0, or as Apertus has it. */
typedef struct hl_bend {
    float clip;                        /* SwiGLU: silu(gate) at most this, up within +-this; 0: no limit */
    float alpha_p, alpha_n, beta, eps; /* xIELU */
} hl_bend;

/* What may differ from layer to layer. */
typedef struct hl_layer_params {
    uint32_t n_heads, n_kv_heads;
    uint32_t head_dim, v_dim; /* of queries and keys; of values */
    /* The larger of both up to the multiple of 8 that kernels of attention and the cache deal in; zeros
     * behind. */
    uint32_t head_room;
    uint32_t n_ff;        /* of a dense block */
    uint32_t n_expert_ff; /* of each expert; 0: the block is dense */
    uint32_t n_shared_ff; /* of the experts that every row has; 0: none */
    uint32_t window;      /* positions it sees, the own one included; 0: all */
    uint32_t i_rope;      /* of hl_hparams.ropes */
    uint32_t mixes;       /* HL_MIXES_*; 0: it is a feed-forward block alone */
    uint32_t i_state;     /* of recurrent layers, which one */
    bool     has_ffn;
    uint32_t i_kv;      /* the layer whose keys and values it reads: itself, or an earlier one */
    bool     shares_kv; /* it has none of its own */
    bool     v_in_k;    /* values are the first v_dim columns of keys: the cache has these alone */
    bool     rotates;
    bool     norms_turned;    /* heads have a norm without weights behind the rotation */
    bool     has_temperature; /* queries grow with the position: hl_hparams.temperature */
    bool     is_parallel;     /* attention and feed-forward read the same x */
    float    qk_scale;
    hl_bend  bend, shared_bend; /* of its block or experts; of its shared experts */
} hl_layer_params;

static inline size_t hl_q_cols(const hl_layer_params *p) { return (size_t)p->n_heads * p->head_dim; }
static inline size_t hl_k_cols(const hl_layer_params *p) {
    return p->shares_kv ? 0 : (size_t)p->n_kv_heads * p->head_dim;
}
static inline size_t hl_v_cols(const hl_layer_params *p) {
    return p->shares_kv ? 0 : (size_t)p->n_kv_heads * p->v_dim;
}
static inline size_t hl_qkv_cols(const hl_layer_params *p) {
    return hl_q_cols(p) + hl_k_cols(p) + hl_v_cols(p);
}
static inline size_t hl_attn_cols(const hl_layer_params *p) { return (size_t)p->n_heads * p->v_dim; }

/* How a layer lets positions know of one another. */
enum { HL_MIXES_ATTENTION = 1, HL_MIXES_STATE = 2 };

/* Recurrent layers, which are all alike: a row's projections go through a causal convolution, whose
 * window is part of the state, and into the state of each head, a matrix [key_dim][value_dim].
 * engine/forward/recurrent.c */
typedef struct hl_state_params {
    uint32_t n_layers;           /* 0: the model has none */
    uint32_t n_taps;             /* of the convolution, the row's own included */
    uint32_t n_heads, n_groups;  /* of values; those that share a key */
    uint32_t key_dim, value_dim; /* 0: the state is the window alone */
    uint32_t inner;              /* n_heads * value_dim */
    uint32_t dt_rank;            /* Mamba: of the matrix that makes time steps */
    bool     norms_steps;        /* Mamba: norms without weights of time step, B and C */
    /* A row of projections, and where its parts are; conv_cols of it are convolved. */
    uint32_t in_cols, conv_at, conv_cols, gate_at, beta_at, alpha_at;
    uint32_t low_at, low_cols; /* what a second matrix reads */
    uint32_t step_cols;        /* numbers of a row that a step reads beside the convolved ones */
} hl_state_params;

/* Columns of a state in memory: steps take 16 at once. */
static inline size_t hl_state_cols(const hl_state_params *s) {
    return ((size_t)s->value_dim + HL_STATE_COLS_STEP - 1) / HL_STATE_COLS_STEP * HL_STATE_COLS_STEP;
}
/* Floats of a layer's window, and of window and heads together. */
static inline size_t hl_window_floats(const hl_state_params *s) {
    return (((size_t)s->n_taps - 1) * s->conv_cols + 15) / 16 * 16;
}
static inline size_t hl_layer_state_floats(const hl_state_params *s) {
    return hl_window_floats(s) + (size_t)s->n_heads * s->key_dim * hl_state_cols(s);
}

/* A way to rotate queries and keys by their positions. */
typedef struct hl_rope_params {
    uint32_t n_rot; /* values of a head that turn */
    float    base;
    float    freq_scale;  /* 1 / factor; 1: no scaling */
    float    ext_factor;  /* YaRN's mix: 0 linear, 1 YaRN */
    float    attn_factor; /* of cos and sin, all in all */
    float    beta_fast, beta_slow;
    uint32_t n_ctx_orig;
    bool     has_factors; /* rope_freqs, or the tables for short and long contexts, divide its angles */
} hl_rope_params;

enum { HL_MAX_ROPES = 2 }; /* of layers that see everything, and of windowed ones */

/* Queries times 1 + scale * ln(1 + floor((position + offset) / length)). */
typedef struct hl_temperature {
    float    scale; /* 0: none */
    uint32_t length, offset;
} hl_temperature;

/* Low-rank keys and values. A head of queries and keys is `still` values, and `rot` that turn. */
typedef struct hl_mla_params {
    uint32_t q_rank; /* 0: queries are not compressed */
    uint32_t kv_rank, still, rot, v;
    bool     is_absorbed; /* the cache holds compressed rows; else whole heads */
} hl_mla_params;

/* How a router chooses. */
typedef struct hl_router_params {
    hl_gate  gate;
    bool     norms_shares;
    float    scale;                   /* times the shares; 1 when unset */
    uint32_t n_groups, n_groups_used; /* the best are looked for in the best groups only; 1: no groups */
} hl_router_params;

enum { HL_LAUREL_RANK = 64, HL_N_STREAMS = 4 }; /* of Gemma 3n */

/* What of a model's pass is read by what drafts for it: of each row, the residual stream as it enters some
 * layers, one behind the other, or what the last norm makes. */
enum { HL_MAX_TAPPED = 16 };
typedef struct hl_hidden_of {
    uint32_t n_layers;              /* 0: the last norm's */
    uint32_t layers[HL_MAX_TAPPED]; /* the number of layers: in front of the last norm */
    bool     of_outputs;            /* of rows whose logits are wanted alone */
} hl_hidden_of;

typedef struct hl_hparams {
    uint32_t         n_layers, n_ctx_train, n_embd, n_vocab;
    uint32_t         n_blocks;                  /* in the file: n_layers, and those that draft */
    uint32_t         n_experts, n_experts_used; /* 0: none in any layer */
    hl_layer_params *layers;                    /* [n_layers] */
    /* [n_kv_layers] what the cache keeps of them; of what drafts (hl_model.drafting), of all layers of the
     * model and its own behind them */
    hl_kv_layer     *kv_layers;
    uint32_t         n_kv_layers;
    hl_layer_params  most; /* the largest of each size over all layers; what buffers are laid out for */
    hl_rope_params   ropes[HL_MAX_ROPES];
    uint32_t         n_ropes;                     /* 1: all layers rotate alike */
    uint32_t         n_rot_file;                  /* twice as many factors as the file has for angles */
    float            rms_eps, layer_eps;          /* of root mean square norms; of layer norms */
    float            attn_softcap, final_softcap; /* 0: none */
    float            embd_scale;
    float            residual_scale, logit_scale; /* of what blocks add; of logits. 1: none */
    float            max_alibi_bias;              /* 0: none */
    float            clamp_qkv;   /* queries, keys and values are within +-this; 0: no limit */
    float            value_scale; /* 1: none */
    hl_norm_kind     norm;
    hl_activation    activation;
    hl_temperature   temperature;
    hl_router_params router;
    hl_mla_params    mla;
    hl_state_params  state;
    uint32_t         n_latent;        /* values that experts read and make; 0: n_embd */
    uint32_t         n_attn_in;       /* values that attention reads: n_embd, or twice that */
    uint32_t         n_side;          /* values of an embedding that each layer has of its own; 0: none */
    uint32_t         n_token_types;   /* rows of token_types.weight */
    uint32_t         n_pooled;        /* values between the matrices behind pooling */
    uint32_t         n_cls, n_labels; /* of a head that scores texts: values in it, and that come out */
    uint32_t         pooling;         /* the file's number for how vectors of tokens become one; 0: none */
    /* Of what drafts. */
    uint32_t     n_target; /* n_embd of the model it drafts for */
    uint32_t     n_own;    /* values that it makes of a row for the next one */
    uint32_t     n_head;   /* rows of output.weight, where that is not all of the vocabulary; 0: it is */
    hl_hidden_of reads;    /* of that model's rows */
    uint32_t block_size, mask_token; /* of what drafts a block at once: its length, and what it asks with */
    bool     norms_features;         /* what it reads of three layers, before the matrix */
    bool     norms_residual; /* the stream begins with what attention reads, not with what that is of */
} hl_hparams;

static inline size_t hl_n_logits(const hl_hparams *hp) { return hp->n_head > 0 ? hp->n_head : hp->n_vocab; }

/* Values of a row that what drafts reads. */
static inline size_t hl_hidden_cols(const hl_hparams *hp) {
    return (size_t)hp->n_target * (hp->reads.n_layers > 0 ? hp->reads.n_layers : 1);
}

/* Columns of the output matrix of attention; rows of a matrix that makes queries, keys and values. */
static inline uint64_t hl_o_in(const hl_hparams *hp, const hl_layer_params *p) {
    return (uint64_t)p->n_heads * (hp->mla.kv_rank > 0 ? hp->mla.v : p->v_dim);
}
static inline uint64_t hl_qkv_rows(const hl_layer_params *p) {
    return (uint64_t)p->n_heads * p->head_dim + (uint64_t)p->n_kv_heads * (p->head_dim + p->v_dim);
}

static inline size_t hl_state_floats(const hl_hparams *hp) {
    return hp->state.n_layers == 0 ? 0 : hp->state.n_layers * hl_layer_state_floats(&hp->state);
}

/* Dimension i of a tensor, the fastest first, as its file has them: 1 behind the last. */
static inline uint64_t hl_tensor_dim(const hl_gguf_tensor *t, uint32_t i) {
    return i < t->n_dims ? t->shape[t->n_dims - 1 - i] : 1;
}

/* All experts of one kind: [n_experts] matrices one after another. */
typedef struct hl_layer {
    hl_matrix    w[HL_W_count]; /* matrices by purpose; data is NULL when absent. Experts: of expert 0 */
    const float *v[HL_W_count]; /* vectors by purpose; NULL when absent */
    size_t       expert_stride[HL_W_count]; /* bytes from one expert's matrix to the next */
    const hl_layer_params *p;
    /* forms of activations that matmuls of this layer read that share them: HL_NEED_* */
    uint32_t need_attn_in, need_o_in, need_ffn_in, need_side_in;
    uint32_t need_state_low, need_state_out; /* of recurrent layers: between two matrices, and at the end */
    const float *taps;                       /* [n_taps][conv_cols] of the convolution */
    const float *decays;                     /* Mamba: [key_dim][columns of a state] */
} hl_layer;

enum { HL_NEED_F32 = 1, HL_NEED_BF16 = 2, HL_NEED_Q8 = 4 };

struct hl_model {
    atomic_uint        n_plans; /* memory plans of sessions and schedulers on it */
    hl_engine         *engine;
    hl_gguf           *gguf;
    const hl_arch     *arch;
    hl_arena           arena;
    hl_hparams         hp;
    hl_matrix          tok_embd;
    hl_matrix          tok_types, pos_embd;      /* of encoders; data is NULL when absent */
    const float       *tok_norm, *tok_norm_bias; /* NULL: norms stand in front of blocks */
    hl_matrix          pooled_up, pooled_down;   /* of a pooled vector; data is NULL when absent */
    hl_matrix          out;                      /* data is NULL in an encoder */
    const float       *out_norm;
    const float       *out_bias;   /* [n_vocab]; NULL: none */
    const float       *rope_freqs; /* [n_rot / 2] divisors, of ropes[0]; NULL: all 1 */
    hl_layer          *layers;     /* [n_layers] */
    hl_layer           top;        /* further tensors that there are once, by purpose */
    const float       *ones;       /* n_embd, or n_experts if that is more */
    uint32_t           need_out_in;
    uint32_t           max_cols;  /* widest row of any matrix */
    hl_tokenizer      *tokenizer; /* NULL: the file has none */
    struct hl_loras   *loras;     /* adapters: lora.h; NULL: none */
    struct hl_experts *experts;   /* which of them are in memory: expert_pages.h; NULL: the model has none */
    /* The block behind the last layer that drafts, as a model of one layer whose keys and values have a layer
     * of this one's cache (engine/forward/draft_next.c); of the arena. NULL: none */
    struct hl_model *next;
    bool only_next; /* the file has that block and no layers: it drafts for a model that has them */
    /* How it drafts for another model, whose cache holds its keys and values: engine/forward/drafts.h.
     * NULL: it answers itself, or is the file of a draft that is not made for a model yet */
    const struct hl_draft_kind *drafting;
    const int32_t
        *token_ids; /* [out.n_rows] of what drafts: which token a row of its head is; NULL: the row's */
    hl_model_info info;
};

/* Read the keys of `arch`, with defaults and limits; ret_hp->layers is of the arena. */
HL_MUST_CHECK hl_status hl_hparams_load(const hl_gguf *g, const hl_arch *arch, hl_arena *arena,
                                        hl_hparams *ret_hp, hl_err *err);

uint32_t hl_matrix_needs(const hl_matrix *w); /* HL_NEED_* of a matmul with it */

/* What the weights take of memory, those of adapters included. */
uint64_t hl_model_weights_bytes(const hl_model *m);

/* Who looks at what weights are multiplied with in passes, beforehand: w is one matrix, or the first of a
 * stack of which i_matrix is meant. Called by the thread of the pass. */
typedef struct hl_input_watch {
    void (*fn)(void *user, const hl_matrix *w, uint32_t i_matrix, const hl_act *x);
    void *user;
} hl_input_watch;

/* From the session's next pass on; NULL: nobody. */
void hl_session_watch_inputs(hl_session *s, const hl_input_watch *watch);

#endif
