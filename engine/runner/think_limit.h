/* SPDX-License-Identifier: MIT
 *
 * think_limit.h - an end of reasoning that the request sets, or somebody while it runs.
 *
 * It is a constraint of the sampler: when the limit is reached, nothing may come but the tokens of the
 * model's own close marker, one after the other; then the answer goes on by itself. Where reasoning is a
 * message of its own (gpt-oss), the header of the next one is the answer's, because the model would go on
 * reasoning in it; with tools it is asked once what it wants next. The sampler asks it for
 * every token in turn, so drafts change nothing about where it cuts.
 */
#ifndef HL_ENGINE_RUNNER_THINK_LIMIT_H
#define HL_ENGINE_RUNNER_THINK_LIMIT_H

#include <stdatomic.h>

#include "engine/runner/answer_text.h"
#include "hyperlama/sampler.h"
#include "hyperlama/tokenizer.h"

typedef struct hl_think_limit {
    hl_constraint        constraint; /* for the sampler; self is this */
    const hl_constraint *inner;      /* decides where this does not; NULL: none */
    const hl_tokenizer  *tokenizer;
    hl_reply_parser      text; /* only whether it reasons is of interest */
    char                *piece;
    size_t               piece_cap;
    hl_tokens            close;    /* what ends reasoning, and leads to the answer */
    size_t               n_first;  /* of these, the first time: then the model may call a tool */
    size_t               n_close;  /* of these, this time */
    size_t               n_forced; /* so far */
    uint32_t            *mask;     /* a bit for each token, at most one set */
    int32_t              most;     /* tokens of reasoning; -1: no limit */
    int32_t              n_thought;
    bool                 is_forcing;
    atomic_bool          now; /* any thread: reasoning is to end */
} hl_think_limit;

/* in     most             -1: no limit
 *        form             of the answer, with a format
 *        inner            must outlive it
 * owns   hl_think_limit_done(), also after a failure; it must not move
 * fails  HL_E_NOMEM */
HL_MUST_CHECK hl_status hl_think_limit_init(hl_think_limit *l, const hl_tokenizer *t, int32_t most,
                                            const hl_answer_form *form, const hl_constraint *inner,
                                            hl_err *err);
void                    hl_think_limit_done(hl_think_limit *l); /* of zeros, too */

#endif
