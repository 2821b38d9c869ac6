/* SPDX-License-Identifier: MIT
 *
 * admit.h - what sessions and the scheduler share: defaults, and whether a memory plan fits the machine.
 */
#ifndef HL_ENGINE_ADMIT_H
#define HL_ENGINE_ADMIT_H

#include "core/base/cpus.h"
#include "engine/kernels/attend.h"
#include "engine/model_priv.h"

int32_t    hl_default_ctx(const hl_model *m); /* min(4096, what the model was trained for) */
hl_kv_type hl_kv_type_of(hl_kv_cache_type t);

/* What a new plan for this model may take: what the machine has, without what other plans of its engine will
 * still take. 0: unknown */
uint64_t hl_model_available(const hl_model *m);

/* Enter a plan into the engine's budget; hl_memory_release() with the same plan takes it out. The weights of
 * a model count once, however many plans it has. Any thread.
 * fails  HL_E_NOMEM  the plan is larger than plan->available_bytes; the message has the numbers */
HL_MUST_CHECK hl_status hl_memory_admit(hl_model *m, const hl_memory_plan *plan, int32_t n_ctx, hl_err *err);
void                    hl_memory_release(hl_model *m, const hl_memory_plan *plan); /* one of zeros is none */

#endif
