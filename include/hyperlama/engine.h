/* SPDX-License-Identifier: MIT
 *
 * engine.h - run a model: engine (the process), model (the weights), session (one sequence of tokens).
 *
 * An engine owns the threads and knows the processor. A model is a mapped file: opening one copies no
 * weights. A session owns a KV cache and the buffers of one evaluation; all of it is planned before it
 * is taken, and hl_session_eval() allocates nothing. For text in, text out see runner.h.
 */
#ifndef HL_ENGINE_H
#define HL_ENGINE_H

#include "hyperlama/adapter.h"
#include "hyperlama/base.h"
#include "hyperlama/kv_cache_type.h"
#include "hyperlama/tokenizer.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct hl_engine  hl_engine;
typedef struct hl_model   hl_model;
typedef struct hl_session hl_session;

/* What happens inside, for logs: level 0 error .. 4 trace; fields are logfmt. Called from any thread. */
typedef void hl_engine_event_fn(void *user, int level, const char *component, const char *event,
                                const char *fields);

typedef struct hl_engine_params {
    int32_t     n_threads; /* 0: one per usable core (affinity mask and cgroup quota); never more
                                      than the machine has processors or the calling thread may run on */
    const char *cpu;       /* instruction sets to use: "auto" or NULL, "scalar", "avx2", ... */
    /* of what quantized weights are multiplied with: 8 (or 0), or 16 for answers as close to the file as
     * its float copy gives them, for up to twice the multiplications */
    int32_t             activation_bits;
    hl_engine_event_fn *on_event; /* NULL: silence */
    void               *event_user;
    int                 event_level; /* events above it are not sent */
} hl_engine_params;

/* Zero-initialised params are the defaults everywhere in this header. NULL means defaults too.
 * fails  HL_E_ARG  n_threads not in 0..1024, unknown cpu name; HL_E_NOMEM
 * thread one engine serves any number of models and sessions */
HL_API HL_MUST_CHECK hl_status hl_engine_new(const hl_engine_params *p, hl_engine **ret_engine, hl_err *err);
HL_API void                    hl_engine_free(hl_engine *e); /* after its models; NULL is allowed */
HL_API int32_t                 hl_engine_n_threads(const hl_engine *e); /* at most */

/* One line per operation: "gemv\tq4_k\tavx512vnni". Calls fn for each. For `info --kernels`. */
typedef void       hl_kernel_fn(void *user, const char *op, const char *type, const char *isa);
HL_API void        hl_engine_each_kernel(const hl_engine *e, hl_kernel_fn *fn, void *user);
HL_API const char *hl_engine_cpu_text(const hl_engine *e); /* "avx2 avx512 avx512vnni avx512bf16" */
/* The same, and what else of the engine's settings decides results and speed; what has another text is not to
 * be compared. */
HL_API const char *hl_engine_setup_text(const hl_engine *e);

/* What the machine can do at most with the engine's threads, now: for benchmarks. */
typedef struct hl_machine_limits {
    double read_bytes_per_s; /* streaming reads from memory */
    double int8_macs_per_s;  /* int8 multiply-accumulates on registers */
} hl_machine_limits;

/* cost a fraction of a second, 256 MiB for the time of the call. fails HL_E_NOMEM */
HL_API HL_MUST_CHECK hl_status hl_engine_measure(hl_engine *e, hl_machine_limits *ret_limits, hl_err *err);

/* How fast weights of a type are multiplied with one token, as decoding does it: bytes of weights a second.
 *
 * in     type     "q4_k"
 *        n_bytes  of weights that one token reads; over 256 MiB count as that, few may stay in a cache
 * cost   a fraction of a second, n_bytes for the time of the call
 * fails  HL_E_ARG no such type; HL_E_NOMEM */
HL_API HL_MUST_CHECK hl_status hl_engine_measure_weights(hl_engine *e, const char *type, uint64_t n_bytes,
                                                         double *ret_bytes_per_s, hl_err *err);

typedef struct hl_model_params {
    bool vocab_only; /* only the vocabulary and the keys: for tokenize and template */
} hl_model_params;

