/* SPDX-License-Identifier: MIT
 *
 * draft_block.h - drafts by a block of the model's own, or by a file that was made for it (drafts.h), for all
 * sequences at once.
 *
 * It reads along: behind every pass of the model it gets the same rows, and with each what the model
 * made of the position before it. So its keys and values, which have layers of the model's cache, are there
 * wherever the model's are. To draft it is fed the newest token, then its own drafts, each with what it made
 * of the one before.
 *
 * thread  the scheduler's
 */
#ifndef HL_ENGINE_SPECULATE_DRAFT_BLOCK_H
#define HL_ENGINE_SPECULATE_DRAFT_BLOCK_H

#include "engine/speculate/draft_model.h"

typedef struct hl_draft_block hl_draft_block;

/* Draft tokens of one sequence that are worth asking for at once. */
uint32_t hl_draft_block_most(const hl_model *m);

/* Bytes that hl_draft_block_new() will take at most. */
uint64_t hl_draft_block_plan(const hl_model *m, uint32_t n_seqs, uint32_t n_rows_cap, int32_t n_ctx);

/* in     m           what drafts: hl_model.next, or of draft_file.h; outlives the result
 *        n_seqs      sequences that are drafted for at the same time, each of up to n_ctx tokens
 *        n_rows_cap  rows that are read at once
 * fails  HL_E_NOMEM */
HL_MUST_CHECK hl_status hl_draft_block_new(const hl_model *m, uint32_t n_seqs, uint32_t n_rows_cap,
                                           int32_t n_ctx, hl_draft_block **ret_block, hl_err *err);
void                    hl_draft_block_free(hl_draft_block *d); /* NULL is allowed */

/* Read the rows of a pass that the model has computed.
 *
 * in     before  [b->n_rows] as in hl_batch
 * fails  as hl_forward_eval(); then drafts are bad for a while, never wrong */
HL_MUST_CHECK hl_status hl_draft_block_read(hl_draft_block *d, const hl_batch *b, const float *const *before,
                                            const atomic_bool *stop, hl_err *err);

/* Draft for all jobs, behind the last of their ids, which the model has not computed yet; positions before it
 * were read. fails as hl_forward_eval(); then nobody got drafts */
HL_MUST_CHECK hl_status hl_draft_block_draft(hl_draft_block *d, hl_draft_job *jobs, uint32_t n_jobs,
                                             const atomic_bool *stop, hl_err *err);

#endif
