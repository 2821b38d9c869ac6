/* SPDX-License-Identifier: MIT
 *
 * speculation.h - speculative decoding of one sequence: propose drafts for a step, observe what came.
 *
 * The main draft is a chain of tokens that may come next: what followed an earlier position of the text, or
 * what a draft model said. Branches are alternatives that part from it at some depth. The scheduler gives
 * rows to some of the tokens (draft_budget.h), verifies them in one pass, and says what was emitted; all
 * tokens, verified or not, are then compared with it, and the acceptance rates of their sources follow.
 *
 * thread  the scheduler's
 */
#ifndef HL_ENGINE_SPECULATE_SPECULATION_H
#define HL_ENGINE_SPECULATE_SPECULATION_H

#include "engine/speculate/accept_rate.h"
#include "engine/speculate/draft_budget.h"
#include "engine/speculate/ngram.h"

enum {
    HL_MAX_DRAFT = HL_DRAFT_CHAIN, /* draft tokens of a sequence in one step, one behind the other */
    HL_MAX_BRANCHES = 3,
};

/* Another continuation: it shares the first `depth` draft tokens and then says something else. */
typedef struct hl_spec_branch {
    uint32_t        depth;
    uint32_t        position; /* in the context, of its first token; 0: a draft model's */
    hl_draft_source source;   /* of its first token */
    int32_t         tokens[HL_MAX_DRAFT];
    uint32_t        n_tokens;
    uint32_t        n_verified; /* the first of them that get rows in this step */
} hl_spec_branch;

typedef struct hl_spec {
    /* Of the sequence. */
    int32_t
        *context; /* [n] what drafts are copied from: a token that there is not and the prediction, when there
                              * is one, then the tokens of the sequence */
    uint32_t n, cap;
    uint32_t n_prediction; /* in front of the sequence's first token, with that token; 0: none */
    hl_ngram index;
    uint32_t cursor;     /* position behind the last draft, moved on with what came; 0: none */
    uint32_t n_rejected; /* steps in a row in which the text's draft was wrong from its first token on */
    hl_accept_rates rates;
    /* Of the step in hand. */
    int32_t         tokens[HL_MAX_DRAFT];
    uint32_t        n_tokens;
    uint32_t        n_verified;
    uint32_t        n_format; /* the first of them that the format of the answer says, too */
    hl_draft_source source;
    bool            from_model; /* a draft model says the tokens */
    hl_spec_branch  branches[HL_MAX_BRANCHES];
    uint32_t        n_branches;
    int             accepted_branch; /* -1: none */
    int32_t         text_token; /* the text's first draft where a model is asked: compared only; -1: none */
    hl_draft_source text_source;
} hl_spec;

/* in     prediction  [n_prediction] what much of the answer may look like; NULL: none
 *        ids         [n_ids] the sequence so far
 * fails  HL_E_NOMEM
 * owns   hl_spec_done(); zeros are a valid state that proposes nothing */
HL_MUST_CHECK hl_status hl_spec_init(hl_spec *s, const int32_t *prediction, size_t n_prediction,
                                     const int32_t *ids, uint32_t n_ids, hl_err *err);
void                    hl_spec_done(hl_spec *s);
HL_MUST_CHECK bool      hl_spec_append(hl_spec *s, int32_t token); /* false: no memory */

/* Forget the last step. */
void hl_spec_begin_step(hl_spec *s);

/* Draft up to n_cap tokens, and branches, from the text. With `has_model`, where a draft model's tokens were
 * accepted more often lately, its tokens shall come instead: then from_model is set, n_tokens says how many
 * may come, and hl_spec_set_model_drafts() brings them. */
void hl_spec_propose(hl_spec *s, uint32_t n_cap, bool has_model, uint32_t n_model_cap);

/* How many of n tokens could come one behind the other. */
typedef size_t hl_spec_fits_fn(void *user, const int32_t *ids, size_t n);
/* Leave out what cannot come: a draft ends in front of it. Not before a draft model has said its tokens. */
void hl_spec_keep_what_fits(hl_spec *s, hl_spec_fits_fn *fits, void *user);

/* What the format of the answer says must come: instead of all other drafts, but one that says so, too, and
 * more behind it. */
void hl_spec_set_format_drafts(hl_spec *s, const int32_t *ids, uint32_t n);

/* A draft model's tokens, as many as stand in s->tokens, and its second choices as branches.
 * in     seconds  [n]; probs [n] how likely the model thinks they are */
void hl_spec_set_model_drafts(hl_spec *s, uint32_t n, const int32_t *seconds, const float *probs);

/* What the main draft, or a branch, promises: for the budget. A branch costs fork_ns beyond its rows. */
hl_draft_proposal hl_spec_proposal(const hl_spec *s);
hl_draft_proposal hl_spec_branch_proposal(const hl_spec *s, const hl_spec_branch *b, float fork_ns);

uint32_t hl_spec_n_verified(const hl_spec *s); /* tokens with rows: of the main draft and all branches */

/* Which row of a step's pass says what follows its emitted token i. */
typedef struct hl_spec_row {
    int      branch; /* -1: the sequence's own rows, the first of which is the newest token's */
    uint32_t row;    /* of those */
} hl_spec_row;

/* Is `id`, which the sampler chose as token i of the step, what a verified draft says? Then there are logits
 * behind it, in
 * *ret_row. The first token that leads into a branch decides for it. */
HL_MUST_CHECK bool hl_spec_follow(hl_spec *s, uint32_t i, int32_t id, hl_spec_row *ret_row);

/* Compare all drafts of the step with what was emitted, [n]. */
void hl_spec_observe(hl_spec *s, const int32_t *emitted, uint32_t n);

#endif