/* Open a model from its file, or from the files of its shards in order (one path that is the first of
 * a split model finds the others beside it).
 *
 * fails  HL_E_UNSUPPORTED  architecture, tensor type or tokenizer, named with the list of supported ones
 *        HL_E_FORMAT       missing tensors, wrong shapes, inconsistent keys
 *        HL_E_NOT_FOUND, HL_E_IO, HL_E_NOMEM, HL_E_CANCEL (hl_stop_watch())
 * cost   milliseconds: weights are mapped, not read */
HL_API HL_MUST_CHECK hl_status hl_model_open(hl_engine *e, const char *const *paths, size_t n_paths,
                                             const hl_model_params *p, hl_model **ret_model, hl_err *err);
HL_API void                    hl_model_close(hl_model *m); /* after its sessions; NULL is allowed */

typedef struct hl_model_info {
    const char *arch;      /* "qwen3"; strings live as long as the model */
    const char *name;      /* general.name, "" when absent */
    const char *file_type; /* "Q4_K_M": what the file calls its weights, else the type of most bytes */
    uint64_t    n_params;  /* weights */
    uint64_t    file_bytes;
    uint64_t    weight_bytes_per_token; /* read for one token: no embedding table, only the experts in use */
    /* where layers differ, the largest of n_heads, n_kv_heads, head_dim and n_ff */
    int32_t  n_layers, n_embd, n_heads, n_kv_heads, head_dim, n_ff, n_vocab, n_ctx_train;
    int32_t  n_experts, n_experts_used; /* 0: dense */
    uint64_t macs_per_token;            /* multiply-accumulates in weights, without attention */
    uint64_t macs_of_logits;            /* the part of them that only tokens with logits need */
    bool     is_encoder;                /* it makes vectors of texts, and cannot generate */
    bool     is_for_embedding;          /* its file says how to pool vectors, or it is an encoder */
    bool     drafts_itself; /* it has a block that drafts (multi-token prediction), which a scheduler uses */
    bool     drafts_for_others; /* it was made to draft for another model, and cannot generate alone */
} hl_model_info;

HL_API void                hl_model_get_info(const hl_model *m, hl_model_info *ret_info);
HL_API const hl_tokenizer *hl_model_tokenizer(const hl_model *m);     /* NULL: the file has no vocabulary */
HL_API hl_view             hl_model_chat_template(const hl_model *m); /* empty: none */
/* Beside it a file may have more, each with a name: tool_use (used when a request has tools), rag. Empty:
 * none. */
HL_API hl_view hl_model_named_template(const hl_model *m, const char *name);
HL_API void hl_model_each_named_template(const hl_model *m, void (*fn)(void *user, hl_view name), void *user);

/* Every key of the file as text, in order: `show --verbose`. Long arrays are cut with their length; text is
 * NULL where there was no memory for it. */
HL_API void hl_model_each_key(const hl_model *m,
                              void (*fn)(void *user, hl_view key, const char *kind, const char *text),
                              void *user);
HL_API void hl_model_each_tensor(const hl_model *m,
                                 void (*fn)(void *user, const char *name, const char *type,
                                            const uint64_t *shape, uint32_t n_dims),
                                 void *user);

typedef struct hl_session_params {
    int32_t          n_ctx;   /* tokens the session can hold; 0: min(4096, what the model was trained for) */
    int32_t          n_batch; /* most tokens per pass; 0: 512. Longer inputs are cut into passes */
    int32_t          n_rows_cap; /* most rows of logits per call of hl_session_eval_rows(); 0: 1 */
    hl_kv_cache_type kv_type;
} hl_session_params;

typedef struct hl_memory_plan {
    uint64_t weights_bytes; /* mapped, shared with the page cache */
    uint64_t kv_bytes;      /* when full; committed page by page */
    uint64_t scratch_bytes;
    uint64_t draft_bytes;     /* of a scheduler's draft model: weights, cache and buffers */
    uint64_t available_bytes; /* of the machine or the cgroup, whichever is less; 0: unknown */
} hl_memory_plan;

/* What a session would take. Allocates nothing. fails HL_E_ARG */
HL_API HL_MUST_CHECK hl_status hl_session_plan(const hl_model *m, const hl_session_params *p,
                                               hl_memory_plan *ret_plan, hl_err *err);

/* fails  HL_E_ARG    a parameter out of range, named with its range
 *        HL_E_NOMEM  the plan does not fit what is available: the message carries the numbers */
HL_API HL_MUST_CHECK hl_status hl_session_new(hl_model *m, const hl_session_params *p,
                                              hl_session **ret_session, hl_err *err);
