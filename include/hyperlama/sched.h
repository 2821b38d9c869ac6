/* SPDX-License-Identifier: MIT
 *
 * sched.h - many requests at once on one model: tokens in, token events out, from any thread.
 *
 * A scheduler computes all its requests together: each step is one pass over the weights for every sequence
 * that generates and for a chunk of the prompts that wait to be read (continuous batching, chunked prefill).
 * What prompts have in common is computed once and kept (a prefix tree over the key/value cache), and draft
 * tokens are verified in the same pass (speculative decoding) without changing a single answer. What a
 * request gets does not depend on what else runs. For text in, text out see runner.h, which stands on this.
 */
#ifndef HL_SCHED_H
#define HL_SCHED_H

#include "hyperlama/embed.h"
#include "hyperlama/engine.h"
#include "hyperlama/sampler.h"
#include "hyperlama/usage.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct hl_sched hl_sched;

typedef struct hl_sched_params {
    int32_t n_running_cap; /* requests computed together; 0: 16, at most 256 */
    int32_t n_waiting_cap; /* requests that may also wait; 0: 1024 */
    /* most tokens of a request that does not say; 0: min(4096, what the model was trained for) */
    int32_t n_ctx;
    int32_t n_batch; /* most rows per pass; 0: 512 */
    /* prompts are read in chunks that keep the inter-token latency of others under this; 0: 150 */
    int32_t          max_itl_ms;
    hl_kv_cache_type kv_type;
    /* of the key/value cache, kept to the byte; 0: n_ctx for each of 4 requests, if half of the available
     * memory has room for it */
    uint64_t     kv_budget_bytes;
    hl_speculate speculate;
    /* a small model with the same vocabulary; NULL: drafts come from the text itself. Must outlive the
     * scheduler. Its weights, and a cache of n_ctx for each running request, are planned for */
    hl_model   *draft;
    const char *cache_dir;         /* folder for key/value blocks on disk; NULL: none */
    uint64_t    cache_quota_bytes; /* 0: 4 GiB */
    const char *cache_key;         /* names the weights (a digest); NULL: nothing is saved */
} hl_sched_params;

/* One token of an answer; the one that ends it is not shown. Pointers are valid during the call only. */
typedef struct hl_sched_token {
    uint64_t          id; /* of the request */
    int32_t           token;
    float             logprob; /* when want_logprobs */
    const hl_logprob *top;     /* [n_top] */
    size_t            n_top;
} hl_sched_token;

/* Called on the scheduler's thread: be quick, and do not call hl_sched_run() or hl_sched_free() from here.
 * Returns HL_END_NONE to go on, HL_END_STOP or HL_END_CANCEL to end the answer. */
typedef hl_end hl_sched_token_fn(void *user, const hl_sched_token *t);

/* Called once for every request that was taken, also on the scheduler's thread; `usage` and `err` are valid
 * during the call. status is HL_OK for every answer that ended, cancelled and timed out ones included. */
typedef void hl_sched_done_fn(void *user, uint64_t id, hl_status status, const hl_usage *usage,
                              const hl_err *err);

typedef struct hl_sched_request {
    const int32_t    *tokens; /* [n_tokens] the prompt; copied. At least 1 */
    size_t            n_tokens;
    hl_sampler_params sampling;
    int32_t           max_tokens; /* -1: until the context is full */
    int32_t      n_ctx; /* most tokens, prompt and answer, up to hl_sched_n_ctx_cap(); 0: the scheduler's */
    bool         ignore_eog; /* go on when the model ends its answer: for benchmarks */
    bool         want_logprobs;
    int32_t      n_top; /* 0..20 */
    hl_speculate speculate;
    const int32_t
          *prediction; /* [n_prediction] what much of the answer may look like (a file that is edited): drafts
                                * come from it too; copied. NULL: none */
    size_t n_prediction;
    const hl_adapter_use *adapters; /* [n_adapters] that it uses; copied. NULL: all, as they were added */
    size_t                n_adapters;
    uint64_t              owner;      /* whose request: owners get equal shares */
    int32_t               priority;   /* higher ones go first */
    int64_t               timeout_ms; /* from the call; 0: none */
    hl_sched_token_fn    *on_token;   /* NULL: tokens are only counted */
    /* Not NULL: called for each token of the prompt but the first, in their order, with its logprob behind
     * those before it and n_top likely ones. The whole prompt is computed for it, nothing comes from the
     * cache */
    hl_sched_token_fn *on_prompt_token;
    hl_sched_done_fn  *on_done; /* NULL: nobody waits */
    void              *user;
} hl_sched_request;

/* in     p  NULL: defaults
 * fails  HL_E_ARG    a parameter out of range; a draft model with another vocabulary
 *        HL_E_NOMEM  the plan does not fit what is available, or the budget holds not even one block: with
 *                    the numbers
 * owns   the model must outlive it */
HL_API HL_MUST_CHECK hl_status hl_sched_new(hl_model *m, const hl_sched_params *p, hl_sched **ret_sched,
                                            hl_err *err);
/* Cancels what runs and waits; every on_done has been called when it returns. NULL is allowed. */
HL_API void hl_sched_free(hl_sched *s);

/* Delete what schedulers with this cache_dir and cache_key saved, in any version: the weights are gone.
 * Returns the bytes. Any process, any time. */
