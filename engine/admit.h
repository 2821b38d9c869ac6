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

/* fails  HL_E_NOMEM  the plan is larger than what is available; the message has the numbers */
HL_MUST_CHECK hl_status hl_memory_admit(const hl_memory_plan *plan, int32_t n_ctx, hl_err *err);

#endif