HL_API void                    hl_session_free(hl_session *s); /* NULL is allowed */

/* Run `n` tokens at the end of the session.
 *
 * in     tokens  [n] ids, each in [0, n_vocab); any n >= 1: passes of n_batch are made inside
 * out    -       logits of the last token: hl_session_logits(), valid until the next call
 * fails  HL_E_FULL    n more tokens do not fit the context; session unchanged
 *        HL_E_ARG     a token id is out of range, or n is 0; session unchanged
 *        HL_E_CANCEL  hl_session_stop() was called or hl_stop_watch()'s flag set: seen between work chunks;
 *                     position rolls back to the last whole pass
 *        HL_E_IO      the model file was cut short while mapped; results are worthless
 * cost   no allocation
 * thread sessions are independent, calls on one session must not overlap; passes of all sessions of an
 *        engine take turns on its threads */
HL_API HL_MUST_CHECK hl_status hl_session_eval(hl_session *s, const int32_t *tokens, size_t n, hl_err *err);

/* As above, and keep the logits of the last n_rows of the n tokens (n_rows <= n_rows_cap, n <= n_batch):
 * hl_session_logits_at(s, 0..n_rows-1), in order. */
HL_API HL_MUST_CHECK hl_status hl_session_eval_rows(hl_session *s, const int32_t *tokens, size_t n,
                                                    size_t n_rows, hl_err *err);

/* Rows that need not be tokens: a vector may stand where a token would (a part of an image, say), and rows
 * may turn by other positions than their places in the session. */
enum { HL_ROW_IS_EMBEDDING = -1 };
typedef struct hl_input {
    size_t         n_rows;
    const int32_t *tokens; /* [n_rows] ids, or HL_ROW_IS_EMBEDDING: the next one of embds */
    /* [rows that are embeddings][n_embd] f32, as they enter the first layer: what a model multiplies the
     * embeddings of tokens by (Gemma) is not applied to these. NULL: there are none */
    const float *embds;
    /* [n_rows] time, height and width by which queries and keys turn; those of text are equal. NULL: the
     * row's place in the session, three times. What a row sees are the rows before it in any case */
    const int32_t (*positions)[3];
} hl_input;

/* As hl_session_eval() for such rows, which it does not keep; logits of the last n_logits of them (1, or
 * more as in hl_session_eval_rows()). Rows that hold a token's own embedding, hl_model_embed(), have the
 * bits of that token.  fails  as hl_session_eval() HL_E_ARG          also an embedding that is not finite,
 * a position out of range; session unchanged HL_E_UNSUPPORTED  positions that are not equal, in a model
 * with one axis; session unchanged */
HL_API HL_MUST_CHECK hl_status hl_session_eval_input(hl_session *s, const hl_input *in, size_t n_logits,
                                                     hl_err *err);

/* The embedding of a token as it enters the first layer: [n_embd] f32.
 * fails  HL_E_ARG  a token out of range, or the model was opened for its vocabulary only */
HL_API HL_MUST_CHECK hl_status hl_model_embed(const hl_model *m, int32_t token, float *ret_embd, hl_err *err);

HL_API const float *hl_session_logits(const hl_session *s); /* [n_vocab] f32, of the last token */
HL_API const float *hl_session_logits_at(const hl_session *s, size_t i_row);
HL_API int32_t      hl_session_pos(const hl_session *s);          /* tokens held */
HL_API int32_t      hl_session_n_ctx(const hl_session *s);        /* tokens that fit */
HL_API void hl_session_truncate(hl_session *s, int32_t n_tokens); /* forget all but the first n_tokens */
/* Use these adapters of the model from now on, instead of all with the scales they were added with.
 * in     uses  [n]; NULL: those again
 * fails  HL_E_NOT_FOUND  no such adapter, with those that there are
 *        HL_E_ARG        a scale that is no number, an adapter twice; the session holds tokens already */
HL_API HL_MUST_CHECK hl_status hl_session_set_adapters(hl_session *s, const hl_adapter_use *uses, size_t n,
                                                       hl_err *err);
HL_API void hl_session_stop(hl_session *s);   /* from any thread or a signal handler: see HL_E_CANCEL */
HL_API void hl_session_resume(hl_session *s); /* forget a stop that nobody saw */

#ifdef __cplusplus
}
#endif
#endif
