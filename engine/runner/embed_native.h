/* SPDX-License-Identifier: MIT
 *
 * embed_native.h - texts to vectors with our own engine.
 */
#ifndef HL_ENGINE_RUNNER_EMBED_NATIVE_H
#define HL_ENGINE_RUNNER_EMBED_NATIVE_H

#include "engine/model_priv.h"
#include "hyperlama/embed.h"
#include "hyperlama/sched.h"

/* As hl_runner_embed().
 * in     n_stops  calls of hl_runner_stop() so far: one more ends what is not with the scheduler yet */
HL_MUST_CHECK hl_status hl_embed_native(const hl_model *m, hl_sched *s, const hl_embed_request *req,
                                        const atomic_uint *n_stops, hl_embeddings *ret, hl_err *err);

/* y = W x for n vectors; the order of sums is that of all products with f32. fails HL_E_NOMEM */
HL_MUST_CHECK hl_status hl_embed_multiply(const hl_model *m, const hl_matrix *w, size_t n, const float *x,
                                          float *ret_y, hl_err *err);

#endif
