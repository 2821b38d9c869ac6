/* SPDX-License-Identifier: MIT
 *
 * admit.h - what sessions and the scheduler share: defaults, and whether a memory plan fits the machine.
 */
#ifndef HL_ENGINE_ADMIT_H
#define HL_ENGINE_ADMIT_H

#include "core/base/cpus.h"
#include "engine/model_priv.h"

int32_t hl_default_ctx(const hl_model *m); /* min(4096, what the model was trained for) */

/* fails  HL_E_ARG  no type of a cache */
HL_MUST_CHECK hl_status hl_kv_type_check(hl_kv_cache_type t, hl_err *err);

/* fails  HL_E_UNSUPPORTED  the file only drafts for another model */
HL_MUST_CHECK hl_status hl_check_stands_alone(const hl_model *m, hl_err *err);

/* fails  HL_E_UNSUPPORTED  the same; or the model is an encoder: no tokens come of it */
HL_MUST_CHECK hl_status hl_check_generates(const hl_model *m, hl_err *err);

/* What a new plan for this model and its draft may take: what the machine has, without what other plans of
 * its engine will still take. 0: unknown
 * in     draft  NULL: none, here and below */
uint64_t hl_model_available(const hl_model *m, const hl_model *draft);

/* What the draft's weights add to a plan; nothing where a model drafts for itself. */
uint64_t hl_draft_weights_bytes(const hl_model *m, const hl_model *draft);

/* Enter a plan into the engine's budget; hl_memory_release() with the same arguments takes it out. The
 * weights of a model count once, however many plans it has, as a target or a draft. Any thread.
 * in     draft  of the target's engine
 *        plan   its draft_bytes are with the draft's weights
 * fails  HL_E_NOMEM  the plan is larger than plan->available_bytes; the message has the numbers */
HL_MUST_CHECK hl_status hl_memory_admit(hl_model *m, hl_model *draft, const hl_memory_plan *plan,
                                        int32_t n_ctx, hl_err *err);
/* in     plan  one of zeros is none */
void hl_memory_release(hl_model *m, hl_model *draft, const hl_memory_plan *plan);

#endif