HL_API uint64_t hl_sched_remove_saved(const char *cache_dir, const char *cache_key);
/* What schedulers saved there: how many blocks for whose key, and their bytes. A key comes once for each
 * build and shape that saved. Any process, any time. */
typedef void hl_sched_saved_fn(void *user, const char *cache_key, uint64_t n_blocks, uint64_t bytes);
HL_API void  hl_sched_each_saved(const char *cache_dir, hl_sched_saved_fn *fn, void *user);

HL_API void hl_sched_request_init(hl_sched_request *r);

/* Queue a request.
 *
 * fails  HL_E_ARG   no tokens, a token or a parameter out of range
 *        HL_E_FULL  the prompt does not fit the context or the cache's budget: with the numbers
 *        HL_E_BUSY  n_waiting_cap requests wait already
 *        HL_E_NOT_FOUND  an adapter that the model does not have
 * out    ret_id  written before the first callback
 * thread any */
HL_API HL_MUST_CHECK hl_status hl_sched_submit(hl_sched *s, const hl_sched_request *r, uint64_t *ret_id,
                                               hl_err *err);
/* End a request at the next step; unknown and finished ids are ignored. Any thread. */
HL_API void hl_sched_cancel(hl_sched *s, uint64_t id);
/* Let a request wait after its next step until it is let go on: its reader is slow. It holds no slot and no
 * blocks meanwhile, so nobody waits for it; its tokens are the same as without. Its deadline and cancellation
 * still count, and it counts among those that wait. Unknown and finished ids are ignored. Any thread, also
 * from its own on_token. */
HL_API void hl_sched_pause(hl_sched *s, uint64_t id, bool paused);
/* End all requests that were submitted so far. Any thread, or a signal handler. */
HL_API void hl_sched_cancel_all(hl_sched *s);
/* Submit and wait until it is done; hl_stop_watch()'s flag cancels it. on_done is called too. fails as
 * submit, and with the request's own status */
HL_API HL_MUST_CHECK hl_status hl_sched_run(hl_sched *s, const hl_sched_request *r, hl_usage *ret_usage,
                                            hl_err *err);

/* One text to be embedded. */
typedef struct hl_sched_embed {
    const int32_t *tokens; /* [n_tokens], at least 1 */
    size_t         n_tokens;
    float *ret; /* [n_embd], without pooling [n_tokens][n_embd]: what the last norm makes of the rows */
} hl_sched_embed;

/* Read texts for their vectors, and wait until all are there. They are rows of the same passes as those of
 * requests, longest first; where prompts wait, too, they get half of a step's rows. hl_stop_watch()'s flag
 * and hl_sched_cancel_all() end it.
 *
 * in     pooling  not DEFAULT
 * out    ret_queue_ns  until work on it began; NULL: nobody asks
 * fails  HL_E_ARG     no tokens, or a token out of range
 *        HL_E_FULL    a text does not fit the context or the cache's budget: with the numbers
 *        HL_E_FORMAT  the model computes no numbers
 *        HL_E_CANCEL, HL_E_NOMEM; HL_E_BUSY  the scheduler is ending
 * thread any number at once */
HL_API HL_MUST_CHECK hl_status hl_sched_embed_texts(hl_sched *s, const hl_sched_embed *texts, size_t n_texts,
                                                    hl_pooling pooling, int64_t *ret_queue_ns, hl_err *err);

HL_API int32_t hl_sched_n_ctx(const hl_sched *s); /* of a request that does not say */
HL_API int32_t
hl_sched_n_ctx_cap(const hl_sched *s); /* that a request may ask for: what the model was trained for, if the
                                                       * cache's budget holds it */

/* Keep tokens[0, n) in the cache once they are there, until unpinned: for system texts that many will share.
 * fails  HL_E_NOT_FOUND  they are not in the cache: run them first; HL_E_ARG */
HL_API HL_MUST_CHECK hl_status hl_sched_pin(hl_sched *s, const int32_t *tokens, size_t n, hl_err *err);
HL_API HL_MUST_CHECK hl_status hl_sched_unpin(hl_sched *s, const int32_t *tokens, size_t n, hl_err *err);

typedef struct hl_sched_stats {
    int32_t  n_running, n_waiting;
    uint64_t n_done, n_cancelled, n_failed, n_preempted;
    uint64_t n_steps, n_rows; /* passes, and rows of all of them */
    uint64_t prompt_tokens, cached_tokens, answer_tokens, drafted_tokens, accepted_tokens;
    uint64_t drafted_branches, accepted_branches;
    int64_t  forward_ns, sample_ns;          /* in passes; choosing tokens */
    int64_t  own_ns;                         /* in steps, but in neither: the scheduler's own cost */
    double   itl_p50_ms, itl_p99_ms;         /* inter-token latency */
    uint64_t kv_budget_bytes, kv_used_bytes; /* used: by sequences and the prefix tree */
    int64_t  kv_tokens;                      /* that fit */
    uint64_t kv_shared_bytes;                /* of these, known to the prefix tree */
    uint64_t disk_saved_blocks, disk_loaded_blocks;
    uint32_t prefill_budget; /* tokens of prompts per step at present */
} hl_sched_stats;

HL_API void hl_sched_get_stats(hl_sched *s, hl_sched_stats *ret_stats); /* any thread */

#ifdef __cplusplus
}
#endif
#endif
