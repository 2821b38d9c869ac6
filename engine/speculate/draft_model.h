/* SPDX-License-Identifier: MIT
 *
 * draft_model.h - drafts by a small model with the same vocabulary, for all sequences at once.
 *
 * The small model keeps keys and values of its own. It reads what it has not seen of each sequence, then says
 * its likeliest next token, and the next behind that; where it is unsure it says no more. What it thinks
 * second likeliest is told too.
 *
 * thread  the scheduler's
 */
#ifndef HL_ENGINE_SPECULATE_DRAFT_MODEL_H
#define HL_ENGINE_SPECULATE_DRAFT_MODEL_H

#include "engine/forward/forward.h"

typedef struct hl_draft_model hl_draft_model;

/* Draft tokens of one sequence in one call: at most; of those that take a pass for each. */
enum { HL_DRAFT_JOB_CAP = 15, HL_DRAFT_MODEL_CAP = 6 };

/* Whether all tokens that both have are spelled alike; files without a tokenizer are believed.
 * fails  HL_E_ARG  the first token that differs */
HL_MUST_CHECK hl_status hl_draft_check_vocabulary(const hl_model *draft, const hl_model *target, hl_err *err);

/* Bytes that hl_draft_model_new() will take at most, without the small model's weights. */
uint64_t hl_draft_model_plan(const hl_model *draft, uint32_t n_seqs, int32_t n_ctx);

/* in     draft   must outlive the result; of the same engine as `target`
 *        n_seqs  sequences that are drafted for at the same time, each of up to n_ctx tokens
 * fails  HL_E_ARG    another vocabulary: the first token that differs is named
 *        HL_E_NOMEM */
HL_MUST_CHECK hl_status hl_draft_model_new(hl_model *draft, const hl_model *target, uint32_t n_seqs,
                                           int32_t n_ctx, hl_draft_model **ret_draft, hl_err *err);
void                    hl_draft_model_free(hl_draft_model *d); /* after its sequences; NULL is allowed */

/* The small model's view of one sequence: zeros before init, and valid to done. */
HL_MUST_CHECK hl_status hl_draft_model_open_seq(hl_draft_model *d, hl_seq *seq, hl_err *err);

typedef struct hl_draft_job {
    hl_seq        *seq; /* .n_pos positions of ids are known to the small model */
    const int32_t *ids; /* [n_ids] */
    uint32_t       n_ids;
    uint32_t       n_wanted; /* draft tokens, at most HL_DRAFT_JOB_CAP */
    float          min_prob; /* no token that the small model gives less probability */
    const float   *before;   /* draft_block.h: what the model made of the position before the last id */
    int32_t       *drafts;   /* out [n_wanted] */
    uint32_t       n_drafts; /* out */
    int32_t        seconds[HL_DRAFT_JOB_CAP]; /* out [n_drafts] the second choice at the position of each */
    float          second_probs[HL_DRAFT_JOB_CAP]; /* out: and how likely it is; 0: none */
} hl_draft_job;

/* The likeliest token of the logits, and the second, become the job's next draft; where it is unsure it wants
 * no more. For those that draft.
 * in     logits  [n] NULL: none could be computed
 *        n_vocab  of the target: others are no drafts */
void hl_draft_job_note(hl_draft_job *j, const float *logits, int32_t n, int32_t n_vocab);

/* Draft for all jobs. At most a pass full of unread tokens is read in one call: a job with more to read gets
 * no drafts yet. fails as hl_forward_eval(); then nobody got drafts */
HL_MUST_CHECK hl_status hl_draft_model_draft(hl_draft_model *d, hl_draft_job *jobs, uint32_t n_jobs,
                                             const atomic_bool *stop, hl_err *err);

#endif
