/* SPDX-License-Identifier: MIT
 *
 * runner_ops.h - what an engine implements to be a runner, and what it calls while it answers.
 */
#ifndef HL_RUNNER_RUNNER_OPS_H
#define HL_RUNNER_RUNNER_OPS_H

#include "hyperlama/runner.h"

/* `engine` is what hl_runner_make() was given. */
typedef struct hl_runner_ops {
    /* Start to answer: copy what is needed of the request, then call hl_generation_push() for every token and
     * hl_generation_end() exactly once, from any thread, even before this returns. After a failure neither is
     * called.
     * fails  as hl_runner_submit() */
    hl_status (*submit)(void *engine, const hl_request *r, hl_generation *g, hl_err *err);

    /* These three are called only while the generation has not ended, with its lock held: return at once, and
     * do not call hl_generation_*() from the same call. cancel: let it end soon. pause: its reader is slow,
     * produce no more (what was begun may still be pushed) until it is let go on. answer_now: let its
     * reasoning end; NULL: it knows of none. */
    void (*cancel)(void *engine, hl_generation *g);
    void (*pause)(void *engine, hl_generation *g, bool paused);
    void (*answer_now)(void *engine, hl_generation *g);

    void (*cancel_all)(void *engine); /* any thread, or a signal handler */
    hl_status (*render)(void *engine, const hl_request *r, char **ret_text, size_t *ret_n, hl_err *err);
    /* NULL: there are no ids here that anybody could read */
    hl_status (*encode)(void *engine, const hl_request *r, hl_tokens *ret_ids, hl_err *err);
    hl_status (*count)(void *engine, const hl_request *r, int32_t *ret_tokens, hl_err *err);
    /* As hl_runner_pin(). NULL: nothing can be kept */
    hl_status (*pin)(void *engine, const int32_t *tokens, size_t n, bool pins, hl_err *err);
    void (*get_info)(void *engine, hl_runner_info *ret_info);
    /* As hl_runner_embed(). NULL: this engine makes no vectors. */
    hl_status (*embed)(void *engine, const hl_embed_request *req, hl_embeddings *ret, hl_err *err);
    void (*free)(void *engine); /* ends all generations first */
} hl_runner_ops;

/* owns   the runner calls ops->free(engine); without memory NULL, and engine is still the caller's */
hl_runner *hl_runner_make(const hl_runner_ops *ops, void *engine);

/* The engine's own data of a generation; it must be in place before the first push. */
void  hl_generation_set_data(hl_generation *g, void *data);
void *hl_generation_data(const hl_generation *g);

/* Hand on a token, or text that was held back; everything is copied. False: end the answer, it was
 * cancelled. */
HL_MUST_CHECK bool hl_generation_push(hl_generation *g, const hl_token_event *ev);

/* The answer is over; the engine does not touch `g` after this.
 * in     status  HL_OK for answers that ended, were cancelled or late: usage->end says which. Else err says
 *                why */
void hl_generation_end(hl_generation *g, hl_status status, const hl_usage *usage, const hl_err *err);

#endif
