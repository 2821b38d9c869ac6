/* SPDX-License-Identifier: MIT
 *
 * rank_native.h - how well a document answers a question: the prompt of the two, and the head behind pooling.
 */
#ifndef HL_ENGINE_RUNNER_RANK_NATIVE_H
#define HL_ENGINE_RUNNER_RANK_NATIVE_H

#include "engine/model_priv.h"
#include "hyperlama/embed.h"

enum { HL_RANK_POOLING = 4 }; /* what pooling_type says of a reranker */

/* fails HL_E_UNSUPPORTED  the model is no reranker */
HL_MUST_CHECK hl_status hl_rank_check(const hl_model *m, hl_err *err);
hl_pooling              hl_rank_pooling(const hl_model *m);

/* Append the ids of a question (`text`) with its document. With `truncates`, the document loses what is
 * behind the context's `most` tokens; too long all the same, or without, the ids are more than that.
 * fails  HL_E_UNSUPPORTED  the model has no vocabulary, and texts are given
 *        HL_E_NOMEM, HL_E_LIMIT, HL_E_CANCEL */
HL_MUST_CHECK hl_status hl_rank_ids(const hl_model *m, const hl_embed_input *in, size_t most, bool truncates,
                                    hl_tokens *ids, bool *ret_was_cut, hl_err *err);

/* Pooled vectors to a score each, in place.
 * in     raw  as the model says them; else from 0 to 1 */
HL_MUST_CHECK hl_status hl_rank_scores(const hl_model *m, bool raw, hl_embeddings *e, hl_err *err);

#endif
