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
#include "engine/kv/kv_pages.h"
#include "engine/parallel/matmul.h"
#include "engine/parallel/pool.h"
#include "hyperlama/engine.h"

struct hl_engine {
    hl_pool   *pool;
    hl_kernels kernels;
    uint32_t   n_planes; /* of 8-bit activations: hl_act */
    hl_events  events;
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

/* What may differ from layer to layer. */
typedef struct hl_layer_params {
    uint32_t n_heads, n_kv_heads, head_dim;
    /* head_dim up to the multiple of 8 that kernels of attention and the cache deal in; zeros behind */
    uint32_t head_room;
    uint32_t n_ff;        /* of a dense block */
    uint32_t n_expert_ff; /* of each expert; 0: the block is dense */
    uint32_t window;      /* positions it sees, the own one included; 0: all */
    uint32_t i_rope;      /* of hl_hparams.ropes */
    float    qk_scale;
} hl_layer_params;

static inline size_t hl_q_cols(const hl_layer_params *p) { return (size_t)p->n_heads * p->head_dim; }
static inline size_t hl_kv_cols(const hl_layer_params *p) { return (size_t)p->n_kv_heads * p->head_dim; }
static inline size_t hl_qkv_cols(const hl_layer_params *p) { return hl_q_cols(p) + 2 * hl_kv_cols(p); }

/* A way to rotate queries and keys by their positions. */
typedef struct hl_rope_params {
    uint32_t n_rot; /* values of a head that turn */
    float    base;
    float    freq_scale; /* 1 / factor; 1: no scaling */
    float    ext_factor; /* YaRN's mix: 0 linear, 1 YaRN */
    float    attn_factor;
    float    beta_fast, beta_slow;
    uint32_t n_ctx_orig;
} hl_rope_params;

enum { HL_MAX_ROPES = 2 }; /* of layers that see everything, and of windowed ones */

typedef struct hl_hparams {
    uint32_t         n_layers, n_ctx_train, n_embd, n_vocab;
    uint32_t         n_experts, n_experts_used; /* 0: none in any layer */
    hl_layer_params *layers;                    /* [n_layers] */
    hl_kv_layer     *kv_layers;                 /* [n_layers] what the cache keeps of them */
    hl_layer_params  most; /* the largest of each size over all layers; what buffers are laid out for */
    hl_rope_params   ropes[HL_MAX_ROPES];
    uint32_t         n_ropes;                     /* 1: all layers rotate alike */
    float            rms_eps, layer_eps;          /* of root mean square norms; of layer norms */
    float            attn_softcap, final_softcap; /* 0: none */
    float            embd_scale;
    float            expert_scale;  /* times the sum of the experts; 1 when unset */
    uint32_t         n_token_types; /* rows of token_types.weight */
    uint32_t         n_pooled;      /* values between the matrices behind pooling */
    uint32_t         pooling;       /* the file's number for how vectors of tokens become one; 0: none */
} hl_hparams;

/* All experts of one kind: [n_experts] matrices one after another. */
typedef struct hl_layer {
    hl_matrix    w[HL_W_count]; /* matrices by purpose; data is NULL when absent. Experts: of expert 0 */
    const float *v[HL_W_count]; /* vectors by purpose; NULL when absent */
    size_t       expert_stride[HL_W_count]; /* bytes from one expert's matrix to the next */
    const hl_layer_params *p;
    /* forms of activations that the matmuls of this layer read: HL_NEED_* */
    uint32_t need_attn_in, need_o_in, need_ffn_in, need_down_in;
} hl_layer;

enum { HL_NEED_F32 = 1, HL_NEED_BF16 = 2, HL_NEED_Q8 = 4 };

struct hl_model {
    atomic_uint    n_plans; /* memory plans of sessions and schedulers on it */
    hl_engine     *engine;
    hl_gguf       *gguf;
    const hl_arch *arch;
    hl_arena       arena;
    hl_hparams     hp;
    hl_matrix      tok_embd;
    hl_matrix      tok_types, pos_embd;      /* of encoders; data is NULL when absent */
    const float   *tok_norm, *tok_norm_bias; /* NULL: norms stand in front of blocks */
    hl_matrix      pooled_up, pooled_down;   /* of a pooled vector; data is NULL when absent */
    hl_matrix      out;                      /* data is NULL in an encoder */
    const float   *out_norm;
    const float   *out_bias;   /* [n_vocab]; NULL: none */
    const float   *rope_freqs; /* [n_rot / 2] divisors, of ropes[0]; NULL: all 1 */
    hl_layer      *layers;     /* [n_layers] */
    uint32_t       need_out_in;
    uint32_t       max_cols;  /* widest row of any matrix */
    hl_tokenizer  *tokenizer; /* NULL: the file has none */
    hl_model_info  info;
};

/* Read the keys of `arch`, with defaults and limits; ret_hp->layers is of the arena. */
HL_MUST_CHECK hl_status hl_hparams_load(const hl_gguf *g, const hl_arch *arch, hl_arena *arena,
                                        hl_hparams *ret_hp, hl_err *err);

uint32_t hl_matrix_needs(const hl_matrix *w); /* HL_NEED_* of a matmul with it */

#endif
